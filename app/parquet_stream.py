"""The query that writes the events of a topic to its Parquet tables, as they come."""

import time

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.streaming.query import StreamingQuery

from app.events import ARRIVAL
from app.firsts import Firsts
from app.folders import Arriving, Folders
from app.lake import Lake, below
from app.ledger import Ledger, Offsets
from app.measures import POSITION
from app.parquet import Parquet
from app.settings import Settings


class ParquetStream(Firsts):
    """The Parquet tables of one pipeline, written where readers see them (see `app.folders`)."""

    layer = "parquet"

    def __init__(self, spark: SparkSession, lake: Lake, ledger: Ledger, settings: Settings) -> None:
        super().__init__(spark, ledger, settings)
        self.interval = settings.archive_interval
        self.folders = Folders(ledger)
        self.parquet = Parquet(lake)
        self.again_at = 0.0  # by the monotonic clock, before which the metastore is not told again

    def start(self, accept_loss: bool) -> StreamingQuery:
        """Starts the query where the tables stand, after it has finished what a killed job has begun.

        Raises:
            OffsetGap: Kafka no longer has what comes next, and `accept_loss` is not given.
        """
        self.ledger.claim(self.layer)
        self.place()
        self.parquet.clear()
        return super().start(accept_loss)

    def taken(self) -> Offsets:
        return self.folders.read().offsets

    def move(self, expected: Offsets, offsets: Offsets) -> None:
        self.folders.commit(expected, offsets, [])

    def columns(self) -> list[str]:
        return [*POSITION, ARRIVAL, "_reason", *(column.name for column in self.pipeline.columns)]

    def write(self, events: DataFrame, batch: int) -> None:
        """Writes a micro-batch, and moves its files to where readers see them.

        Raises:
            OffsetGap: the micro-batch starts above the tables.
        """
        began = time.monotonic()
        _, end = self.bounds(batch)
        events = events.persist()
        try:
            reached = self.reached(end)
            while (at := self.folders.commit(self.committed, reached, self._stage(events))) != reached:
                self.committed = at  # a compaction has written what is below
                reached = self.reached(end)
        finally:
            events.unpersist()
        self.committed, self.planned = reached, end
        self.place(began)

    def _stage(self, events: DataFrame) -> list[Arriving]:
        new = events.filter(~below(self.committed, "_partition", "_offset"))
        return [file for table in self.parquet.tables.values() for file in table.stage(new)]

    def place(self, read: float | None = None) -> None:
        """Moves the files that arrive to where readers see them, and tells the metastore of new folders.

        `read`: when the log was read up to where the tables stand, by the monotonic clock; None: not now.
        """
        with self.folders.locked() as standing:
            self.parquet.settle(standing)
            self.parquet.tell(standing)
            standing.age = None if read is None else time.monotonic() - read

    def tell_again(self, folders: Folders) -> None:
        """Tells the metastore what it has not taken, or what a killed batch has not told it, though no events come.

        `folders`: over another connection than the query's, which goes on meanwhile. Tries once an interval, and not
        while a batch runs, which tells by itself, and may have published before its folders are named.
        """
        if time.monotonic() < self.again_at or self.parquet.has_told(folders.read()):
            return
        if not folders.ledger.is_claimed("batch"):
            with folders.locked() as standing:
                self.parquet.tell(standing)
        self.again_at = time.monotonic() + self.interval
