"""The dashboard: Streamlit pages that read the API, and Kafka. No page knows a pipeline by name."""
