"""Tidemark: what spark-submit runs, and the definitions everything derives from."""
