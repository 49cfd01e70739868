"""Proves the merged views of a pipeline: recounts them from the master dataset up to the ledger's offsets.

Every value is compared; the lake is proven by `app.verify_bronze`, `app.verify_lake` and `app.verify_parquet`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from psycopg2.extensions import ISOLATION_LEVEL_REPEATABLE_READ
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from app.batch import can_add_to, wait_until_archived
from app.claims import LedgerError
from app.compute import Counts, OutOfOrder, compute
from app.duplicates import identity
from app.events import ARRIVAL
from app.findings import SHOWN, Findings
from app.lake import OF_FILES, Lake, below, between
from app.ledger import Ledger, Offsets, offsets_from_json
from app.model import Alert, Pipeline
from app.relations import Relation
from app.rollups import RolledUp, Served, rollups, served
from app.settings import Settings
from app.transform import aggregate, decode
from app.verify_bronze import verify_bronze
from app.verify_lake import verify_lake
from app.verify_parquet import verify_parquet


@dataclass(frozen=True)
class Verdict:
    """What the verification of one pipeline found: of its views at the instant its ledger stood at `offsets`.

    `forgotten`: how many duplicates the differing rows of views hold that the speed layer could no longer know, where
    each of these rows holds one and the next batch gives what the recount gives; else 0.
    """

    pipeline: Pipeline
    version: int
    offsets: Offsets
    counts: Counts
    views: Findings
    lake: Findings
    forgotten: int

    @property
    def exact(self) -> bool:
        return self.views.exact and self.lake.exact


@dataclass(frozen=True)
class Instant:
    """What the merged views show: the published version, and what is counted up to the ledger's offsets.

    `cut` and `offsets` also count the lines of files; `accepted`: how many events the version counts.
    """

    version: int
    accepted: int
    cut: Offsets
    offsets: Offsets


def verify(lake: Lake, ledger: Ledger, settings: Settings) -> Verdict:
    """Compares all views and lake tables of a pipeline with a recount; right also while the layers go on.

    Ledger and merged views are taken in one snapshot, and kept as temporary tables; then the master dataset is read.

    Raises:
        LedgerError: another definition is published.
        LakeError: the master dataset does not reach the ledger within ARCHIVE_WAIT seconds, or a lake table is of
            another definition.
    """
    with _snapshot(ledger) as cursor:
        at = _instant(ledger, cursor)
        for face in served(ledger.pipeline):
            _keep(cursor, "merged", face, f"SELECT * FROM {face.serving}")
    streamed = {partition: end for partition, end in at.offsets.items() if partition not in OF_FILES}
    wait_until_archived(lake, ledger, streamed, settings.archive_wait)
    computed = compute(lake, ledger.pipeline, {}, at.offsets)
    computed.release()
    views = Findings()
    with ledger.staged(computed.increments) as cursor:
        staged = dict(zip(ledger.relations, ledger.staged_names(), strict=True))
        for relation, source in staged.items():
            _keep(cursor, "recount", relation, relation.outputs(relation.merge(_states(relation, source))))
        for rolled in rollups(ledger.pipeline):
            _keep(cursor, "recount", rolled, rolled.rows(rolled.of.merge(_states(rolled.of, staged[rolled.of]))))
        for face in served(ledger.pipeline):
            cursor.execute(f"SELECT count(*) FROM {_kept('merged', face)}")
            (rows,) = cursor.fetchone()
            cursor.execute(f"SELECT _merged, _recount FROM ({_differing(face, _kept('merged', face))}) AS row")
            found = cursor.fetchall()
            views.add(face.view.name, rows, len(found), found[:SHOWN])
    forgotten = 0
    if not views.exact and ledger.pipeline.dedup and _next_batch_is_exact(lake, ledger, at):
        forgotten = _forgotten(lake, ledger, at)
    tables = Findings()
    verify_bronze(lake, ledger, settings, tables)
    tables.take(verify_lake(lake, ledger, settings, at.cut))
    verify_parquet(lake, ledger, settings, tables)
    return Verdict(ledger.pipeline, at.version, at.offsets, computed.counts, views, tables, forgotten)


@contextmanager
def _snapshot(ledger: Ledger) -> Iterator[Any]:
    ledger.connection.set_session(isolation_level=ISOLATION_LEVEL_REPEATABLE_READ)
    try:
        with ledger.transaction() as cursor:
            yield cursor
    finally:
        ledger.connection.set_session(isolation_level="DEFAULT")


def _instant(ledger: Ledger, cursor: Any) -> Instant:
    cursor.execute(
        "SELECT version, accepted, cut, offsets FROM serving.status "
        "WHERE pipeline = %(pipeline)s AND fingerprint = %(fingerprint)s",
        ledger.key,
    )
    row = cursor.fetchone()
    if row is None:
        raise LedgerError(
            f"{ledger.pipeline.name}: readers see another definition than {ledger.pipeline.fingerprint}; run "
            "./scripts/migrate and the batch job of the pipeline"
        )
    cut, offsets = offsets_from_json(row[2]), offsets_from_json(row[3])
    of_files = {partition: end for partition, end in cut.items() if partition in OF_FILES}
    return Instant(row[0], row[1], cut, offsets | of_files)


def _forgotten(lake: Lake, ledger: Ledger, at: Instant) -> int:
    """How many duplicates the speed layer could no longer know, if each row that differs holds one; else 0."""
    duplicates = _duplicates_beyond_horizon(lake, ledger.pipeline, at)
    with ledger.staged(aggregate(duplicates, ledger.pipeline).toArrow()) as cursor:
        for relation, staged in zip(ledger.relations, ledger.staged_names(), strict=True):
            keys = " AND ".join(f'increment."{key}" = row."{key}"' for key in relation.keys) or "true"
            # A reading that counts twice can also keep an alert from changing where it would have.
            missing = "false" if isinstance(relation.view, Alert) else "_merged IS NULL"
            cursor.execute(
                f"SELECT FROM ({_differing(relation, _kept('merged', relation))}) AS row "
                f"WHERE {missing} OR NOT EXISTS (SELECT FROM {staged} WHERE {keys})"
            )
            if cursor.rowcount:
                return 0
    return duplicates.count()


def _duplicates_beyond_horizon(lake: Lake, pipeline: Pipeline, at: Instant) -> DataFrame:
    """Events since the cut that repeat one of a file, or one that arrived more than the dedup horizon before them."""
    assert pipeline.dedup is not None
    events = decode(lake.bronze().filter(between({}, at.offsets)), pipeline).filter("_reason is null")
    same, of_file = Window.partitionBy(identity(pipeline)), F.col("_partition").isin(*OF_FILES)
    events = events.withColumns(
        {"_in_file": F.max(of_file).over(same), "_first": F.min(F.when(~of_file, F.col(ARRIVAL))).over(same)}
    )
    beyond = F.col(ARRIVAL) > F.col("_first") + F.expr(f"interval {pipeline.dedup.horizon}")
    return events.filter(~below(at.cut, "_partition", "_offset")).filter(F.col("_in_file") | beyond)


def _next_batch_is_exact(lake: Lake, ledger: Ledger, at: Instant) -> bool:
    """Whether the version, with what the next batch adds to it, is what the recount gives."""
    increments = _increments_of_next_batch(lake, ledger.pipeline, at)
    if increments is None:
        return True
    with ledger.staged(increments) as cursor:
        for relation, staged in zip(ledger.relations, ledger.staged_names(), strict=True):
            published = _states(relation, f"batch.{relation.name} WHERE version = {at.version}")
            parts = f"{published} UNION ALL {_states(relation, staged)}"
            following = f"({relation.outputs(relation.merge(parts))})"
            cursor.execute(f"SELECT FROM ({_differing(relation, following)}) AS row")
            if cursor.rowcount:
                return False
    return True


def _increments_of_next_batch(lake: Lake, pipeline: Pipeline, at: Instant) -> pa.Table | None:
    """What it adds to the version; None where it computes everything anew, as the recount does."""
    if not at.cut or not can_add_to(lake, at.cut, at.accepted):
        return None
    try:
        computed = compute(lake, pipeline, at.cut, at.offsets)
    except OutOfOrder:
        return None
    computed.release()
    return computed.increments


def _kept(what: str, relation: Served) -> str:
    return f'pg_temp."{what}_{relation.view.name}"'


def _keep(cursor: Any, what: str, relation: Served, query: str) -> None:
    """Keeps the rows of a query until the connection ends."""
    cursor.execute(f"DROP TABLE IF EXISTS {_kept(what, relation)}")
    cursor.execute(f"CREATE TEMPORARY TABLE {_kept(what, relation)} AS {query}")


def _states(relation: Relation, source: str) -> str:
    columns = ", ".join(f'"{column}"' for column in relation.columns)
    return f"SELECT {columns} FROM {source}"


def _differing(relation: Served, merged: str) -> str:
    """The rows in which `merged` is not as the recount: their keys, and both sides as text."""
    if isinstance(relation, RolledUp):  # its keys may be null, so its rows are told apart by all they hold
        return (
            f"SELECT _merged::text, _recount::text FROM {merged} AS _merged "
            f"FULL JOIN {_kept('recount', relation)} AS _recount ON _merged::text = _recount::text "
            "WHERE _merged::text IS DISTINCT FROM _recount::text"
        )
    keys = "".join(f'coalesce(_merged."{key}", _recount."{key}") AS "{key}", ' for key in relation.view.identity)
    same = " AND ".join(f'_merged."{key}" = _recount."{key}"' for key in relation.view.identity) or "true"
    return (
        f"SELECT {keys}_merged::text, _recount::text "
        f"FROM {merged} AS _merged FULL JOIN {_kept('recount', relation)} AS _recount ON {same} "
        "WHERE _merged::text IS DISTINCT FROM _recount::text"
    )
