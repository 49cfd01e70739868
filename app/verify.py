"""Proves a merged view: recounts it from the master dataset up to the ledger's offsets, and compares every value."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from psycopg2.extensions import ISOLATION_LEVEL_REPEATABLE_READ

from app.batch import wait_until_archived
from app.compute import Counts, compute
from app.lake import FILES, Lake
from app.ledger import Ledger, LedgerError, Offsets
from app.model import Pipeline
from app.relations import Relation
from app.settings import Settings

SHOWN = 20  # differing rows that are named


@dataclass(frozen=True)
class Difference:
    """A row of a merged view that is not what the recount gives; None: there is no such row on that side."""

    view: str
    merged: str | None
    recount: str | None


@dataclass(frozen=True)
class Verdict:
    """What the verification of one pipeline found, at the instant its ledger stood at `offsets`."""

    pipeline: Pipeline
    version: int
    offsets: Offsets
    counts: Counts
    rows: dict[str, int]
    differing: dict[str, int]
    differences: list[Difference]

    @property
    def exact(self) -> bool:
        return not self.differing


def verify(lake: Lake, ledger: Ledger, settings: Settings) -> Verdict:
    """Compares all views of a pipeline with a recount; right also while the layers go on.

    Ledger and merged views are taken in one snapshot, and kept as temporary tables; then the master dataset is read.

    Raises:
        LedgerError: another definition is published.
        LakeError: the master dataset does not reach the ledger within ARCHIVE_WAIT seconds.
    """
    with _snapshot(ledger) as cursor:
        version, offsets = _instant(ledger, cursor)
        for relation in ledger.relations:
            cursor.execute(f"CREATE TEMPORARY TABLE {_kept(relation)} AS SELECT * FROM {relation.serving}")
    wait_until_archived(lake, ledger, {p: end for p, end in offsets.items() if p != FILES}, settings.archive_wait)
    computed = compute(lake, ledger.pipeline, {}, offsets)
    computed.events.unpersist()
    rows: dict[str, int] = {}
    differing: dict[str, int] = {}
    differences: list[Difference] = []
    with ledger.staged(computed.increments) as cursor:
        for relation, staged in zip(ledger.relations, ledger.staged_names(), strict=True):
            name = relation.view.name
            cursor.execute(f"SELECT count(*) FROM {_kept(relation)}")
            rows[name] = cursor.fetchone()[0]
            cursor.execute(_comparison(relation, staged))
            if found := cursor.fetchall():
                differing[name] = len(found)
                differences += [Difference(name, *row) for row in found[:SHOWN]]
            cursor.execute(f"DROP TABLE {_kept(relation)}")
    return Verdict(ledger.pipeline, version, offsets, computed.counts, rows, differing, differences)


@contextmanager
def _snapshot(ledger: Ledger) -> Iterator[Any]:
    ledger.connection.set_session(isolation_level=ISOLATION_LEVEL_REPEATABLE_READ)
    try:
        with ledger.connection, ledger.connection.cursor() as cursor:
            yield cursor
    finally:
        ledger.connection.set_session(isolation_level="DEFAULT")


def _instant(ledger: Ledger, cursor: Any) -> tuple[int, Offsets]:
    """The published version and what the merged views count: the ledger's offsets and the version's history files."""
    cursor.execute(
        "SELECT version, cut, offsets FROM serving.status WHERE pipeline = %(pipeline)s AND fingerprint = %(fingerprint)s",
        ledger.key,
    )
    row = cursor.fetchone()
    if row is None:
        raise LedgerError(
            f"{ledger.pipeline.name}: readers see another definition than {ledger.pipeline.fingerprint}; run ./scripts/migrate "
            "and the batch job of the pipeline"
        )
    version, cut, offsets = row
    files = {FILES: cut[str(FILES)]} if str(FILES) in cut else {}
    return version, {int(partition): offset for partition, offset in offsets.items()} | files


def _kept(relation: Relation) -> str:
    return f'pg_temp."merged_{relation.view.name}"'


def _comparison(relation: Relation, staged: str) -> str:
    """The rows that differ, as text: (merged, recount)."""
    columns = ", ".join(f'"{column}"' for column in relation.columns)
    recount = relation.outputs(relation.merge(f"SELECT {columns} FROM {staged}"))
    keys = " AND ".join(f'merged."{key}" = recount."{key}"' for key in relation.keys) or "true"
    return (
        f"SELECT merged::text, recount::text FROM {_kept(relation)} AS merged FULL JOIN ({recount}) AS recount ON {keys} "
        "WHERE merged::text IS DISTINCT FROM recount::text"
    )
