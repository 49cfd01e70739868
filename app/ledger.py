"""The boundary between the layers: offsets and segments. Both layers meet in Postgres, and only here.

The rule, which makes the merged view exact at every instant:

- The *ledger* holds, for each partition, the offset before which the speed layer has counted everything, once.
- A micro-batch adds its increments to the open *segment* and moves the ledger, in one transaction.
- A *cut* seals the open segment, in one transaction: the ledger's offsets at that moment are the cut.
- A *version* is what the batch layer computes over exactly the events below a cut (see `app.versions`).
- merged view = version + segments after its cut. Publishing moves one pointer, in one transaction.

Offsets are exclusive upper bounds: {partition: next offset}. A partition that is not named stands at 0.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from app import kept, staging
from app.claims import Claims, LedgerError
from app.errors import Explained
from app.model import Pipeline
from app.postgres import Connection
from app.relations import relations

if TYPE_CHECKING:
    import pyarrow as pa

Offsets = dict[int, int]


class DefinitionUnknown(Explained, LedgerError):
    """The definition has not been registered in Postgres."""

    help = "./scripts/migrate"


class DefinitionReplaced(Explained, LedgerError):
    """A newer definition of the pipeline has been published; a job of the older one has nothing more to do."""

    help = "start the job again"
    decision = "restart"


@dataclass(frozen=True)
class Cut:
    """A sealed segment and the offsets that it and all before it end at."""

    segment: int
    offsets: Offsets


def messages_between(start: Offsets, end: Offsets) -> int:
    """How many messages lie from some offsets on and below others."""
    return sum(offset - start.get(partition, 0) for partition, offset in end.items())


def offsets_from_json(value: dict[str, int]) -> Offsets:
    return {int(partition): offset for partition, offset in value.items()}


class Ledger(Claims):
    """The ledger of one definition of a pipeline, over one connection."""

    def __init__(self, connection: Connection, pipeline: Pipeline) -> None:
        super().__init__(connection, pipeline)
        self.relations = relations(pipeline)

    @contextmanager
    def staged(self, increments: "pa.Table") -> Iterator[Any]:
        """A transaction that sees increments as the queries of `staged_names`; gives its cursor."""
        with self.transaction() as cursor:
            staging.stage(cursor, self.relations, increments)
            yield cursor

    def staged_names(self) -> list[str]:
        """For each view, what to select its increments from in a `staged` transaction."""
        return [staging.staged(view) for view in range(len(self.relations))]

    def offsets(self) -> Offsets:
        """The offsets the speed layer has committed.

        Raises:
            DefinitionUnknown: the definition has not been registered.
            DefinitionReplaced: readers have been pointed to a newer definition, and this one's ledger is gone.
        """
        with self.transaction() as cursor:
            return self._locked(cursor, lock="")[0]

    def _locked(self, cursor: Any, lock: str = "FOR UPDATE") -> tuple[Offsets, int]:
        cursor.execute(
            "SELECT offsets, open_segment FROM tidemark.ledger "
            f"WHERE pipeline = %(pipeline)s AND fingerprint = %(fingerprint)s {lock}",
            self.key,
        )
        row = cursor.fetchone()
        if row is None:
            self.refuse_replaced(cursor)
            raise DefinitionUnknown(
                f"{self.pipeline.name}: definition {self.pipeline.fingerprint} is not registered; run ./scripts/migrate"
            )
        return offsets_from_json(row[0]), row[1]

    def topic_id(self, found: str) -> str:
        """The id of the topic that the offsets are of: from the first call on, what was `found` then."""
        with self.transaction() as cursor:
            self._locked(cursor)
            cursor.execute(
                "UPDATE tidemark.ledger SET topic_id = coalesce(topic_id, %(found)s) "
                "WHERE pipeline = %(pipeline)s AND fingerprint = %(fingerprint)s RETURNING topic_id",
                self.key | {"found": found},
            )
            return str(cursor.fetchone()[0])

    def commit(self, expected: Offsets, end: Offsets, increments: "pa.Table", ago: float = 0) -> None:
        """Adds a micro-batch's increments to the open segment and moves the ledger from `expected` to `end`.

        `ago`: seconds since the log was read up to `end`.

        Raises:
            LedgerError: the ledger is not at `expected`: another process has moved it.
            DefinitionReplaced: readers have been pointed to a newer definition.
        """
        with self.staged(increments) as cursor:
            segment = self._expect(cursor, expected)
            self.refuse_replaced(cursor)
            staged = list(zip(self.relations, self.staged_names(), strict=True))
            for relation, source in staged:
                cursor.execute(relation.add_to_segment(source), {"segment": segment})
            kept.refresh_added(cursor, self.key, staged)
            self._set_offsets(cursor, end)
            self._check(cursor, ago)

    def refuse_replaced(self, cursor: Any) -> None:
        """Raises DefinitionReplaced when readers have been pointed to a newer definition."""
        cursor.execute(
            "SELECT p.fingerprint FROM tidemark.published p "
            "JOIN tidemark.generation theirs USING (pipeline, fingerprint) "
            "JOIN tidemark.generation own ON own.pipeline = p.pipeline AND own.fingerprint = %(fingerprint)s "
            "WHERE p.pipeline = %(pipeline)s AND theirs.id > own.id",
            self.key,
        )
        if row := cursor.fetchone():
            raise DefinitionReplaced(
                f"{self.pipeline.name}: definition {row[0]} has been published in place of "
                f"{self.pipeline.fingerprint}, which this job runs; start it again"
            )

    def checked(self, ago: float = 0) -> None:
        """Notes that what the log held so many seconds ago is committed, so that an idle stream does not look stale."""
        with self.transaction() as cursor:
            self._check(cursor, ago)

    def note_open(self, opened: dict[int, tuple[int, datetime]]) -> None:
        """Notes which transactions are open: of each partition the first offset of one, and since when.

        One that has ended stays noted until what it holds is counted.
        """
        found = {p: {"offset": offset, "since": since.isoformat()} for p, (offset, since) in opened.items()}
        with self.transaction() as cursor:
            cursor.execute(
                "UPDATE tidemark.ledger SET uncommitted = %(found)s::jsonb || coalesce(("
                "    SELECT jsonb_object_agg(key, value) FROM jsonb_each(uncommitted)"
                "    WHERE (value ->> 'offset')::bigint >= coalesce((offsets ->> key)::bigint, 0)"
                "), '{}') "
                "WHERE pipeline = %(pipeline)s AND fingerprint = %(fingerprint)s "
                "AND (uncommitted <> '{}' OR %(found)s::jsonb <> '{}')",
                self.key | {"found": json.dumps(found)},
            )

    def _check(self, cursor: Any, ago: float) -> None:
        cursor.execute(
            "UPDATE tidemark.ledger "
            "SET checked_at = greatest(checked_at, clock_timestamp() - %(ago)s * interval '1 second') "
            "WHERE pipeline = %(pipeline)s AND fingerprint = %(fingerprint)s",
            self.key | {"ago": ago},
        )

    def move(self, expected: Offsets, offsets: Offsets) -> None:
        """Moves the ledger without an increment, over offsets that hold nothing or are accepted as lost.

        Raises:
            LedgerError: the ledger is not at `expected`.
        """
        with self.transaction() as cursor:
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
        with self.transaction() as cursor:
            self._take_over(cursor)
            offsets, segment = self._locked(cursor)
            cursor.execute(
                "UPDATE tidemark.segment SET cut = %(cut)s, sealed_at = clock_timestamp() "
                "WHERE pipeline = %(pipeline)s AND fingerprint = %(fingerprint)s AND segment = %(segment)s",
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
            "UPDATE tidemark.ledger own SET offsets = theirs.offsets, topic_id = theirs.topic_id "
            "FROM tidemark.published p "
            "JOIN tidemark.ledger theirs USING (pipeline, fingerprint) "
            "WHERE own.pipeline = %(pipeline)s AND own.fingerprint = %(fingerprint)s AND own.committed_at IS NULL "
            "AND p.pipeline = own.pipeline AND p.fingerprint <> own.fingerprint",
            self.key,
        )
