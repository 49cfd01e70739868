"""The lake: the master dataset (bronze), and the tables that the batch layer derives from it.

    LAKE_PATH/<pipeline>/bronze        topic, partition, offset, timestamp, key, value, source
    LAKE_PATH/<pipeline>/quarantine    reason, topic, partition, offset, index, arrival, payload
    LAKE_PATH/<pipeline>/<table>       a declared lake table: of events, or of the rows of a view, with _version
    LAKE_PATH/<pipeline>/serving/<view>      a copy of a merged view, with _version and _offsets
    LAKE_PATH/<pipeline>/ids/<fingerprint>   identity and position of every event counted, where there is a dedup

In SQL they are <pipeline>.bronze, .quarantine, .<table> and .serving_<view>; the ids are of no use to a reader.
"""

from dataclasses import dataclass
from itertools import chain
from typing import Any

from delta.tables import DeltaTable
from pyspark.sql import DataFrame, DataFrameWriter, SparkSession

from app.catalog import Catalog
from app.commits import newest_commits
from app.duplicates import identity, identity_hash
from app.events import ARRIVAL
from app.ledger import Offsets
from app.master import (
    BRONZE,
    COMMITS,
    DROPPED,
    FILES,
    OF_FILES,
    LakeError,
    Master,
    any_of,
    below,
    between,
)
from app.measures import POSITION
from app.model import Pipeline
from app.notes import Note
from app.tables import tables

__all__ = [
    "BRONZE", "DROPPED", "FILES", "OF_FILES", "Derived", "Lake", "LakeError", "any_of", "below", "between",
]  # fmt: skip


@dataclass(frozen=True)
class Derived:
    """The rows of a derived table at one moment, and what the last batch that derived it has noted."""

    rows: DataFrame
    note: Note


class Lake(Master):
    """The lake tables of one pipeline."""

    def __init__(self, spark: SparkSession, root: str, pipeline: Pipeline) -> None:
        super().__init__(spark, pipeline, root)
        self.catalog = Catalog(spark, pipeline, self.root)
        self.make_bronze()
        self._register("bronze")

    def _read(self, table: str) -> DataFrame:
        return self.spark.read.format("delta").load(self.path(table))

    def identified(self, cut: Offsets) -> int | None:
        """How many events below a cut the ids name; None: there are no ids, or none with hashes."""
        if not DeltaTable.isDeltaTable(self.spark, self.path(self.ids_table)):
            return None
        if "_hash" not in self._read(self.ids_table).columns:  # written before they had any
            return None
        note = self._noted(self.ids_table)
        return note.events if self._ends_by(note, cut) else self.ids(cut).count()

    @property
    def ids_table(self) -> str:
        return f"ids/{self.pipeline.fingerprint}"

    def ids(self, cut: Offsets) -> DataFrame:
        """Every event counted below a cut: _identity, _hash of it, arrival, _partition, _offset, _index."""
        ids = self._read(self.ids_table)
        if self._ends_by(self._noted(self.ids_table), cut):  # then there are no others
            return ids
        return ids.filter(below(cut, "_partition", "_offset"))

    def derive(self, events: DataFrame, start: Offsets | None, cut: Offsets, accepted: int) -> None:
        """Writes the derived tables up to `cut`: all of them anew, or, given `start`, what comes from that cut on.

        `accepted`: how many events below `cut` are. Each table changes in one commit, and writing the same again
        changes nothing.
        """
        for table in tables(self.pipeline):
            self._write(table.name, table.rows(events), start, cut)
            self._register(table.name)
        if self.pipeline.dedup:
            named = identity(self.pipeline).alias("_identity"), identity_hash(self.pipeline).alias("_hash")
            ids = events.filter("_reason is null").select(*named, ARRIVAL, *POSITION)
            self._write(self.ids_table, ids, start, cut, accepted)

    def derived(self, table: str) -> Derived | None:
        """A derived table as it is now; None: there is none.

        Raises:
            LakeError: no batch of this definition was the last to derive it.
        """
        commits = newest_commits(self.spark, self.path(table), COMMITS)
        last = next(commits, None)
        if last is None:
            return None
        note = Note.newest(commit.metadata for commit in chain([last], commits))
        rows = self.spark.read.format("delta").option("versionAsOf", last.version).load(self.path(table))
        # Delta does not record a commit, nor its note, that leaves an empty table empty.
        if note.fingerprint != self.pipeline.fingerprint and not rows.isEmpty():
            raise LakeError(
                f"the lake table {table} of {self.pipeline.name} was derived last by definition {note.fingerprint}, "
                f"expected {self.pipeline.fingerprint}, which is published; run the batch job of the pipeline with "
                "--full"
            )
        return Derived(rows, note)

    def replace(self, table: str, rows: DataFrame, version: int = 0) -> DataFrame:
        """Replaces all rows and columns of a table, in one commit. Returns what it is then.

        `version`: that whose rows they are, where they are of a version of a view alone.
        """
        self._writer(rows, version=version).option("overwriteSchema", "true").save(self.path(table))
        self._register(table)
        return self._read(table)

    def _register(self, table: str) -> None:
        self.catalog.register(table.replace("/", "_"), self.path(table))

    def _writer(self, rows: DataFrame, mode: str = "overwrite", **noted: Any) -> DataFrameWriter:
        note = Note(self.pipeline.fingerprint, **noted)
        return rows.write.format("delta").mode(mode).option("userMetadata", str(note))

    def _write(
        self, table: str, rows: DataFrame, start: Offsets | None, cut: Offsets, events: int | None = None
    ) -> None:
        noted: dict[str, Any] = {"cut": cut, "events": events}
        if start is None:
            writer = self._writer(rows, **noted).option("overwriteSchema", "true")
        elif self._ends_by(self._noted(table), start):
            writer = self._writer(rows, "append", **noted)
        else:
            # A batch that was killed after this and before it published has left rows here: they are replaced.
            kept = " or ".join(f"(_partition = {p} and _offset < {offset})" for p, offset in start.items())
            writer = self._writer(rows, **noted).option("replaceWhere", f"not ({kept})")
        writer.save(self.path(table))

    def _noted(self, table: str) -> Note:
        """What was noted on the last commit to a table."""
        return Note.newest(commit.metadata for commit in newest_commits(self.spark, self.path(table), 1))

    def _ends_by(self, note: Note, cut: Offsets) -> bool:
        """Whether a note is that of a batch of this definition, and of one up to no more than that cut."""
        own = note.fingerprint == self.pipeline.fingerprint
        return own and all(offset <= cut.get(p, 0) for p, offset in note.cut.items())
