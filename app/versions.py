"""The versions of the batch layer: what is published, what readers can be pointed back to, and what is let go."""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from app import kept
from app.claims import LedgerError
from app.ledger import Ledger, Offsets, offsets_from_json

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Version:
    """A result of the batch layer. `cut` also counts the lines of files, as the partitions below 0."""

    version: int
    segment: int
    cut: Offsets
    mode: str
    accepted: int
    duplicates: int
    quarantined: int
    seconds: float


class Versions:
    """The versions of one definition of a pipeline, over the connection of its ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.key = ledger.key

    def published(self) -> Version | None:
        """The version that readers see; None while they see another definition."""
        with self.ledger.transaction() as cursor:
            cursor.execute(
                "SELECT version, segment, cut, mode, accepted, duplicates, quarantined, seconds FROM tidemark.version "
                "JOIN tidemark.published USING (pipeline, fingerprint, version) "
                "WHERE pipeline = %(pipeline)s AND fingerprint = %(fingerprint)s",
                self.key,
            )
            row = cursor.fetchone()
            return Version(row[0], row[1], offsets_from_json(row[2]), *row[3:]) if row else None

    def next_number(self) -> int:
        with self.ledger.transaction() as cursor:
            cursor.execute(
                "SELECT coalesce(max(version), 0) + 1 FROM tidemark.version "
                "WHERE pipeline = %(pipeline)s AND fingerprint = %(fingerprint)s",
                self.key,
            )
            return int(cursor.fetchone()[0])

    def publish(self, version: Version, previous: int | None, increments: "pa.Table", replace: bool = True) -> None:
        """Writes a version, as increments added to `previous` (None: to nothing), and points readers to it.

        Raises:
            DefinitionReplaced: a newer definition has been published, and `replace` is not given.
        """
        with self.ledger.staged(increments) as cursor:
            if not replace:
                self.ledger.refuse_replaced(cursor)
            for relation, source in zip(self.ledger.relations, self.ledger.staged_names(), strict=True):
                cursor.execute(relation.add_version(source), {"version": version.version, "previous": previous})
            cursor.execute(
                "INSERT INTO tidemark.version (pipeline, fingerprint, version, segment, cut, mode, accepted, "
                "duplicates, quarantined, seconds) VALUES (%(pipeline)s, %(fingerprint)s, %(version)s, %(segment)s, "
                "%(cut)s, %(mode)s, %(accepted)s, %(duplicates)s, %(quarantined)s, %(seconds)s)",
                self.key | vars(version) | {"cut": json.dumps(version.cut)},
            )
            self._point_to(cursor, version.version)

    def rollback(self) -> Version:
        """Points readers back to the version before the published one, which is withdrawn.

        That is exact, as the segments after its cut are kept.

        Raises:
            LedgerError: no earlier version is kept.
        """
        with self.ledger.transaction() as cursor:
            cursor.execute(
                "SELECT p.version, max(v.version) FROM tidemark.published p LEFT JOIN tidemark.version v ON "
                "v.pipeline = p.pipeline AND v.fingerprint = p.fingerprint AND v.version < p.version "
                "AND v.withdrawn_at IS NULL AND v.pruned_at IS NULL "
                "WHERE p.pipeline = %(pipeline)s AND p.fingerprint = %(fingerprint)s GROUP BY p.version",
                self.key,
            )
            row = cursor.fetchone()
            if row is None or row[1] is None:
                name = self.ledger.pipeline.name
                raise LedgerError(f"{name}: no version before the published one is kept to roll back to")
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
        kept.refresh(cursor, self.ledger.relations)

    def prune(self, keep: int) -> None:
        """Lets go of what no reader and no rollback needs.

        That is versions beyond the newest `keep`, the segments that every kept version covers, and the tables of the
        definitions that the published one has replaced.
        """
        with self.ledger.transaction() as cursor:
            cursor.execute("SELECT tidemark.prune(%(pipeline)s, %(fingerprint)s, %(keep)s)", self.key | {"keep": keep})
            cursor.execute("SELECT tidemark.remove_replaced(%(pipeline)s)", self.key)
