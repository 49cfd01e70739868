"""The page of one pipeline: key figures, its charts, and the rows of its views. It is the same page for all."""

from typing import Any

import streamlit as st

from dashboard import charts, tables
from dashboard.notices import age, badge, empty, late, plain, told
from dashboard.sources import Sources, sources

OFTEN, SELDOM = "2s", "5s"
LIMIT = 1_000  # rows of a table
SHORT = 10_000  # a number that is as large has no digits after its point
LAYERS = ("merged", "batch", "speed")


def page(name: str) -> None:
    here = sources()
    pipelines = here.pipelines()
    if not told(pipelines):
        return
    listed = next((one for one in pipelines.value or () if one["name"] == name), None)
    if listed is None:
        st.error(f"The API knows no pipeline {name}. Start it with the definitions that the dashboard was started with")
        return
    st.title(name.replace("_", " ").capitalize())
    st.caption(listed["description"])
    _head(here, listed)
    _figures(here, listed)
    for number, chart in enumerate(listed["charts"]):
        st.subheader(charts.title(chart))
        st.caption(charts.about(chart, listed))
        _chart(here, listed, chart, f"{name} chart {number}")
    st.subheader("Rows")
    _rows(here, listed)


@st.fragment(run_every=OFTEN)
def _head(here: Sources, listed: dict[str, Any]) -> None:
    """How fresh it is, and where its layers meet."""
    status = here.standing(listed).status
    st.markdown(badge(status))
    if not told(status):
        return
    stand = status.value
    late(listed["name"], stand)
    cut, offsets = stand["cut"], stand["offsets"]
    since = sum(offset - cut.get(partition, 0) for partition, offset in offsets.items())
    version, batch, speed, fresh = st.columns(4)
    version.metric("Version", stand["version"], help=f"{stand['mode']}, published {stand['published_at']}")
    batch.metric("Messages below the cut", f"{sum(cut.values()):,}", help=f"Offsets: {by_partition(cut)}")
    speed.metric("Messages since the cut", f"{since:,}", help=f"Offsets: {by_partition(offsets)}")
    help_text = "Age of the last micro-batch, or of the last look that found all of the log counted"
    fresh.metric("Freshness", age(stand["freshness_seconds"]), help=help_text)


@st.fragment(run_every=OFTEN)
def _figures(here: Sources, listed: dict[str, Any]) -> None:
    """The views of one row: their columns are figures, and lists of rows are tables."""
    for view in listed["views"]:
        if view["keys"]:
            continue
        found = here.row(listed["name"], view["name"])
        if not told(found) or found.value is None or not found.value["rows"]:
            continue
        st.markdown(f"**{view['description'] or view['name']}**")
        (row,), types = found.value["rows"], found.value["meta"]["columns"]
        plain = [name for name, kind in types.items() if kind != "json"]
        for at, name in zip(st.columns(len(plain)) if plain else (), plain, strict=True):
            at.metric(name, figure(row[name], types[name]))
        for name in types.keys() - set(plain):
            if row[name]:
                st.dataframe(row[name], hide_index=True, width="stretch")


@st.fragment(run_every=SELDOM)
def _chart(here: Sources, listed: dict[str, Any], chart: dict[str, Any], key: str) -> None:
    charts.draw(chart, listed, here, key)


@st.fragment(run_every=SELDOM)
def _rows(here: Sources, listed: dict[str, Any]) -> None:
    views = {view["name"]: view for view in listed["views"]}
    left, right = st.columns(2)
    view = left.selectbox("View", views, key=f"{listed['name']} view")
    layer = right.segmented_control("Layer", LAYERS, default=LAYERS[0], key=f"{listed['name']} layer", required=True)
    found = here.rows(listed["name"], view, layer=str(layer), limit=LIMIT)
    if not told(found):
        return
    st.caption(views[view]["description"])
    if found.value["rows"]:
        tables.show(found.value)
        if found.value["next"]:
            st.caption(f"The first {found.value['meta']['limit']:,} rows by key; there are more.")
    else:
        empty(found.value)


def figure(value: Any, kind: str) -> str:
    """A value as a figure: numbers with separators, decimals with two digits while small, texts as they are."""
    if value is None:
        return "none"
    if kind == "decimal":
        return f"{float(value):,.2f}" if abs(float(value)) < SHORT else f"{float(value):,.0f}"
    return f"{value:,}" if kind in ("int", "bigint") else plain(str(value))


def by_partition(offsets: dict[str, int]) -> str:
    return ", ".join(f"{partition}: {offset:,}" for partition, offset in sorted(offsets.items())) or "none"
