"""The query of dropped files: their lines into the master dataset, once.

What was taken before is what the master dataset holds, so each start makes its own checkpoint anew. A micro-batch is
told which files changed, reads them, and appends what is new in commits of bounded size, each with the next offsets.
"""

import os
from datetime import UTC, datetime

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.streaming.query import StreamingQuery

from app.changes import changed_files
from app.checkpoint import Checkpoint
from app.dropped import Dropped, Message, Taken
from app.folder import Seen
from app.lake import DROPPED, Lake, LakeError
from app.ledger import Ledger
from app.lines import lots
from app.settings import Settings

COMMIT_BYTES = 32 * 1024 * 1024  # that the messages of a commit may take, but for the last of them
MESSAGE_BYTES = 300  # that a message takes beside its value


class Drops:
    """The dropped files of one pipeline."""

    def __init__(self, lake: Lake, ledger: Ledger, settings: Settings) -> None:
        self.lake = lake
        self.ledger = ledger
        self.settings = settings
        self.folder = settings.drops_path / ledger.pipeline.name
        path = f"{settings.checkpoint_path}/{ledger.pipeline.name}/drops"
        self.checkpoint = Checkpoint(lake.spark, path, ledger.pipeline.topic.name)
        self.files = Dropped(self.folder, [])
        self.next = 0

    def start(self) -> StreamingQuery:
        """Makes the folder, and starts the query with all files that are in it.

        Raises:
            LakeError: the folder cannot be made.
        """
        self.ledger.claim("drops")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LakeError(
                f"{self.ledger.pipeline.name}: the folder of dropped files {self.folder} cannot be made: "
                f"{error.strerror}; set DROPS_PATH to a folder that can be written to"
            ) from error
        self.next = self.lake.held().get(DROPPED, 0)
        self.files = Dropped(self.folder, self._taken())
        self.checkpoint.delete()
        return (
            changed_files(self.lake.spark, self.folder, self.settings.drops_wait)
            .writeStream.queryName(f"drops {self.ledger.pipeline.name}")
            .option("checkpointLocation", self.checkpoint.path)
            .trigger(processingTime=f"{self.settings.archive_interval} seconds")
            .foreachBatch(self.write)
            .start()
        )

    def write(self, changes: DataFrame, _: int) -> None:
        """Appends what is new in the files that changed."""
        seen = [Seen(os.fsdecode(row["name"]), row["settled"]) for row in changes.collect()]
        fixed = {"topic": F.lit(None), "partition": F.lit(DROPPED), "timestamp": F.lit(datetime.now(UTC))}
        for messages in lots(self.files.take(seen), _size, COMMIT_BYTES):
            if new := self._not_held(messages):
                end = self.next + len(new)
                self.lake.append(self._frame(new).withColumns(fixed), self.ledger, {DROPPED: end})
                self.next = end

    def _taken(self) -> list[Taken]:
        """What was taken of the files at each time."""
        sources = (F.min_by("source", "offset").alias("first"), F.max_by("source", "offset").alias("last"))
        found = self._held().groupBy("key", "timestamp").agg(*sources)
        return [Taken(os.fsdecode(row["key"]), row["first"], row["last"]) for row in found.collect()]

    def _held(self) -> DataFrame:
        return self.lake.bronze().filter(F.col("partition") == DROPPED)

    def _not_held(self, messages: list[Message]) -> list[Message]:
        """The messages that the master dataset does not hold yet."""
        again = [message for message in messages if message.again]
        if not again:
            return messages
        named = self._frame(again).select("key", "source")
        found = self._held().join(named, ["key", "source"], how="left_semi").select("key", "source").collect()
        held = {(os.fsdecode(row["key"]), row["source"]) for row in found}
        return [message for message in messages if (message.name, message.source) not in held]

    def _frame(self, messages: list[Message]) -> DataFrame:
        columns = {
            "key": pa.array([os.fsencode(message.name) for message in messages], pa.binary()),
            "value": pa.array([message.value for message in messages], pa.binary()),
            "source": pa.array([message.source for message in messages], pa.string()),
            "offset": pa.array(range(self.next, self.next + len(messages)), pa.int64()),
        }
        return self.lake.spark.createDataFrame(pa.table(columns))


def _size(message: Message) -> int:
    return len(message.value) + MESSAGE_BYTES
