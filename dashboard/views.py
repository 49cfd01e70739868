"""The page: one merged view as it is now, and the boundary it was read at."""

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pyarrow as pa
import streamlit as st

from app.settings import settings
from dashboard.api import Api, ApiError

REFRESH = "2s"
LIMIT = 1_000  # rows
BROWSER_DIGITS = 15  # that a number keeps in a browser


def table(answer: dict[str, Any]) -> pa.Table:
    """The rows of an answer. Decimals are numbers, so that they sort as such, unless a browser would round them."""
    convert: dict[str, Callable[[Any], Any]] = {"decimal": Decimal, "json": json.dumps}
    columns = {}
    for name, kind in answer["meta"]["columns"].items():
        exact = convert.get(kind, lambda value: value)
        column = pa.array([None if row[name] is None else exact(row[name]) for row in answer["rows"]])
        wide = pa.types.is_decimal(column.type) and column.type.precision > BROWSER_DIGITS
        columns[name] = pa.array([row[name] for row in answer["rows"]]) if wide else column
    return pa.table(columns)


def all_digits(shown: pa.Table) -> dict[str, Any]:
    """How decimals are shown: with all their digits, where the default is to round to four."""
    decimals = {field.name: field.type.scale for field in shown.schema if pa.types.is_decimal(field.type)}
    return {name: st.column_config.NumberColumn(format=f"%.{scale}f") for name, scale in decimals.items()}


def age(seconds: float | None) -> str:
    """How long ago, in the unit that fits."""
    if seconds is None:
        return "never"
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit} ago"
    return f"{seconds:.0f} s ago"


def by_partition(offsets: dict[str, int]) -> str:
    return ", ".join(f"{partition}: {offset:,}" for partition, offset in sorted(offsets.items())) or "none"


def key_figures(meta: dict[str, Any]) -> None:
    cut, offsets = meta["cut"], meta["offsets"]
    since = sum(offset - cut.get(partition, 0) for partition, offset in offsets.items())
    version, batch, speed, fresh = st.columns(4)
    version.metric("Version", meta["version"], help=f"{meta['mode']}, published {meta['published_at']}")
    batch.metric("Messages below the cut", f"{sum(cut.values()):,}", help=f"Offsets: {by_partition(cut)}")
    speed.metric("Messages since the cut", f"{since:,}", help=f"Offsets: {by_partition(offsets)}")
    help_text = "Age of the last micro-batch, or of the last look that found all of the log counted"
    fresh.metric("Freshness", age(meta["freshness_seconds"]), help=help_text)


def rows(answer: dict[str, Any], pipeline: dict[str, Any]) -> None:
    meta = answer["meta"]
    if answer["rows"]:
        shown = table(answer)
        st.dataframe(shown, column_config=all_digits(shown), hide_index=True, width="stretch")
        if meta["truncated"]:
            st.caption(f"The first {meta['limit']:,} rows by key; there are more.")
    elif meta["freshness_seconds"] is None and meta["version"] == 0:
        command = f"spark-submit app/streaming_job.py {meta['pipeline']}"
        topic = pipeline["topic"]
        st.info(
            f"Nothing has been counted yet. Start the speed layer, `{command}`, and send events to the topic `{topic}`."
        )
    else:
        st.info("No event that has been counted belongs to this view.")


@st.fragment(run_every=REFRESH)
def page() -> None:
    api = Api(settings())
    try:
        if "pipelines" not in st.session_state:
            st.session_state.pipelines = {pipeline["name"]: pipeline for pipeline in api.get("/pipelines")}
        pipelines = st.session_state.pipelines
        left, right = st.columns(2)
        name = left.selectbox("Pipeline", pipelines)
        pipeline = pipelines[name]
        view = right.selectbox("View", [view["name"] for view in pipeline["views"]])
        st.caption(pipeline["description"])
        answer = api.get(f"/pipelines/{name}/views/{view}?limit={LIMIT}")
    except ApiError as error:
        st.error(str(error))
        return
    key_figures(answer["meta"])
    rows(answer, pipeline)


st.title("Tidemark")
page()
