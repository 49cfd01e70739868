"""The charts that a pipeline declares, or that fit its views, drawn from the API's rows."""

from typing import Any

import plotly.graph_objects as go
import streamlit as st

from dashboard import figures
from dashboard.figures import TIME
from dashboard.notices import empty, told
from dashboard.shared import Reading
from dashboard.sources import ALL, Sources

POINTS = 1_000  # rows of a scatter of events, or of a view
SERIES = 12  # small charts at most
WINDOWS = 30  # of each
ACROSS = 3  # small charts beside each other
CONFIG = {"displayModeBar": False}
Chart = dict[str, Any]
Listed = dict[str, Any]


def title(chart: Chart) -> str:
    if chart["title"]:
        return str(chart["title"])
    match chart:
        case {"kind": "bars", "x": x, "y": y}:
            text = f"{y} over time" if x == TIME else f"{y} by {x}"
        case {"kind": "lines", "by": by}:
            text = f"by {by} over time" if by else "over time"
        case {"kind": "histogram", "of": of}:
            text = str(of)
        case _:
            text = f"{chart['y']} against {chart['x']}"
    words = text.replace("_", " ")
    return words[0].upper() + words[1:]


def about(chart: Chart, listed: Listed) -> str:
    """What the rows are that it is made of."""
    view = _view(listed, chart["view"])
    return str(view["description"] or chart["view"]) if view else f"The newest events of /{chart['view']}"


def draw(chart: Chart, listed: Listed, sources: Sources, key: str) -> None:
    """The chart, or why there is none. `key` tells it from other charts of the page."""
    {"bars": _bars, "lines": _lines, "histogram": _histogram, "scatter": _scatter}[chart["kind"]](
        chart, listed, sources, key
    )


def drawn(figure: go.Figure, key: str, alt: str) -> None:
    st.plotly_chart(figure, key=key, config=CONFIG, alt=alt)


def _bars(chart: Chart, listed: Listed, sources: Sources, key: str) -> None:
    name, view, x, y = listed["name"], view_of(listed, chart["view"]), chart["x"], chart["y"]
    alone = not set(view["keys"]) - {x, figures.END}  # whether a bar is one row
    sort = f"-{TIME}" if x == TIME else f"-{y}"
    limit = max(chart["most"], figures.CUT_TO + 1) if alone else ALL  # enough to see whether a view is cut to so many
    merged = sources.rows(name, chart["view"], sort=sort, limit=limit)
    if not told(merged) or merged.value is None or _empty(merged):
        return
    rows, meta, more = merged.value["rows"], merged.value["meta"], merged.value["next"] is not None
    of_batch = sources.batch(merged.value, sort=sort, limit=ALL).value if y in view["sums"] else None
    below = None if of_batch is None else of_batch["rows"]
    complete = of_batch is not None and of_batch["next"] is None and figures.whole(rows, of_batch["rows"])
    if below is not None and not (alone or complete or figures.among(rows, below, view["keys"])):
        below = None  # a part of a bar may be missing
    shown = figures.recent(rows, chart["most"]) if x == TIME else rows
    found = figures.parts(shown, below, x, y, complete=complete)
    if more and not alone:
        found = found[:-1]  # of the last bar there may be rows that were not read
    more, found = more or len(shown) < len(rows) or len(found) > chart["most"], found[: chart["most"]]
    alt = (
        f"{y} by {x}: {len(found)} bars, {figures.digits(sum((part.total for part in found), figures.NOTHING))} in all"
    )
    if x == TIME:
        drawn(figures.windows(found[::-1], y, meta["version"]), key, alt)
    elif chart["order"]:
        found = figures.ordered(found, chart["order"])
        drawn(figures.bars(found, y, meta["version"], colours=chart["colours"], share=chart["share"]), key, alt)
    else:
        drawn(figures.ranking(found, y, meta["version"]), key, alt)
    if any(part.open for part in found):
        st.caption("Lighter: can still grow.")
    if more:
        st.caption(f"The {'newest' if x == TIME else 'highest'} {len(found)}; there are more.")


def _lines(chart: Chart, listed: Listed, sources: Sources, key: str) -> None:
    name, view = listed["name"], view_of(listed, chart["view"])
    y = str(st.segmented_control("Shown", chart["y"], default=chart["y"][0], key=f"{key} y", required=True,
                                 label_visibility="collapsed") if len(chart["y"]) > 1 else chart["y"][0])  # fmt: skip
    by, merged = chart["by"], _newest(chart, name, sources)
    if not told(merged) or merged.value is None or _empty(merged):
        return
    rows, meta = figures.recent(merged.value["rows"], WINDOWS), merged.value["meta"]
    newest = sources.batch(merged.value, sort=f"-{TIME}", limit=1).value
    cut = newest["rows"][0][TIME] if newest and newest["rows"] else None
    series: dict[Any, list[Any]] = {}
    for row in rows:
        series.setdefault(row[by] if by else "", []).append(row)
    names, limits = sorted(series, key=str), view["limits"].get(y)
    chosen = names
    if len(names) > SERIES:
        picked = st.multiselect(f"Shown, {SERIES} at most", names, names[:SERIES], format_func=str, key=f"{key} shown",
                                max_selections=SERIES)  # fmt: skip
        chosen = [one for one in picked if one in series]
    same = figures.span_of([row for one in chosen for row in series[one]], y, limits)
    columns = st.columns(min(ACROSS, len(chosen)) or 1)
    for number, one in enumerate(chosen):
        with columns[number % len(columns)]:
            if by:
                st.text(str(one))  # as it is: what an event holds is not ours to interpret
            figure = figures.line(series[one], y, cut, meta["version"], limits)
            figure.update_yaxes(range=same)
            drawn(figure, f"{key} {one}", f"{y} of {one} over {len(series[one])} windows")
    st.caption(
        f"{y}: solid up to the cut of version {meta['version']}, dotted from there on."
        + (f" {len(chosen)} of {len(names)} are shown." if len(chosen) < len(names) else "")
    )


def _newest(chart: Chart, name: str, sources: Sources) -> Reading:
    """Rows of the newest windows, so many that each line has its own."""

    def read(lines: int) -> Reading:
        return sources.rows(name, chart["view"], sort=f"-{TIME}", limit=min(lines * WINDOWS, ALL))

    found = read(SERIES)
    rows = found.value["rows"] if found.value and chart["by"] else ()
    lines = len({row[chart["by"]] for row in rows})
    return read(lines) if lines > SERIES else found


def _histogram(chart: Chart, listed: Listed, sources: Sources, key: str) -> None:
    merged = sources.rows(listed["name"], chart["view"], limit=ALL)
    if told(merged) and not _empty(merged):
        rows, of = merged.value["rows"], chart["of"]
        drawn(figures.histogram(rows, of), key, f"How many of {len(rows)} rows have which {of}")
        _first(merged)


def _scatter(chart: Chart, listed: Listed, sources: Sources, key: str) -> None:
    if _view(listed, chart["view"]):
        found = sources.rows(listed["name"], chart["view"], limit=POINTS)
    else:
        found = sources.events(chart["view"], POINTS)
    if told(found) and not _empty(found):
        rows = found.value["rows"]
        figure = figures.scatter(rows, chart["x"], chart["y"], chart["mark"], chart["label"])
        drawn(figure, key, f"{chart['y']} against {chart['x']} of {len(rows)} rows")
        _first(found)


def _first(found: Reading) -> None:
    if found.value.get("next") or found.value["meta"].get("truncated"):
        st.caption(f"{found.value['meta']['limit']:,} rows; there are more.")


def view_of(listed: Listed, name: str) -> dict[str, Any]:
    return next(view for view in listed["views"] if view["name"] == name)


def _view(listed: Listed, name: str) -> dict[str, Any] | None:
    return next((view for view in listed["views"] if view["name"] == name), None)


def _empty(found: Reading) -> bool:
    if not found.value["rows"]:
        empty(found.value)
    return not found.value["rows"]
