"""The table that readers see of a view with indexes: its rows are those of the merged view, in every snapshot.

Whoever changes the merged view changes the table in the same transaction: the speed layer the rows of the keys that a
micro-batch adds to, a publish or a rollback whatever differs. They wait for each other at `tidemark.hold_published`.
"""

from collections.abc import Iterable
from typing import Any

from app.relations import Relation


def kept(relations: Iterable[Relation]) -> list[Relation]:
    """Those that readers see as tables."""
    return [relation for relation in relations if relation.view.indexes]


def refresh(cursor: Any, relations: Iterable[Relation]) -> None:
    """Makes the tables equal to the merged views of the published version."""
    for relation in kept(relations):
        cursor.execute(_changes(relation, relation.parts()) + " WHEN NOT MATCHED BY SOURCE THEN DELETE")


def refresh_added(cursor: Any, key: dict[str, str], staged: Iterable[tuple[Relation, str]]) -> None:
    """Does so for the keys of the increments that were added, given each relation with the source of its own.

    `key` names pipeline and fingerprint. What readers see of another definition is left alone.
    """
    sources = {relation: source for relation, source in staged if relation.view.indexes}
    if not sources:
        return
    cursor.execute("SELECT tidemark.hold_published(%(pipeline)s, %(fingerprint)s)", key)
    if not cursor.fetchone()[0]:
        return
    for relation, source in sources.items():
        keys = ", ".join(f'"{name}"' for name in relation.keys)
        parts = f"SELECT * FROM ({relation.parts()}) AS part WHERE ({keys}) IN (SELECT {keys} FROM {source})"
        cursor.execute(_changes(relation, parts))


def _changes(relation: Relation, parts: str) -> str:
    names = [f'"{name}"' for name in relation.view.output_names]
    values = ", ".join(f"row.{name}" for name in names)
    same = " AND ".join(f'kept."{key}" = row."{key}"' for key in relation.keys)
    return (
        f"MERGE INTO {relation.serving} AS kept USING ({relation.outputs(relation.merge(parts))}) AS row ON {same} "
        f"WHEN MATCHED AND (kept.*) IS DISTINCT FROM (row.*) THEN UPDATE SET ({', '.join(names)}) = ROW({values}) "
        f"WHEN NOT MATCHED THEN INSERT ({', '.join(names)}) VALUES ({values})"
    )
