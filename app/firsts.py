"""The queries over what is new in a topic: the first of each event, from where a layer stands on."""

import logging
from abc import ABC, abstractmethod
from datetime import UTC, datetime, timedelta
from typing import ClassVar

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.streaming.query import StreamingQuery

from app.checkpoint import Checkpoint
from app.duplicates import firsts_of_stream
from app.durations import span
from app.gap import OffsetGap, check_log
from app.ledger import Ledger, Offsets
from app.log import Log, log
from app.settings import Settings
from app.source import kafka_stream
from app.transform import decode

logger = logging.getLogger(__name__)
CLOCK_SKEW = timedelta(minutes=1)  # between this machine's clock and the broker's
MEMORY_HORIZONS = 12  # after which the deduplication's memory is renewed


class Firsts(ABC):
    """A layer of one pipeline that takes each event of the topic once.

    Postgres says what has been taken; the checkpoint only saves reading the deduplication's horizon again. So a
    checkpoint that starts above that, or at what Kafka no longer has, is thrown away, and the query reads
    from a horizon before on: that fills the deduplication's memory, and `write` passes over what has been taken.

    The deduplication forgets nothing by itself: to find what is older than the horizon, each micro-batch would have to
    search all it remembers. So its memory is renewed now and then, in the same way.
    """

    layer: ClassVar[str]
    interval: int  # seconds between two micro-batches

    def __init__(self, spark: SparkSession, ledger: Ledger, settings: Settings) -> None:
        self.spark = spark
        self.ledger = ledger
        self.pipeline = ledger.pipeline
        self.settings = settings
        path = f"{settings.checkpoint_path}/{self.pipeline.name}/{self.layer}-{self.pipeline.fingerprint}"
        self.checkpoint = Checkpoint(spark, path, self.pipeline.topic.name)
        self.committed: Offsets = {}
        self.planned: Offsets | None = None  # where the micro-batch before this one ended

    @abstractmethod
    def taken(self) -> Offsets:
        """The offsets up to which events have been taken."""

    @abstractmethod
    def move(self, expected: Offsets, offsets: Offsets) -> None:
        """Moves them over what holds nothing or is accepted as lost."""

    @abstractmethod
    def columns(self) -> list[str]:
        """What `write` needs of the events."""

    @abstractmethod
    def write(self, events: DataFrame, batch: int) -> None:
        """Takes a micro-batch."""

    def start(self, accept_loss: bool) -> StreamingQuery:
        """Starts the query where the layer stands.

        Raises:
            OffsetGap: Kafka no longer has what comes next, and `accept_loss` is not given.
        """
        self.ledger.claim(self.layer)
        found = self.taken()
        with log(self.settings.kafka_bootstrap_servers, self.pipeline.topic.name) as topic:
            earliest = topic.earliest()
            self.committed = check_log(self.ledger, self.layer, found, topic, accept_loss)
            self.move(found, self.committed)
            resumed = self.checkpoint.resumes_at()
            if resumed is None or self.outdated() or not self._usable(resumed, earliest):
                self.checkpoint.delete()
                resumed = self._horizon(topic, earliest)
        self.planned = None
        self.spark.sparkContext.setLocalProperty("spark.scheduler.pool", self.layer)
        logger.info("%s: %s at %s, reading from %s", self.pipeline.name, self.layer, self.committed, resumed)
        messages = kafka_stream(self.spark, self.settings, self.pipeline.topic.name, resumed)
        events = decode(messages, self.pipeline).select(*self.columns())
        self.query = (
            firsts_of_stream(events, self.pipeline)
            .writeStream.queryName(f"{self.layer} {self.pipeline.name}")
            .option("checkpointLocation", self.checkpoint.path)
            .trigger(processingTime=f"{self.interval} seconds")
            .foreachBatch(self.write)
            .start()
        )
        return self.query

    def check(self) -> None:
        """Raises an error of `check_log` where Kafka no longer has what comes next."""
        with log(self.settings.kafka_bootstrap_servers, self.pipeline.topic.name) as topic:
            check_log(self.ledger, self.layer, self.taken(), topic, accept_loss=False)

    def bounds(self, batch: int) -> tuple[Offsets, Offsets]:
        """The offsets at which a micro-batch starts and before which it ends.

        Raises:
            OffsetGap: it starts above what has been taken.
        """
        end = self.checkpoint.end(batch)
        start = self.planned if self.planned is not None else self.checkpoint.start(batch)
        self._refuse_gap(start)
        return start, end

    def reached(self, end: Offsets) -> Offsets:
        """Where the layer stands when it has taken a micro-batch that ends at `end`."""
        return self.committed | {p: max(offset, self.committed.get(p, 0)) for p, offset in end.items()}

    def outdated(self) -> bool:
        """Whether the deduplication remembers so much more than its horizon that its memory is to be renewed."""
        begun = self.checkpoint.begun()
        if self.pipeline.dedup is None or begun is None:
            return False
        return datetime.now(UTC) - begun > MEMORY_HORIZONS * span(self.pipeline.dedup.horizon)

    def renew(self) -> None:
        """Ends the query, after the commit that it is in, and starts one that remembers no more than the horizon."""
        self.query.stop()
        self.start(accept_loss=False)

    def _usable(self, resumed: Offsets, earliest: Offsets) -> bool:
        return all(earliest[p] <= resumed.get(p, 0) <= self.committed[p] for p in earliest)

    def _horizon(self, topic: Log, earliest: Offsets) -> Offsets:
        """Where to read from to remember all ids that an event not yet taken may repeat."""
        if self.pipeline.dedup is None:
            return self.committed
        first = topic.first_arrival(self.committed) or datetime.now(UTC) - CLOCK_SKEW
        then = topic.at(first - span(self.pipeline.dedup.horizon))
        return {p: max(earliest[p], min(then[p], offset)) for p, offset in self.committed.items()}

    def _refuse_gap(self, start: Offsets) -> None:
        above = {p: offset for p, offset in start.items() if offset > self.committed.get(p, 0)}
        if above:
            stands = {p: self.committed.get(p, 0) for p in above}
            raise OffsetGap(
                f"gap in the {self.layer} layer of {self.pipeline.name}: topic {self.pipeline.topic.name}: the "
                f"micro-batch starts at {above}, the layer stands at {stands}. Start the job again: it goes on there"
            )
