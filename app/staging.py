"""Increments on their way into Postgres: a temporary table that holds those of all views until the transaction ends."""

import io
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from pyarrow import csv

from app.relations import Relation, sql_type

if TYPE_CHECKING:
    import pyarrow as pa


def stage(cursor: Any, relations: Iterable[Relation], increments: "pa.Table") -> None:
    """Copies the increments of all views (see `app.transform`) into the temporary table, by COPY."""
    cursor.execute(_table(relations))
    text = io.BytesIO()
    csv.write_csv(increments, text, csv.WriteOptions(include_header=False))
    text.seek(0)
    columns = ", ".join(f'"{name}"' for name in increments.column_names)
    cursor.copy_expert(f"COPY pg_temp.increment ({columns}) FROM STDIN WITH (FORMAT csv)", text)


def staged(view: int) -> str:
    """What to select the staged increments of a view from; `view` is its position in `Pipeline.all_views`."""
    return f"(SELECT * FROM pg_temp.increment WHERE view = {view}) AS increment"


def _table(relations: Iterable[Relation]) -> str:
    columns = {"view": sql_type("int")}
    for relation in relations:
        columns |= relation.keys | relation.states
    listed = ", ".join(f'"{name}" {kind}' for name, kind in columns.items())
    return f"CREATE TEMPORARY TABLE IF NOT EXISTS increment ({listed}) ON COMMIT DELETE ROWS"
