"""The lake tables of events that the batch layer derives: which events each of them holds, and what of an event.

These are the declared lake tables but those of a view, and the quarantine; POSITION tells their rows apart.
"""

from dataclasses import dataclass

from pyspark.sql import DataFrame

from app.events import ARRIVAL
from app.expressions import tolerant
from app.external import columns
from app.measures import POSITION
from app.model import LakeTable, Pipeline


@dataclass(frozen=True)
class Table:
    """One derived table. `where` is Spark SQL over events (see `app.transform`)."""

    name: str
    where: str
    columns: tuple[str, ...]

    def rows(self, events: DataFrame) -> DataFrame:
        return events.filter(self.where).select(*self.columns)


def tables(pipeline: Pipeline) -> tuple[Table, ...]:
    """The tables of events of a pipeline; the quarantine is the last."""
    quarantine = Table("quarantine", "_reason is not null", ("_reason", "_topic", *POSITION, ARRIVAL, "_value"))
    return (*(declared(table, pipeline) for table in pipeline.event_tables), quarantine)


def declared(table: LakeTable, pipeline: Pipeline) -> Table:
    """A declared table of events, whoever writes it."""
    where = f"_reason is null and ({tolerant(table.where, pipeline.types)})" if table.where else "_reason is null"
    return Table(table.name, where, tuple(name for name, _ in columns(pipeline, table)))
