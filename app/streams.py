"""Everything that one pipeline has in a streaming job: its connections, the claims that they keep, and its queries.

It is started and stopped as a whole, and knows nothing of other pipelines.
"""

import logging
import re
from collections.abc import Callable
from contextlib import ExitStack, suppress

import psycopg2
from py4j.protocol import Py4JError
from pyspark.errors import PySparkException, StreamingQueryException
from pyspark.sql import SparkSession
from pyspark.sql.streaming.query import StreamingQuery
from tenacity import RetryError, Retrying, retry_if_result, stop_after_delay, wait_fixed

from app.archive import Archive
from app.drops import Drops
from app.firsts import Firsts
from app.folders import Folders
from app.job import StreamFailed, connected
from app.lake import Lake
from app.ledger import Ledger, Offsets
from app.model import Pipeline
from app.parquet_stream import ParquetStream
from app.postgres import Connection, Role
from app.settings import Settings
from app.speed import Speed
from app.uncommitted import uncommitted

logger = logging.getLogger(__name__)
DATA_LOSS = "failOnDataLoss"  # which each of Spark's errors about lost messages names
LOOK_SECONDS = 0.1  # between two looks at an archive that is to reach the end
TRACEBACK = "Traceback (most recent call last)"
OF_THE_QUERY = "=== Streaming Query ==="  # after which Spark says what it was at
PYTHON_ERROR = re.compile(r"[A-Za-z_][\w.]*(: |$)")


class Streams:
    """The streams of one pipeline."""

    def __init__(self, spark: SparkSession, settings: Settings, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        self._spark = spark
        self._settings = settings
        self._connections: list[Connection] = []
        self._exits = ExitStack()
        self._forget()

    def _forget(self) -> None:
        self._archive: Archive | None = None
        self._speed: tuple[Speed, Ledger] | None = None  # what notes when there is nothing left to read
        self._note_open: Callable[[], None] | None = None  # since when a transaction is
        self._drops: StreamingQuery | None = None
        self._parquet: tuple[ParquetStream, Folders] | None = None  # what tells the metastore again

    def start(self, accept_loss: bool) -> None:
        """Starts the queries, the archive first: it may begin anew only where no other has begun.

        Raises what keeps one of them from starting; call `stop` then, as others have been started.
        """
        connect = self._exits.enter_context(connected(self._settings, Role.SPEED))

        def ledger() -> Ledger:
            connection = connect()
            self._connections.append(connection)
            return Ledger(connection, self.pipeline)

        first = ledger()
        with first.transaction() as cursor:
            first.refuse_replaced(cursor)
        lake = Lake(self._spark, self._settings.lake_path, self.pipeline)
        archive = Archive(lake, first, self._settings)
        archive.start(accept_loss)
        self._archive = archive
        speed = Speed(self._spark, ledger(), self._settings)
        speed.start(accept_loss)
        noting = ledger()
        self._note_open = self._exits.enter_context(uncommitted(noting, self._settings))
        self._speed = speed, noting
        if self.pipeline.drops:
            self._drops = Drops(lake, ledger(), self._settings).start()
        if self.pipeline.parquet_tables:
            stream = ParquetStream(self._spark, lake, ledger(), self._settings)
            stream.start(accept_loss)
            self._parquet = stream, Folders(ledger())

    def look(self) -> None:
        """Raises the error of a query that has ended; else notes what readers are to know, and renews memories.

        Raises:
            StreamFailed: a query has ended.
            OffsetGap, TopicRemade, LogShorter: Kafka no longer has what a query was to read next.
        """
        if self._archive:
            refuse_failed(self._archive.query, self._archive.check)
        for first in self._firsts():
            refuse_failed(first.query, first.check)
        if self._drops:
            refuse_failed(self._drops)
        if self._note_open:
            self._note_open()
        if self._speed:
            speed, ledger = self._speed
            if _is_idle(speed.query):
                ledger.checked(ago=speed.interval)  # it has looked no longer ago than that
        for first in self._firsts():
            if first.outdated():
                first.renew()
        if self._parquet:
            stream, folders = self._parquet
            stream.tell_again(folders)

    def are_well(self) -> bool:
        """Whether each query has taken something since it was started, or has looked and found nothing."""
        return all(query.lastProgress or _is_idle(query) for query in self._queries())

    def finish(self) -> None:
        """Ends all queries in order: the archive when it holds what the others have taken.

        Raises:
            StreamFailed: it does not reach that within ARCHIVE_WAIT seconds.
        """
        for query in self._others():
            query.stop()
        if self._archive:
            for layer in self._firsts():
                _reach(self._archive, layer.taken())
            self._archive.query.stop()

    def stop(self) -> bool:
        """Stops what runs, and gives back connections and claims. Returns whether nothing runs any more.

        A query that does not end within Spark's `stopTimeout` keeps its claims, as nobody else may do its work: what it
        asks of Postgres is cancelled, and the next call tries again.
        """
        for _ in range(2):
            stopped = [_has_stopped(query) for query in self._queries()]  # one that does not keeps no other running
            if all(stopped):
                self._exits.close()
                self._connections.clear()
                self._forget()
                return True
            for connection in self._connections:
                with suppress(psycopg2.Error):
                    connection.cancel()
        return False

    def _firsts(self) -> list[Firsts]:
        return [found[0] for found in (self._speed, self._parquet) if found]

    def _others(self) -> list[StreamingQuery]:
        """All queries but the archive's."""
        return [*(layer.query for layer in self._firsts()), *([self._drops] if self._drops else [])]

    def _queries(self) -> list[StreamingQuery]:
        return [*self._others(), *([self._archive.query] if self._archive else [])]


def _has_stopped(query: StreamingQuery) -> bool:
    """Stops a query. Returns whether it has ended; `isActive` says no more than that it has been asked to."""
    try:
        query.stop()
    except (Py4JError, PySparkException) as error:
        logger.warning("%s does not stop: %s", query.name, str(error).splitlines()[0])
        return False
    return True


def _is_idle(query: StreamingQuery) -> bool:
    """Whether a query has looked for something new, and found nothing."""
    status = query.status
    waits = str(status["message"]).startswith("Waiting")  # it has come so far
    return waits and not status["isDataAvailable"] and not status["isTriggerActive"]


def _reach(archive: Archive, offsets: Offsets) -> None:
    """Waits until an archive holds all below these offsets: until its next append, if it does not yet."""

    def holds() -> bool:
        refuse_failed(archive.query, archive.check)
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


def refuse_failed(query: StreamingQuery, check: Callable[[], None] = lambda: None) -> None:
    """Raises the error that a query stopped with. Where that is lost messages, `check` says which."""
    if not query.isActive:
        error = query.exception()
        if error and DATA_LOSS in str(error):
            check()
            raise StreamFailed(
                f"{query.name} stopped: Kafka deleted messages while they were being read again, and has what comes "
                "next. It is started again, and goes on there"
            )
        raise StreamFailed(f"{query.name} stopped: {cause(error) if error else 'without an error'}")


def cause(error: StreamingQueryException) -> str:
    """The line of a Python error in a micro-batch function, or the whole of Spark's message."""
    text = str(error)
    raised = text.partition(OF_THE_QUERY)[0].rpartition(TRACEBACK)[2] if TRACEBACK in text else ""
    return next((line for line in raised.splitlines() if PYTHON_ERROR.match(line)), text)
