"""Watches the queries of a streaming job: stops them all when one fails or a signal comes."""

import logging
from collections.abc import Callable
from contextlib import ExitStack

from pyspark.errors import StreamingQueryException
from pyspark.sql import SparkSession
from pyspark.sql.streaming.query import StreamingQuery
from tenacity import RetryError, Retrying, retry_if_result, stop_after_delay, wait_fixed

from app.archive import Archive
from app.firsts import Firsts
from app.folders import Folders
from app.ledger import Ledger, Offsets
from app.parquet_stream import ParquetStream
from app.speed import Speed
from app.stopping import asked_to_stop
from app.uncommitted import uncommitted

logger = logging.getLogger(__name__)
INTERVAL = 2.0  # seconds between two looks
DATA_LOSS = "failOnDataLoss"  # which each of Spark's errors about lost messages names
LOOK_SECONDS = 0.1  # between two looks at an archive that is to reach the end


class StreamFailed(Exception):
    """A query stopped with an error; the message is that of its cause."""


class Watch:
    """The queries of one application."""

    def __init__(self, spark: SparkSession) -> None:
        self.spark = spark
        self._speeds: list[tuple[Speed, Ledger]] = []
        self._parquets: list[tuple[ParquetStream, Folders]] = []
        self._archives: list[Archive] = []
        self._drops: list[StreamingQuery] = []
        self._exits = ExitStack()
        self._look_for_open: list[Callable[[], None]] = []

    def speed(self, speed: Speed, ledger: Ledger) -> None:
        """Watches a speed layer; `ledger`, over a connection of its own, notes when there is nothing left to read, and
        since when a transaction is open.
        """
        self._speeds.append((speed, ledger))
        self._look_for_open.append(self._exits.enter_context(uncommitted(ledger, speed.settings)))

    def parquet(self, stream: ParquetStream, ledger: Ledger) -> None:
        """Watches the writing of Parquet tables; `ledger`, over a connection of its own, tells the metastore again."""
        self._parquets.append((stream, Folders(ledger)))

    def archive(self, archive: Archive) -> None:
        """Watches an archive that has been started."""
        self._archives.append(archive)

    def drops(self, query: StreamingQuery) -> None:
        self._drops.append(query)

    def until_stopped(self) -> None:
        """Returns after SIGTERM or SIGINT, with all queries ended and the archive holding what has been taken.

        Raises:
            StreamFailed: a query failed, or an archive did not reach what has been taken within ARCHIVE_WAIT seconds.
        """
        stop = asked_to_stop()
        with self._exits:
            logger.info("streaming; stop with Ctrl-C or SIGTERM")
            while not stop.wait(INTERVAL):
                self._look()
            logger.info("stopping")
            self._end()

    def _look(self) -> None:
        of_topics: list[Firsts | Archive] = [*self._firsts(), *self._archives]
        for layer in of_topics:
            _refuse_failed(layer.query, layer.check)
        for query in self._drops:
            _refuse_failed(query)
        for look in self._look_for_open:
            look()
        for speed, ledger in self._speeds:
            if not speed.query.status["isDataAvailable"] and not speed.query.status["isTriggerActive"]:
                ledger.checked(ago=speed.interval)  # it has looked no longer ago than that
        for first in self._firsts():
            if first.outdated():
                first.renew()
        for stream, folders in self._parquets:
            stream.tell_again(folders)

    def _end(self) -> None:
        for query in self._queries():
            query.stop()
        for archive in self._archives:
            for layer in self._firsts():
                if layer.pipeline == archive.ledger.pipeline:
                    _reach(archive, layer.taken())
        for archive in self._archives:
            archive.query.stop()

    def _firsts(self) -> list[Firsts]:
        return [*(speed for speed, _ in self._speeds), *(stream for stream, _ in self._parquets)]

    def _queries(self) -> list[StreamingQuery]:
        """All but the archives."""
        return [*(layer.query for layer in self._firsts()), *self._drops]


def _reach(archive: Archive, offsets: Offsets) -> None:
    """Waits until an archive holds all below these offsets: until its next append, if it does not yet."""

    def holds() -> bool:
        _refuse_failed(archive.query, archive.check)
        return archive.holds(offsets)

    seconds = archive.settings.archive_wait
    retry = retry_if_result(lambda held: not held)
    try:
        Retrying(stop=stop_after_delay(seconds), wait=wait_fixed(LOOK_SECONDS), retry=retry)(holds)
    except RetryError:
        raise StreamFailed(
            f"{archive.query.name} is at {archive.held}, expected {offsets}, {seconds} s after the other layers ended; "
            "start the job again: it goes on there"
        ) from None


def _refuse_failed(query: StreamingQuery, check: Callable[[], None] = lambda: None) -> None:
    """Raises the error that a query stopped with. Where that is lost messages, `check` says which."""
    if not query.isActive:
        error = query.exception()
        if error and DATA_LOSS in str(error):
            check()
            raise StreamFailed(
                f"{query.name} stopped: Kafka deleted messages while they were being read again, and has what comes "
                "next. Start the job again: it goes on there"
            )
        raise StreamFailed(f"{query.name} stopped: {_cause(error) if error else 'without an error'}")


def _cause(error: StreamingQueryException) -> str:
    """The line of a Python error in a micro-batch function, or the whole of Spark's message."""
    text = str(error)
    lines = [line for line in text.splitlines() if line.startswith("app.")]
    return lines[-1] if lines else text
