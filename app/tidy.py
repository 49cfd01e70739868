"""Keeping Delta tables small: they gain a file with each commit, and no commit deletes one."""

from delta.tables import DeltaTable

from app.lake import Lake
from app.tables import tables


def tidy(lake: Lake, table: str) -> None:
    """Puts small files together, and deletes what no commit of the last day refers to. No row changes."""
    delta = DeltaTable.forPath(lake.spark, lake.path(table))
    delta.optimize().executeCompaction()
    delta.vacuum()


def tidy_derived(lake: Lake) -> None:
    """Tidies all tables that the batch layer derives."""
    pipeline = lake.pipeline
    names = [*(table.name for table in tables(pipeline)), *pipeline.view_tables]
    for name in [*names, lake.ids_table] if pipeline.dedup else names:
        tidy(lake, name)
