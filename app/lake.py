"""The lake: the master dataset (bronze), and the tables that the batch layer derives from it.

    LAKE_PATH/<pipeline>/bronze        topic, partition, offset, timestamp, key, value, source
    LAKE_PATH/<pipeline>/quarantine    reason, topic, partition, offset, index, arrival, payload
    LAKE_PATH/<pipeline>/<table>       a declared lake table: of events, or of the rows of a view, with _version
    LAKE_PATH/<pipeline>/serving/<view>      a copy of a merged view, with _version and _offsets
    LAKE_PATH/<pipeline>/ids/<fingerprint>   identity and position of every event counted, where there is a dedup

In SQL they are <pipeline>.bronze, .quarantine, .<table> and .serving_<view>; the ids are of no use to a reader.

Two partitions are not Kafka's; their timestamps are the moments at which their lines were taken, and their offsets
count the lines of all files in the order they came:

    -1    lines of history files, written by the batch job: `source` is the SHA-256 of the file's content
    -2    lines of dropped files, written by the streaming job: `key` is the file's name, `source` the SHA-256 of the
          file's content up to the end of the line
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from itertools import chain
from typing import Any

from delta.tables import DeltaTable
from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame, DataFrameWriter, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from app.catalog import Catalog
from app.commits import newest_commits
from app.duplicates import identity, identity_hash
from app.events import ARRIVAL
from app.ledger import Ledger, Offsets
from app.measures import POSITION
from app.model import Pipeline
from app.notes import MASTER, Note
from app.tables import tables

FILES = -1  # the partition that lines of history files belong to
DROPPED = -2  # the partition that lines of dropped files belong to
OF_FILES = (FILES, DROPPED)  # which only the batch layer counts
COMMITS = 100  # of a table that are searched for a note: other hands may have committed since
TIDYING = {"OPTIMIZE", "VACUUM START", "VACUUM END"}  # what changes no row, as Delta calls it
BRONZE = T.StructType(
    [
        T.StructField("topic", T.StringType()),
        T.StructField("partition", T.IntegerType()),
        T.StructField("offset", T.LongType()),
        T.StructField("timestamp", T.TimestampType()),
        T.StructField("key", T.BinaryType()),
        T.StructField("value", T.BinaryType()),
        T.StructField("source", T.StringType()),
    ]
)


class LakeError(Exception):
    """The lake does not hold what it must hold; nothing was published."""


def below(cut: Offsets, partition: str = "partition", offset: str = "offset") -> Column:
    """Rows of the master dataset below a cut. A partition that the cut does not name has none."""
    return any_of(F.col(partition).eqNullSafe(p) & (F.col(offset) < end) for p, end in sorted(cut.items()))


def between(start: Offsets, cut: Offsets, partition: str = "partition", offset: str = "offset") -> Column:
    """Rows of the master dataset from one cut on and below another."""
    return any_of(
        (F.col(partition) == p) & (F.col(offset) >= start.get(p, 0)) & (F.col(offset) < end)
        for p, end in sorted(cut.items())
        if end > start.get(p, 0)
    )


def any_of(conditions: Iterable[Column]) -> Column:
    """Whether any of the conditions holds; of none, no."""
    return reduce(lambda one, other: one | other, conditions, F.lit(False))


@dataclass(frozen=True)
class Derived:
    """The rows of a derived table at one moment, and what the last batch that derived it has noted."""

    rows: DataFrame
    note: Note


class Lake:
    """The lake tables of one pipeline."""

    def __init__(self, spark: SparkSession, root: str, pipeline: Pipeline) -> None:
        self.spark = spark
        self.pipeline = pipeline
        jvm: Any = spark._jvm
        # Hadoop's spelling of the path: Delta takes file:/a and file:///a for two places.
        self.root = jvm.org.apache.hadoop.fs.Path(f"{root}/{pipeline.name}").toString()
        self.catalog = Catalog(spark, pipeline, self.root)
        self._make_bronze()

    def path(self, table: str) -> str:
        return f"{self.root}/{table}"

    def _read(self, table: str) -> DataFrame:
        return self.spark.read.format("delta").load(self.path(table))

    def _make_bronze(self) -> None:
        # By its path alone: Delta's own way to make a table needs a metastore that answers.
        nothing = self._appended(self.spark.createDataFrame([], BRONZE), {}).option("delta.appendOnly", "true")
        try:
            nothing.mode("ignore").save(self.path("bronze"))
        except PySparkException:
            if not DeltaTable.isDeltaTable(self.spark, self.path("bronze")):  # else another job has made it just now
                raise
        self._register("bronze")

    def bronze(self) -> DataFrame:
        """The master dataset: one row a message, as it came."""
        return self._read("bronze")

    def held(self, floor: Offsets | None = None) -> Offsets:
        """Next offset of each partition in the master dataset, as its last append has noted.

        Where it has not, as its rows say; above `floor`, which spares reading what is below.
        """
        commits = newest_commits(self.spark, self.path("bronze"), COMMITS)
        changed = next((commit for commit in commits if commit.operation not in TIDYING), None)
        note = Note.newest([changed.metadata if changed else None])
        if note.fingerprint == MASTER:
            return note.cut
        rows = self.bronze()
        if floor:
            low = any_of((F.col("partition") == p) & (F.col("offset") < offset - 1) for p, offset in floor.items())
            rows = rows.filter(~low)
        found = rows.groupBy("partition").agg((F.max("offset") + 1).alias("next")).collect()
        return {row["partition"]: row["next"] for row in found}

    def append(
        self, messages: DataFrame, ledger: Ledger, end: Offsets | None = None, *, in_parts: bool = False
    ) -> None:
        """Adds messages to the master dataset, in one commit: of one file, or `in_parts`, of one a partition.

        `end`: the next offset of each partition that they are of, where that is known. On a plain local file system
        Delta keeps the threads of a process from overwriting each other's commits, and not two processes: so one
        appends after the other.
        """
        rows = messages.select(*(F.col(field.name).cast(field.dataType) for field in BRONZE))
        rows = rows if in_parts else rows.coalesce(1)
        with ledger.alone("append"):
            self._appended(rows, None if end is None else self.held() | end).mode("append").save(self.path("bronze"))

    def _appended(self, rows: DataFrame, held: Offsets | None) -> DataFrameWriter:
        """`held`: what the master dataset holds with them, to be noted."""
        writer = rows.write.format("delta")
        return writer if held is None else writer.option("userMetadata", str(Note(MASTER, held)))

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
