"""The speed query: a micro-batch is one Spark job and one Postgres transaction."""

import logging
import time
from datetime import UTC, datetime, timedelta

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.streaming.query import StreamingQuery

from app.checkpoint import Checkpoint
from app.durations import span
from app.gap import OffsetGap, check_log
from app.lake import below
from app.ledger import Ledger, Offsets
from app.log import Log, log
from app.settings import Settings
from app.source import kafka_stream
from app.transform import aggregation, decode, firsts_of_stream, needed

logger = logging.getLogger(__name__)
CLOCK_SKEW = timedelta(minutes=1)  # between this machine's clock and the broker's
MEMORY_HORIZONS = 12  # after which the deduplication's memory is renewed


class Speed:
    """The speed layer of one pipeline.

    The ledger says what has been counted; the checkpoint only saves reading the deduplication's horizon again. So a
    checkpoint that starts above the ledger, or at what Kafka no longer has, is thrown away, and the query reads from
    a horizon before the ledger on: that fills the deduplication's memory, and the filter in `write` keeps it from
    counting.

    The deduplication forgets nothing by itself: to find what is older than the horizon, each micro-batch would have to
    search all it remembers. So its memory is renewed now and then, in the same way.
    """

    def __init__(self, spark: SparkSession, ledger: Ledger, settings: Settings) -> None:
        self.spark = spark
        self.ledger = ledger
        self.pipeline = ledger.pipeline
        self.settings = settings
        path = f"{settings.checkpoint_path}/{self.pipeline.name}/speed-{self.pipeline.fingerprint}"
        self.checkpoint = Checkpoint(spark, path, self.pipeline.topic.name)
        self.aggregate = aggregation(self.pipeline)
        self.committed: Offsets = {}
        self.planned: Offsets | None = None  # where the micro-batch before this one ended
        self.phases: dict[str, float] = {}  # seconds of each phase of the last micro-batch

    def start(self, accept_loss: bool) -> StreamingQuery:
        """Starts the query where the ledger stands.

        Raises:
            OffsetGap: Kafka no longer has what comes next, and `accept_loss` is not given.
        """
        self.ledger.claim("speed")
        found = self.ledger.offsets()
        with log(self.settings.kafka_bootstrap_servers, self.pipeline.topic.name) as topic:
            earliest = topic.earliest()
            self.committed = check_log(self.ledger, "speed", found, topic, accept_loss)
            self.ledger.move(found, self.committed)
            resumed = self.checkpoint.resumes_at()
            if resumed is None or self.outdated() or not self._usable(resumed, earliest):
                self.checkpoint.delete()
                resumed = self._horizon(topic, earliest)
        self.planned = None
        self.spark.sparkContext.setLocalProperty("spark.scheduler.pool", "speed")
        logger.info("%s: ledger at %s, reading from %s", self.pipeline.name, self.committed, resumed)
        messages = kafka_stream(self.spark, self.settings, self.pipeline.topic.name, resumed)
        events = decode(messages, self.pipeline).select(*needed(self.pipeline))
        self.query = (
            firsts_of_stream(events, self.pipeline)
            .writeStream.queryName(f"speed {self.pipeline.name}")
            .option("checkpointLocation", self.checkpoint.path)
            .foreachBatch(self.write)
            .start()
        )
        return self.query

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
        """Where to read from to remember all ids that an event after the ledger may repeat."""
        if self.pipeline.dedup is None:
            return self.committed
        first = topic.first_arrival(self.committed) or datetime.now(UTC) - CLOCK_SKEW
        then = topic.at(first - span(self.pipeline.dedup.horizon))
        return {p: max(earliest[p], min(then[p], offset)) for p, offset in self.committed.items()}

    def write(self, events: DataFrame, batch: int) -> None:
        """Adds a micro-batch to the open segment and moves the ledger to its end.

        Raises:
            OffsetGap: the micro-batch starts above the ledger.
        """
        began = time.perf_counter()
        end = self.checkpoint.end(batch)
        start = self.planned if self.planned is not None else self.checkpoint.start(batch)
        self._refuse_gap(start)
        if any(start.get(p, 0) < offset for p, offset in self.committed.items()):
            events = events.filter(~below(self.committed, "_partition", "_offset"))
        planned = time.perf_counter()
        increments = self.aggregate(events).toArrow()
        computed = time.perf_counter()
        reached = self.committed | {p: max(offset, self.committed.get(p, 0)) for p, offset in end.items()}
        if reached != self.committed:
            self.ledger.commit(self.committed, reached, increments)
        self.committed, self.planned = reached, end
        finished = time.perf_counter()
        self.phases = {"plan": planned - began, "job": computed - planned, "postgres": finished - computed}

    def _refuse_gap(self, start: Offsets) -> None:
        above = {p: offset for p, offset in start.items() if offset > self.committed.get(p, 0)}
        if above:
            raise OffsetGap(
                f"gap in the speed layer of {self.pipeline.name}: topic {self.pipeline.topic.name}: the micro-batch "
                f"starts at {above}, the ledger expects { ({p: self.committed.get(p, 0) for p in above}) }. Start the "
                "job again: it goes on at the ledger"
            )
