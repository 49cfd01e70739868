"""The archive query: every message of a topic into the master dataset, once.

Where it goes on is what the master dataset holds, so each start makes its own checkpoint anew.
"""

import logging

from pyspark.sql import DataFrame
from pyspark.sql.streaming.query import StreamingQuery

from app.checkpoint import Checkpoint
from app.gap import check_log
from app.lake import OF_FILES, Lake, between
from app.ledger import Ledger, Offsets
from app.log import log
from app.settings import Settings
from app.source import kafka_stream
from app.tidy import tidy

logger = logging.getLogger(__name__)
TIDY_APPENDS = 256  # between two times that the master dataset is tidied


class Archive:
    """The archive of one pipeline."""

    def __init__(self, lake: Lake, ledger: Ledger, settings: Settings) -> None:
        self.lake = lake
        self.ledger = ledger
        self.settings = settings
        self.topic = ledger.pipeline.topic.name
        path = f"{settings.checkpoint_path}/{ledger.pipeline.name}/archive"
        self.checkpoint = Checkpoint(lake.spark, path, self.topic)
        self.held: Offsets = {}
        self.appends = 0

    def start(self, accept_loss: bool) -> StreamingQuery:
        """Starts the query where the master dataset ends.

        Raises:
            OffsetGap: Kafka no longer has what comes next, and `accept_loss` is not given.
        """
        self.ledger.claim("archive")
        held = {partition: offset for partition, offset in self.lake.held().items() if partition not in OF_FILES}
        with log(self.settings.kafka_bootstrap_servers, self.topic) as topic:
            self.held = check_log(self.ledger, "archive", held, topic, accept_loss)
        self.checkpoint.delete()
        self.lake.spark.sparkContext.setLocalProperty("spark.scheduler.pool", "archive")
        stream = kafka_stream(self.lake.spark, self.settings, self.topic, self.held)
        self.query = (
            stream.writeStream.queryName(f"archive {self.ledger.pipeline.name}")
            .option("checkpointLocation", self.checkpoint.path)
            .trigger(processingTime=f"{self.settings.archive_interval} seconds")
            .foreachBatch(self.write)
            .start()
        )
        return self.query

    def check(self) -> None:
        """Raises an error of `check_log` where Kafka no longer has what comes next."""
        with log(self.settings.kafka_bootstrap_servers, self.topic) as topic:
            check_log(self.ledger, "archive", self.held, topic, accept_loss=False)

    def holds(self, offsets: Offsets) -> bool:
        """Whether the master dataset holds all below these offsets."""
        return all(self.held.get(partition, 0) >= offset for partition, offset in offsets.items())

    def write(self, messages: DataFrame, batch: int) -> None:
        """Appends what the master dataset does not hold yet."""
        end = self.held | {p: max(next_, self.held.get(p, 0)) for p, next_ in self.checkpoint.end(batch).items()}
        if end == self.held:
            return
        self.lake.append(messages.filter(between(self.held, end)), self.ledger, end, self.held)
        self.held = end
        self.appends += 1
        if self.appends % TIDY_APPENDS == 0:
            with self.ledger.alone("append"):
                tidy(self.lake, "bronze")
