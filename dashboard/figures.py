"""Figures of charts: rows of the API in, Plotly figures out. Nothing here asks for anything."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from html import escape
from itertools import pairwise
from typing import Any, NamedTuple

import plotly.graph_objects as go

# Of middle lightness, so that they stand out on a light and on a dark page.
BATCH, SPEED, OUTLINE = "#2f7fb8", "#e08a1e", "#808080"
LABEL = "#5c5c5c"  # under white text
ALERT, PLAIN = "#d64545", "#2f7fb8"
TIME, END = "window_start", "window_end"
HEIGHT, SMALL = 360, 190  # pixels
CUT_TO = 1_000  # rows: the most that a definition can cut a rollup to
UNSPLIT = "split not known"
NOTHING = Decimal(0)
LAST = datetime.max.replace(tzinfo=UTC)
Row = Mapping[str, Any]


class Part(NamedTuple):
    """A bar: what it stands for, its height, and what of it the batch layer gives (None: that is not known)."""

    x: str
    total: Decimal | int
    batch: Decimal | int | None
    open: bool = False

    @property
    def speed(self) -> Decimal | int | None:
        return None if self.batch is None else self.total - self.batch

    @property
    def told(self) -> str:
        if self.batch is None or self.speed is None:
            return digits(self.total)
        sign = "−" if self.speed < 0 else "+"
        return f"batch {digits(self.batch)} {sign} speed {digits(abs(Decimal(self.speed)))} = {digits(self.total)}"


def digits(number: Decimal | int) -> str:
    """A number with all its digits before the point, and up to ten after it."""
    return f"{number:,.10f}".rstrip("0").rstrip(".")


def parts(merged: Iterable[Row], batch: Iterable[Row] | None, x: str, y: str, *, complete: bool = True) -> list[Part]:
    """A bar for each value of `x`. `batch` has rows of the batch layer, all of them if `complete`; None: no parts."""
    merged = list(merged)
    total, below = _added(merged, x, y), None if batch is None else _added(batch, x, y)
    last = max((_moment(row[TIME]) for row in merged if TIME in row), default=None)
    open_ = {row[x] for row in merged if last is not None and END in row and _moment(row[END]) > last}
    return [
        Part(_text(at), value, None if below is None else below.get(at, NOTHING if complete else None), at in open_)
        for at, value in total.items()
    ]


def _added(rows: Iterable[Row], x: str, y: str) -> dict[Any, Decimal | int]:
    found: dict[Any, Decimal | int] = {}
    for row in rows:
        found[row[x]] = found.get(row[x], NOTHING) + Decimal(str(row[y] or 0))
    return found


def whole(merged: Sequence[Row], batch: Sequence[Row]) -> bool:
    """Whether the batch layer's view can lack no row for being cut to the highest, as a rollup may be.

    Then the merged view has at most as many: more rows of it than of the batch's, or than any is cut to, rule that out.
    """
    return len(merged) > min(len(batch), CUT_TO)


def among(merged: Iterable[Row], batch: Iterable[Row], keys: Iterable[str]) -> bool:
    """Whether the batch layer has a row for each of the merged ones."""
    keys = list(keys)
    return {tuple(row[key] for key in keys) for row in merged} <= {tuple(row[key] for key in keys) for row in batch}


def recent(rows: Sequence[Row], most: int) -> list[Row]:
    """Those of the newest windows: a single event that comes days late does not make all others small."""
    if not rows:
        return []
    last = max(rows, key=lambda row: _moment(row[TIME]))
    end = _moment(last[END])  # from which no more is taken than there is: the first window may be that of the year 1
    span = most * (end - _moment(last[TIME]))
    return [row for row in rows if end - _moment(row[TIME]) <= span]


def ordered(found: list[Part], order: Iterable[str]) -> list[Part]:
    """The bars of `order` first, also those that no row has; then the others as they come."""
    order = [_text(x) for x in order]
    by = {part.x: part for part in found}
    first = [by.get(x) or Part(x, NOTHING, NOTHING) for x in order]
    return [*first, *(part for part in found if part.x not in order)]


def bars(found: list[Part], name: str, version: int, *, colours: Iterable[str] = (), share: bool = False) -> go.Figure:
    """A bar for each part, beside each other from left to right: times, or few values in an order of their own."""
    figure = go.Figure()
    x = [part.x.upper() if share and len(part.x) == 1 else part.x for part in found]
    for trace in _stacked(found, list(colours)):
        figure.add_bar(x=x, **trace)
    total = sum(part.total for part in found)
    if share:
        texts = [f"<b>{at}</b> {part.total / total:.1%}" if total else at for at, part in zip(x, found, strict=True)]
        figure.add_scatter(
            x=x, y=[float(part.total) for part in found], text=texts, mode="text", textposition="top center",
            hoverinfo="skip", showlegend=False, cliponaxis=False,
        )  # fmt: skip
    if cuts := _cuts(zip(x, found, strict=True)):
        _marked(figure, list(cuts), list(cuts.values()), version, "line-ew")
        at, room = _roomiest(cuts, found)
        _labelled(
            figure, at, cuts[at], {"yanchor": "top", "yshift": -3} if room else {"yanchor": "bottom", "yshift": 3}
        )
    figure.update_yaxes(title=name, rangemode="tozero")
    return _laid_out(figure)


def windows(found: list[Part], name: str, version: int) -> go.Figure:
    """A bar for each window; a line stands where the batch layer's count ends."""
    figure = go.Figure()
    for trace in _stacked(found, []):
        figure.add_bar(x=[part.x for part in found], **trace)
    if last := max((part for part in found if part.batch), key=lambda part: _moment(part.x), default=None):
        _line(figure, _end(last, found), version)
    figure.update_yaxes(title=name, rangemode="tozero")
    return _laid_out(figure)


def _end(last: Part, found: list[Part]) -> str:
    """Where the batch layer's count ends: in the last window that it has counted in, or after it."""
    moments = sorted(_moment(part.x) for part in found)
    half = min((later - one for one, later in pairwise(moments)), default=timedelta()) / 2
    start = _moment(last.x)
    return (start if last.speed else start + min(half, LAST - start)).isoformat()


def ranking(found: list[Part], name: str, version: int) -> go.Figure:
    """A bar for each part, the first on top: names have room beside their bars."""
    figure = go.Figure()
    y = [part.x for part in found]
    for trace in _stacked(found, []):
        figure.add_bar(y=y, x=trace.pop("y"), orientation="h", **trace)
    if cuts := _cuts(zip(y, found, strict=True)):
        _marked(figure, list(cuts.values()), list(cuts), version, "line-ns")
        at, room = _roomiest(cuts, found)
        _labelled(
            figure, cuts[at], at, {"xanchor": "right", "xshift": -3} if room else {"xanchor": "left", "xshift": 3}
        )
    figure.update_yaxes(autorange="reversed", type="category", automargin=True)
    figure.update_xaxes(title=name, rangemode="tozero")
    return _laid_out(figure, max(HEIGHT, 60 + 22 * len(found)))


def line(rows: Iterable[Row], y: str, cut: str | None, version: int, limits: Mapping[str, float] | None) -> go.Figure:
    """A column over its windows: solid as far as the batch layer has counted, dotted from there on."""
    found = sorted((row for row in rows if row[y] is not None), key=lambda row: _moment(row[TIME]))
    x, values = [row[TIME] for row in found], [float(row[y]) for row in found]
    ends = sum(1 for at in x if cut is not None and _moment(at) <= _moment(cut))
    figure = go.Figure()
    hover = "%{y:,.6g}<extra></extra>"
    figure.add_scatter(x=x[:ends], y=values[:ends], name="batch", line={"color": BATCH}, hovertemplate=hover)
    after = slice(max(ends - 1, 0) if ends < len(found) else ends, None)  # from the last point of the batch on
    speed = {"color": SPEED, "dash": "dot"}
    figure.add_scatter(x=x[after], y=values[after], name="speed", line=speed, hovertemplate=hover)
    if limits and found:
        figure.add_hrect(y0=limits["above"], y1=max(*values, limits["above"] * 1.1), fillcolor=ALERT, opacity=0.2,
                         line_width=0, annotation={"text": f"alert above {limits['above']:g}", "font_size": 12},
                         annotation_position="top left")  # fmt: skip
        figure.add_hline(y=limits["below"], line={"color": ALERT, "dash": "dash", "width": 1},
                         annotation={"text": f"ends below {limits['below']:g}", "font_size": 12},
                         annotation_position="bottom left")  # fmt: skip
    if cut and ends:
        _line(figure, cut, version)
    figure.update_xaxes(nticks=4, tickangle=0)
    return _laid_out(figure, SMALL, legend=False)


def span_of(rows: Iterable[Row], y: str, limits: Mapping[str, float] | None) -> tuple[float, float] | None:
    """The range of a column that lines beside each other share, with some room; None: there is no value."""
    values = [float(row[y]) for row in rows if row[y] is not None]
    if not values:
        return None
    low, high = min(values), max(*values, limits["above"] * 1.1) if limits else max(values)
    room = (high - low) * 0.06 or 1
    return low - room, high + room


def costs(versions: Sequence[Row]) -> go.Figure:
    """How long each version took to compute, and of how many events it is."""
    figure = go.Figure()
    x = [f"{one['version']}" for one in versions]
    text = [f"{one['mode']}, {one['accepted']:,} events, {one['published_at']}" for one in versions]
    figure.add_bar(x=x, y=[one["seconds"] for one in versions], marker={"color": BATCH}, text=text, textposition="none",
                   hovertemplate="version %{x}: %{y:.1f} s<br>%{text}<extra></extra>")  # fmt: skip
    figure.update_xaxes(title="version", type="category")
    figure.update_yaxes(title="seconds", rangemode="tozero")
    return _laid_out(figure, SMALL + 60, legend=False)


def freshness(seen: Mapping[str, list[tuple[datetime, float]]]) -> go.Figure:
    """How old the newest count of each pipeline was, in times its target."""
    figure = go.Figure()
    for number, (name, points) in enumerate(seen.items()):
        dash = ("solid", "dash", "dot", "dashdot", "longdash")[number % 5]
        figure.add_scatter(x=[at for at, _ in points], y=[of for _, of in points], name=name, mode="lines",
                           line={"dash": dash}, hovertemplate="%{y:.2f} of its target")  # fmt: skip
    for y, text in ((1, "target: late above"), (3, "stale above")):
        figure.add_hline(y=y, line={"color": OUTLINE, "dash": "dash"}, annotation={"text": text, "font_size": 12})
    figure.update_yaxes(title="times its target", rangemode="tozero")
    return _laid_out(figure)


def histogram(rows: Iterable[Row], of: str) -> go.Figure:
    """How many rows lie where."""
    figure = go.Figure(go.Histogram(x=[_number(row[of]) for row in rows if row[of] is not None], nbinsx=40,
                                    marker={"color": PLAIN, "line": {"color": OUTLINE, "width": 1}}))  # fmt: skip
    figure.update_xaxes(title=of)
    figure.update_yaxes(title="rows")
    return _laid_out(figure, legend=False)


def scatter(rows: Iterable[Row], x: str, y: str, mark: str | None, label: str | None) -> go.Figure:
    """A point for each row; those that are marked have a form of their own."""
    found = [row for row in rows if row[x] is not None and row[y] is not None]
    figure = go.Figure()
    looks: dict[bool, dict[str, Any]] = {
        False: {"color": BATCH, "symbol": "circle-open"},
        True: {"color": ALERT, "symbol": "diamond", "size": 9},
    }
    for marked, look in looks.items():
        some = [row for row in found if bool(row[mark] if mark else False) is marked]
        if some:
            name = f"{'' if marked else 'not '}{mark}" if mark else "rows"
            figure.add_scatter(
                x=[_number(row[x]) for row in some], y=[_number(row[y]) for row in some], mode="markers", name=name,
                marker=look | {"line": {"color": OUTLINE, "width": 1}},
                text=[_text(row[label]) if label else "" for row in some],
                hovertemplate=f"%{{text}}<br>{x} %{{x}}<br>{y} %{{y}}<extra></extra>",
            )  # fmt: skip
    figure.update_xaxes(title=x)
    figure.update_yaxes(title=y)
    return _laid_out(figure, legend=mark is not None)


def _stacked(found: list[Part], colours: list[str]) -> list[dict[str, Any]]:
    """The traces of batch, solid, and speed, hatched; where the parts are not known, one of all."""
    told = [f"{part.x}<br>{part.told}" for part in found]
    still = ["<br>still open" if part.open else "" for part in found]
    shared = {
        "customdata": [text + more for text, more in zip(told, still, strict=True)],
        "hovertemplate": "%{customdata}<extra></extra>",
    }
    opacity = [0.55 if part.open else 1 for part in found]
    own = [*colours, *[OUTLINE] * (len(found) - len(colours))] if colours else None
    edge = {"color": OUTLINE, "width": 1}
    if all(part.batch is None for part in found if part.total):
        marker = {"color": own or PLAIN, "opacity": opacity, "line": edge}
        return [{"y": [float(part.total) for part in found], "name": "merged", "marker": marker, **shared}]
    unsplit = [float(part.total) if part.batch is None else 0 for part in found]
    # A row can lose what the batch gave it: then less than that stands, and nothing is added.
    solid = [0 if part.batch is None else float(min(part.batch, part.total)) for part in found]
    added = [float(max(part.speed or NOTHING, NOTHING)) for part in found]
    hatch = {"shape": "/", "size": 6, "fgcolor": own or SPEED, "bgcolor": "rgba(0,0,0,0)", "fillmode": "replace"}
    batch = {"color": own or BATCH, "opacity": opacity, "line": edge}
    speed = {"color": own or SPEED, "opacity": opacity, "line": edge, "pattern": hatch}
    traces: list[dict[str, Any]] = [
        {"y": solid, "name": "batch", "marker": batch, **shared},
        {"y": added, "name": "speed", "marker": speed, **shared},
    ]
    if any(unsplit):
        split = [f", {UNSPLIT}" if of else "" for of in unsplit]
        said = ["".join(texts) for texts in zip(told, split, still, strict=True)]
        grey = {"color": OUTLINE, "opacity": opacity, "line": edge}
        traces.append({"y": unsplit, "name": UNSPLIT, "marker": grey, **shared, "customdata": said})
    return traces


def _cuts(found: Iterable[tuple[str, Part]]) -> dict[str, float]:
    """Where in a bar the batch layer's part ends, for the bars that have one."""
    return {at: float(min(part.batch, part.total)) for at, part in found if part.batch}


def _marked(figure: go.Figure, x: list[Any], y: list[Any], version: int, symbol: str) -> None:
    marker = {"symbol": symbol, "size": 16, "line": {"width": 2, "color": OUTLINE}}
    figure.add_scatter(x=x, y=y, mode="markers", marker=marker, name=f"cut of version {version}", hoverinfo="skip")


def _roomiest(cuts: Mapping[str, float], found: Iterable[Part]) -> tuple[str, bool]:
    """The bar with the largest part of the batch layer, and whether a label fits into that."""
    at = max(cuts, key=lambda one: cuts[one])
    return at, cuts[at] * 10 >= max(part.total for part in found)


def _labelled(figure: go.Figure, x: Any, y: Any, beside: Mapping[str, Any]) -> None:
    figure.add_annotation(x=x, y=y, text="cut", showarrow=False, bgcolor=LABEL, borderpad=1,
                          font={"size": 11, "color": "#ffffff"}, **beside)  # fmt: skip


def _line(figure: go.Figure, cut: str, version: int) -> None:
    figure.add_vline(x=cut, line={"color": OUTLINE, "dash": "dash", "width": 2})
    figure.add_annotation(x=cut, y=1, yref="paper", yanchor="bottom", text=f"cut of version {version}", showarrow=False,
                          font={"size": 12})  # fmt: skip


def _laid_out(figure: go.Figure, height: int = HEIGHT, *, legend: bool = True) -> go.Figure:
    above = {"orientation": "h", "yanchor": "bottom", "y": 1.06, "x": 0, "traceorder": "normal"}
    margin = {"l": 8, "r": 8, "t": 40 if legend else 18, "b": 8}
    figure.update_layout(barmode="stack", height=height, margin=margin, showlegend=legend,
                         legend=above, hoverlabel={"namelength": -1}, uirevision="kept")  # fmt: skip
    return figure


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _text(value: Any) -> str:
    """A value of an event as a text that Plotly shows as it is: it would take tags and entities for markup."""
    return "(none)" if value is None else escape(str(value), quote=False)


def _moment(value: str) -> datetime:
    return datetime.fromisoformat(value)
