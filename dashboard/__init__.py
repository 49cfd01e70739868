"""The dashboard: a Streamlit page that reads the merged views through the API."""
