"""The Parquet tables as Hive knows them: their columns, and the statements that make them."""

from app.events import ARRIVAL
from app.measures import POSITION
from app.model import LakeTable, Pipeline
from app.views import DATE

__all__ = ["DATE", "columns", "create_database", "create_table", "literal"]


def columns(pipeline: Pipeline, table: LakeTable) -> list[tuple[str, str]]:
    """Names and types of the columns in a table's files."""
    position = zip(POSITION, ("int", "bigint", "int"), strict=True)
    names = table.columns or tuple(column.name for column in pipeline.columns)
    return [*position, (ARRIVAL, "timestamp"), *((name, pipeline.types[name]) for name in names)]


def create_database(name: str, location: str) -> str:
    return f"CREATE DATABASE IF NOT EXISTS `{name}` LOCATION {literal(location)}"


def create_table(pipeline: Pipeline, table: LakeTable, location: str) -> str:
    """The statement that makes the table, without partitions, if there is none of its name."""
    listed = ",\n".join(f"    `{name}` {kind}" for name, kind in columns(pipeline, table))
    return (
        f"CREATE EXTERNAL TABLE IF NOT EXISTS `{pipeline.name}`.`{table.name}` (\n{listed}\n)\n"
        f"PARTITIONED BY (`{DATE}` date)\nSTORED AS PARQUET\nLOCATION {literal(location)}"
    )


def literal(text: str) -> str:
    """A text in SQL."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
