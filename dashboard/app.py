"""The dashboard: its pages, in order."""

import sys
from pathlib import Path

if (home := str(Path(__file__).resolve().parents[1])) not in sys.path:
    sys.path.insert(0, home)  # Streamlit puts the folder of this file there, not the one above it

import streamlit as st

st.set_page_config(page_title="Tidemark", layout="wide")
pages = [st.Page("views.py", title="Merged views", default=True), st.Page("topics.py", title="Kafka")]
st.navigation(pages).run()
