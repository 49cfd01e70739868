"""The boundary between the layers: offsets, segments, versions. Both layers meet in Postgres, and only here.

The rule, which makes the merged view exact at every instant:

- The *ledger* holds, for each partition, the offset before which the speed layer has counted everything, once.
- A micro-batch adds its increments to the open *segment* and moves the ledger, in one transaction.
- A *cut* seals the open segment, in one transaction: the ledger's offsets at that moment are the cut.
- A *version* is what the batch layer computes over exactly the events below a cut.
- merged view = version + segments after its cut. Publishing moves one pointer, in one transaction.

Offsets are exclusive upper bounds: {partition: next offset}. A partition that is not named stands at 0.
"""

import io
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyarrow import csv

from app.model import Pipeline
from app.postgres import Connection
from app.relations import Relation, relations, sql_type

if TYPE_CHECKING:
    import pyarrow as pa

Offsets = dict[int, int]


class LedgerError(Exception):
    """The ledger is not where the caller must find it; nothing was written."""


class DefinitionReplaced(LedgerError):
    """A newer definition of the pipeline has been published; a job of the older one has nothing more to do."""


@dataclass(frozen=True)
class Cut:
    """A sealed segment and the offsets that it and all before it end at."""

    segment: int
    offsets: Offsets


@dataclass(frozen=True)
class Version:
    """A result of the batch layer. `cut` also counts the lines of history files, as partition -1."""

    version: int
    segment: int
    cut: Offsets
    mode: str
    accepted: int
    duplicates: int
    quarantined: int
    seconds: float


def offsets_from_json(value: dict[str, int]) -> Offsets:
    return {int(partition): offset for partition, offset in value.items()}


class Ledger:
    """The ledger of one definition of a pipeline, over one connection."""

    def __init__(self, connection: Connection, pipeline: Pipeline) -> None:
        self.connection = connection
        self.pipeline = pipeline
        self.key = {"pipeline": pipeline.name, "fingerprint": pipeline.fingerprint}
        self.relations = relations(pipeline)
        self._staging = _staging(self.relations)

    def claim(self, work: str) -> None:
        """Makes this connection the only one that does `work` for the pipeline, as long as it lives.

        Raises:
            LedgerError: another process does that work.
        """
        with self.connection, self.connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", (f"{work} {self.pipeline.name}",))
            if not _one(cursor)[0]:
                raise LedgerError(
                    f"another process already does the {work} of {self.pipeline.name}; stop it, or wait until it ends"
                )

    def offsets(self) -> Offsets:
        """The offsets the speed layer has committed.

        Raises:
            LedgerError: the definition has not been registered.
        """
        with self.connection, self.connection.cursor() as cursor:
            return self._locked(cursor, lock="")[0]

    def _locked(self, cursor: Any, lock: str = "FOR UPDATE") -> tuple[Offsets, int]:
        cursor.execute(
            "SELECT offsets, open_segment FROM tidemark.ledger "
            f"WHERE pipeline = %(pipeline)s AND fingerprint = %(fingerprint)s {lock}",
            self.key,
        )
        row = cursor.fetchone()
        if row is None:
            raise LedgerError(
                f"{self.pipeline.name}: definition {self.pipeline.fingerprint} is not registered; run ./scripts/migrate"
            )
        return offsets_from_json(row[0]), row[1]

    def commit(self, expected: Offsets, end: Offsets, increments: "pa.Table") -> None:
        """Adds a micro-batch's increments to the open segment and moves the ledger from `expected` to `end`.

        Raises:
            LedgerError: the ledger is not at `expected`: another process has moved it.
            DefinitionReplaced: readers have been pointed to a newer definition.
        """
        with self.connection, self.connection.cursor() as cursor:
            segment = self._expect(cursor, expected)
            self._refuse_replaced(cursor)
            self._stage(cursor, increments)
            for view, relation in enumerate(self.relations):
                cursor.execute(relation.add_to_segment(_staged(view)), {"segment": segment})
            self._set_offsets(cursor, end)

    def refuse_replaced(self) -> None:
        """Raises DefinitionReplaced when readers have been pointed to a newer definition."""
        with self.connection, self.connection.cursor() as cursor:
            self._refuse_replaced(cursor)

    def _refuse_replaced(self, cursor: Any) -> None:
        cursor.execute(
            "SELECT p.fingerprint FROM tidemark.published p JOIN tidemark.generation theirs USING (pipeline, fingerprint) "
            "JOIN tidemark.generation own ON own.pipeline = p.pipeline AND own.fingerprint = %(fingerprint)s "
            "WHERE p.pipeline = %(pipeline)s AND theirs.id > own.id",
            self.key,
        )
        if row := cursor.fetchone():
            raise DefinitionReplaced(
                f"{self.pipeline.name}: definition {row[0]} has been published in place of "
                f"{self.pipeline.fingerprint}, which this job runs; start it again"
            )

    def checked(self) -> None:
        """Notes that everything in the log is committed, so that an idle stream does not look stale."""
        with self.connection, self.connection.cursor() as cursor:
            cursor.execute(
                "UPDATE tidemark.ledger SET checked_at = clock_timestamp() "
                "WHERE pipeline = %(pipeline)s AND fingerprint = %(fingerprint)s",
                self.key,
            )

    def record_loss(self, layer: str, lost: dict[int, tuple[int, int]]) -> None:
        """Notes what an operator accepted as lost: {partition: (first offset, next offset)}."""
        with self.connection, self.connection.cursor() as cursor:
            for partition, (first, following) in lost.items():
                cursor.execute(
                    "INSERT INTO tidemark.loss VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
                    (self.pipeline.name, layer, partition, first, following),
                )

    def losses(self, layer: str) -> list[tuple[int, int, int]]:
        """What was accepted as lost: (partition, first offset, next offset)."""
        with self.connection, self.connection.cursor() as cursor:
            cursor.execute(
                "SELECT partition, first_offset, next_offset FROM tidemark.loss WHERE pipeline = %s AND layer = %s "
                "ORDER BY first_offset",
                (self.pipeline.name, layer),
            )
            return list(cursor.fetchall())

    def move(self, expected: Offsets, offsets: Offsets) -> None:
        """Moves the ledger without an increment, over offsets that hold nothing or are accepted as lost.

        Raises:
            LedgerError: the ledger is not at `expected`.
        """
        with self.connection, self.connection.cursor() as cursor:
            self._expect(cursor, expected)
            self._set_offsets(cursor, offsets)

    def _expect(self, cursor: Any, expected: Offsets) -> int:
        found, segment = self._locked(cursor)
        if found != expected:
            raise LedgerError(
                f"the ledger of {self.pipeline.name} is at {found}, expected {expected}: another process moved it"
            )
        return segment

    def _set_offsets(self, cursor: Any, offsets: Offsets) -> None:
        cursor.execute(
            "UPDATE tidemark.ledger SET offsets = %(offsets)s, committed_at = clock_timestamp() "
            "WHERE pipeline = %(pipeline)s AND fingerprint = %(fingerprint)s",
            self.key | {"offsets": json.dumps(offsets)},
        )

    def cut(self) -> Cut:
        """Seals the open segment and opens the next: the ledger's offsets are the cut.

        A definition that has never streamed first takes over where the published one stands, so that publishing it does
        not take readers back in time.
        """
        with self.connection, self.connection.cursor() as cursor:
            self._take_over(cursor)
            offsets, segment = self._locked(cursor)
            cursor.execute(
                "UPDATE tidemark.segment SET cut = %(cut)s, sealed_at = clock_timestamp() WHERE pipeline = %(pipeline)s "
                "AND fingerprint = %(fingerprint)s AND segment = %(segment)s",
                self.key | {"cut": json.dumps(offsets), "segment": segment},
            )
            cursor.execute(
                "INSERT INTO tidemark.segment (pipeline, fingerprint, segment) "
                "VALUES (%(pipeline)s, %(fingerprint)s, %(segment)s)",
                self.key | {"segment": segment + 1},
            )
            cursor.execute(
                "UPDATE tidemark.ledger SET open_segment = %(segment)s "
                "WHERE pipeline = %(pipeline)s AND fingerprint = %(fingerprint)s",
                self.key | {"segment": segment + 1},
            )
            return Cut(segment, offsets)

    def _take_over(self, cursor: Any) -> None:
        cursor.execute(
            "UPDATE tidemark.ledger own SET offsets = theirs.offsets FROM tidemark.published p "
            "JOIN tidemark.ledger theirs USING (pipeline, fingerprint) "
            "WHERE own.pipeline = %(pipeline)s AND own.fingerprint = %(fingerprint)s AND own.committed_at IS NULL "
            "AND p.pipeline = own.pipeline AND p.fingerprint <> own.fingerprint",
            self.key,
        )

    def published(self) -> Version | None:
        """The version that readers see; None while they see another definition."""
        with self.connection, self.connection.cursor() as cursor:
            cursor.execute(
                "SELECT version, segment, cut, mode, accepted, duplicates, quarantined, seconds FROM tidemark.version "
                "JOIN tidemark.published USING (pipeline, fingerprint, version) "
                "WHERE pipeline = %(pipeline)s AND fingerprint = %(fingerprint)s",
                self.key,
            )
            row = cursor.fetchone()
            return Version(row[0], row[1], offsets_from_json(row[2]), *row[3:]) if row else None

    def next_version(self) -> int:
        with self.connection, self.connection.cursor() as cursor:
            cursor.execute(
                "SELECT coalesce(max(version), 0) + 1 FROM tidemark.version "
                "WHERE pipeline = %(pipeline)s AND fingerprint = %(fingerprint)s",
                self.key,
            )
            return int(_one(cursor)[0])

    def publish(self, version: Version, previous: int | None, increments: "pa.Table", replace: bool = True) -> None:
        """Writes a version, as increments added to `previous` (None: to nothing), and points readers to it.

        Raises:
            DefinitionReplaced: a newer definition has been published, and `replace` is not given.
        """
        with self.connection, self.connection.cursor() as cursor:
            if not replace:
                self._refuse_replaced(cursor)
            self._stage(cursor, increments)
            for view, relation in enumerate(self.relations):
                cursor.execute(relation.add_version(_staged(view)), {"version": version.version, "previous": previous})
            cursor.execute(
                "INSERT INTO tidemark.version (pipeline, fingerprint, version, segment, cut, mode, accepted, duplicates, "
                "quarantined, seconds) VALUES (%(pipeline)s, %(fingerprint)s, %(version)s, %(segment)s, %(cut)s, "
                "%(mode)s, %(accepted)s, %(duplicates)s, %(quarantined)s, %(seconds)s)",
                self.key | vars(version) | {"cut": json.dumps(version.cut)},
            )
            self._point_to(cursor, version.version)

    def rollback(self) -> Version:
        """Points readers back to the version before the published one, which is withdrawn. Exact: its segments are kept.

        Raises:
            LedgerError: no earlier version is kept.
        """
        with self.connection, self.connection.cursor() as cursor:
            cursor.execute(
                "SELECT p.version, max(v.version) FROM tidemark.published p LEFT JOIN tidemark.version v ON "
                "v.pipeline = p.pipeline AND v.fingerprint = p.fingerprint AND v.version < p.version "
                "AND v.withdrawn_at IS NULL AND v.pruned_at IS NULL "
                "WHERE p.pipeline = %(pipeline)s AND p.fingerprint = %(fingerprint)s GROUP BY p.version",
                self.key,
            )
            row = cursor.fetchone()
            if row is None or row[1] is None:
                raise LedgerError(f"{self.pipeline.name}: no version before the published one is kept to roll back to")
            self._point_to(cursor, row[1])
            cursor.execute(
                "UPDATE tidemark.version SET withdrawn_at = clock_timestamp() WHERE pipeline = %(pipeline)s "
                "AND fingerprint = %(fingerprint)s AND version = %(version)s",
                self.key | {"version": row[0]},
            )
        found = self.published()
        assert found is not None
        return found

    def _point_to(self, cursor: Any, version: int) -> None:
        arguments = self.key | {"version": version}
        cursor.execute("SELECT tidemark.point_to(%(pipeline)s, %(fingerprint)s, %(version)s)", arguments)

    def prune(self, keep: int) -> None:
        """Lets go of versions beyond the newest `keep`, and of the segments that every kept version covers."""
        with self.connection, self.connection.cursor() as cursor:
            cursor.execute("SELECT tidemark.prune(%(pipeline)s, %(fingerprint)s, %(keep)s)", self.key | {"keep": keep})

    @contextmanager
    def staged(self, increments: "pa.Table") -> Iterator[Any]:
        """A transaction that sees increments as the queries of `staged_names`; gives its cursor."""
        with self.connection, self.connection.cursor() as cursor:
            self._stage(cursor, increments)
            yield cursor

    def staged_names(self) -> list[str]:
        """For each view, what to select its increments from in a `staged` transaction."""
        return [_staged(view) for view in range(len(self.relations))]

    def _stage(self, cursor: Any, increments: "pa.Table") -> None:
        """Copies the increments of all views into a temporary table, by COPY."""
        cursor.execute(self._staging)
        text = io.BytesIO()
        csv.write_csv(increments, text, csv.WriteOptions(include_header=False))
        text.seek(0)
        columns = ", ".join(f'"{name}"' for name in increments.column_names)
        cursor.copy_expert(f"COPY pg_temp.increment ({columns}) FROM STDIN WITH (FORMAT csv)", text)


def _staged(view: int) -> str:
    return f"(SELECT * FROM pg_temp.increment WHERE view = {view}) AS increment"


def _staging(tables: Iterable[Relation]) -> str:
    columns = {"view": sql_type("int")}
    for relation in tables:
        columns |= relation.keys | relation.states
    listed = ", ".join(f'"{name}" {kind}' for name, kind in columns.items())
    return f"CREATE TEMPORARY TABLE IF NOT EXISTS increment ({listed}) ON COMMIT DELETE ROWS"


def _one(cursor: Any) -> tuple[Any, ...]:
    row: tuple[Any, ...] | None = cursor.fetchone()
    if row is None:
        raise LedgerError("Postgres answered a query that always has a row with none")
    return row
