"""The dashboard: its pages, in order."""

import sys
from functools import partial
from pathlib import Path

if (home := str(Path(__file__).resolve().parents[1])) not in sys.path:
    sys.path.insert(0, home)  # Streamlit puts the folder of this file there, not the one above it

import streamlit as st

from dashboard import layers, operations, overview, pipeline
from dashboard.sources import sources

st.set_page_config(page_title="Tidemark", layout="wide")


@st.fragment(run_every="2s")
def until_there_are_pipelines() -> None:
    """Shows their pages as soon as the API answers, where it did not when this one was opened."""
    if sources().pipelines().value:
        st.rerun()


names = [one["name"] for one in sources().pipelines().value or ()]
of_pipelines = {
    name: st.Page(partial(pipeline.page, name), title=name.replace("_", " ").capitalize(), url_path=name)
    for name in names
}
first = st.Page(partial(overview.page, of_pipelines), title="Overview", url_path="overview", default=True)
explained = [
    st.Page(layers.page, title="Lambda", url_path="lambda"),
    st.Page(operations.page, title="Operations", url_path="operations"),
]
st.navigation({"": [first], "Pipelines": list(of_pipelines.values()), "Behind it": explained}).run()
if not names:
    until_there_are_pipelines()
