"""The master dataset (bronze): every message of a topic as it came, in a Delta table that is only added to.

Two partitions are not Kafka's; their timestamps are the moments at which their lines were taken, and their offsets
count the lines of all files in the order they came:

    -1    lines of history files, written by the batch job: `source` is the SHA-256 of the file's content
    -2    lines of dropped files, written by the streaming job: `key` is the file's name, `source` the SHA-256 of the
          file's content up to the end of the line

Each append notes between which offsets it adds the messages of each partition. How many it has read is known only once
they are written, with its note: the next append notes that (see `app.ranges`). Until then their sum, which Delta counts
as it writes, stands beside the note.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from typing import Any

from delta.tables import DeltaTable
from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame, DataFrameWriter, Observation, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from app.commits import Commit, newest_commits
from app.ledger import Ledger, Offsets
from app.model import Pipeline
from app.notes import MASTER, Note
from app.ranges import Ranges, Span, extended, spans

FILES = -1  # the partition that lines of history files belong to
DROPPED = -2  # the partition that lines of dropped files belong to
OF_FILES = (FILES, DROPPED)  # which only the batch layer counts
COMMITS = 100  # of a table that are searched for a note: other hands may have committed since
TIDYING = {"OPTIMIZE", "VACUUM START", "VACUUM END"}  # what changes no row, as Delta calls it
SKIPS_EMPTY = "spark.databricks.delta.skipRecordingEmptyCommits"
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
class Noted:
    """The newest note on the master dataset, its commit, and the newest commit of all."""

    note: Note
    commit: Commit | None
    newest: Commit | None


class Master:
    """The master dataset of one pipeline."""

    def __init__(self, spark: SparkSession, pipeline: Pipeline, root: str) -> None:
        self.spark = spark
        self.pipeline = pipeline
        jvm: Any = spark._jvm
        # Hadoop's spelling of the path: Delta takes file:/a and file:///a for two places.
        self.root = jvm.org.apache.hadoop.fs.Path(f"{root}/{pipeline.name}").toString()
        self._read_last: tuple[str, dict[int, int]] | None = None  # a note, and the messages of each partition of it

    def path(self, table: str) -> str:
        return f"{self.root}/{table}"

    def make_bronze(self) -> None:
        """Makes the table where there is none, by its path alone: Delta's own way needs a metastore that answers."""
        nothing = self._appended(self.spark.createDataFrame([], BRONZE), Note(MASTER))
        try:
            nothing.option("delta.appendOnly", "true").mode("ignore").save(self.path("bronze"))
        except PySparkException:
            if not DeltaTable.isDeltaTable(self.spark, self.path("bronze")):  # else another job has made it just now
                raise

    def bronze(self, version: int | None = None) -> DataFrame:
        """The master dataset: one row a message, as it came. `version`: as of that one of the Delta table."""
        reader = self.spark.read.format("delta")
        return (reader if version is None else reader.option("versionAsOf", version)).load(self.path("bronze"))

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

    def noted(self) -> Noted:
        """What was noted on it last, whoever has committed since."""
        newest = None
        for commit in newest_commits(self.spark, self.path("bronze"), COMMITS):
            newest = newest or commit
            note = Note.newest([commit.metadata])
            if note.fingerprint == MASTER:
                return Noted(note, commit, newest)
        return Noted(Note(MASTER), None, newest)

    def append(
        self,
        messages: DataFrame,
        ledger: Ledger,
        end: Offsets,
        start: Offsets | None = None,
        *,
        in_parts: bool = False,
    ) -> None:
        """Adds messages to the master dataset, in one commit: of one file, or `in_parts`, of one a partition.

        `end`: the next offset of each partition that they are of; `start`: where each begins, if not where the master
        dataset ends. On a plain local file system Delta keeps the threads of a process from overwriting each other's
        commits, and not two processes: so one appends after the other.

        Raises:
            LakeError: the rows of the append before this one are not as many as it has written.
        """
        rows = messages.select(*(F.col(field.name).cast(field.dataType) for field in BRONZE))
        with ledger.alone("append"):
            held = self.held()
            added = spans(held if start is None else start, end)
            note = Note(MASTER, held | end, ranges=self._ranges(), appended=added)
            read = Observation()
            if added:
                rows = rows.observe(read, *(F.count_if(F.col("partition") == p).alias(f"{p}") for p in added))
            # Where there were only markers, or messages of aborted transactions, the note alone says how far it goes.
            conf = messages.sparkSession.conf
            conf.set(SKIPS_EMPTY, "false")
            try:
                written = rows if in_parts else rows.coalesce(1)
                self._appended(written, note).mode("append").save(self.path("bronze"))
            finally:
                conf.unset(SKIPS_EMPTY)
            counts = {int(p): count for p, count in read.get.items()} if added else {}
            self._read_last = str(note), counts

    def _appended(self, rows: DataFrame, note: Note) -> DataFrameWriter:
        return rows.write.format("delta").option("userMetadata", str(note))

    def _ranges(self) -> Ranges:
        """What was read up to now, with the last append; that of another process is counted, and held to its sum."""
        noted = self.noted()
        note, commit = noted.note, noted.commit
        if not note.appended or commit is None:
            return note.ranges
        if self._read_last and self._read_last[0] == str(note):
            return extended(note.ranges, note.appended, self._read_last[1])
        counts = self._counted(note.appended)
        if commit.rows not in (None, sum(counts.values())):
            raise LakeError(
                f"the master dataset of {self.pipeline.name} holds {sum(counts.values())} messages of its last append, "
                f"{note.appended}, which has written {commit.rows}. Put {self.path('bronze')} back from a copy"
            )
        return extended(note.ranges, note.appended, counts)

    def _counted(self, added: dict[int, Span]) -> dict[int, int]:
        first, next_ = ({p: span[side] for p, span in added.items()} for side in (0, 1))
        found = self.bronze().filter(between(first, next_)).groupBy("partition").count().collect()
        return {row["partition"]: row["count"] for row in found}
