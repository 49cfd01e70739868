"""The speed query: a micro-batch is one Spark job and one Postgres transaction."""

import time

from pyspark.sql import DataFrame, SparkSession

from app.firsts import Firsts
from app.lake import below
from app.ledger import Ledger, Offsets, messages_between
from app.settings import Settings
from app.transform import aggregation, needed

FEW = 10_000  # messages that one task counts in the time that it takes to share them out


class Speed(Firsts):
    """The speed layer of one pipeline. What it has taken is what the ledger says."""

    layer = "speed"

    def __init__(self, spark: SparkSession, ledger: Ledger, settings: Settings) -> None:
        super().__init__(spark, ledger, settings)
        self.interval = settings.speed_interval
        self.aggregate = aggregation(self.pipeline)
        self.phases: dict[str, float] = {}  # seconds of each phase of the last micro-batch

    def taken(self) -> Offsets:
        return self.ledger.offsets()

    def move(self, expected: Offsets, offsets: Offsets) -> None:
        self.ledger.move(expected, offsets)

    def columns(self) -> list[str]:
        return needed(self.pipeline)

    def write(self, events: DataFrame, batch: int) -> None:
        """Adds a micro-batch to the open segment and moves the ledger to its end.

        Raises:
            OffsetGap: the micro-batch starts above the ledger.
        """
        began = time.perf_counter()
        start, end = self.bounds(batch)
        if any(start.get(p, 0) < offset for p, offset in self.committed.items()):
            events = events.filter(~below(self.committed, "_partition", "_offset"))
        if messages_between(start, end) <= FEW:
            events = events.coalesce(1)
        planned = time.perf_counter()
        increments = self.aggregate(events).toArrow()
        computed = time.perf_counter()
        reached = self.reached(end)
        if reached != self.committed:
            self.ledger.commit(self.committed, reached, increments, ago=computed - began)
        self.committed, self.planned = reached, end
        finished = time.perf_counter()
        self.phases = {"plan": planned - began, "job": computed - planned, "postgres": finished - computed}
