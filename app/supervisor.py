"""The pipelines of a streaming job, each in a thread of its own: one that fails is stopped alone, and started again.

A pipeline runs, or pauses until it is tried again, or waits for an operator to accept something, or has ended: a newer
definition has replaced it, which only another process can run. The others notice nothing of that.
"""

import logging
import time
from collections.abc import Callable, Iterable
from threading import BoundedSemaphore, Thread

import psycopg2
from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from app.claims import AlreadyClaimed
from app.failures import Failure, Failures, failure_of
from app.job import EXPECTED, NothingRuns, StreamFailed
from app.ledger import DefinitionReplaced
from app.pauses import Pauses
from app.session import SparkEnded, require_running
from app.stopping import Stop
from app.streams import Streams

logger = logging.getLogger(__name__)
INTERVAL = 2.0  # seconds between two looks at a pipeline that runs, or at what an operator has accepted
CAUSE_SECONDS = 30.0  # between two looks whether the cause of what an operator is to accept has gone
STARTS = 4  # pipelines that start at a time: each takes a processor for seconds
GAP = "gap"  # the decision that lets a pipeline go on over what Kafka no longer has


class Supervised:
    """One pipeline of the job."""

    def __init__(self, streams: Streams, failures: Failures, starting: BoundedSemaphore, pauses: Pauses) -> None:
        self.name = streams.pipeline.name
        self.failure: Failure | None = None  # why it does not run well
        self.error: Exception | None = None  # with which it ended when it was asked to
        self._streams = streams
        self._failures = failures
        self._starting = starting
        self._pauses = pauses
        self._replaced = False

    def run(self, spark: SparkSession, stop: Stop) -> None:
        """Keeps the pipeline running until `stop` is set, or only another process can run it."""
        try:
            while not stop.is_set() and not self._replaced:
                try:
                    self._start()
                    self._watch(stop)
                except Exception as error:
                    require_running(spark)
                    decision, pause = self._note(error)
                    self._streams.stop()
                    self._wait(decision, pause, stop)
            self._streams.finish()
        except SparkEnded as error:
            self.error = error
            return  # nothing is left to stop
        except Exception as error:
            self.error = error
        self._streams.stop()

    def _start(self) -> None:
        with self._starting:
            if not self._streams.stop():
                raise StreamFailed(f"a query of {self.name} runs on, though it was asked to stop; see the log")
            accepted = self._failures.accepted(self.name, GAP)
            self._streams.start(accept_loss=accepted is not None)
        if accepted is not None:
            self._failures.take(accepted)

    def _watch(self, stop: Stop) -> None:
        noted = False
        while not stop.wait(INTERVAL):
            self._streams.look()
            if not noted and self._streams.are_well():
                noted, self.failure = True, None
                self._pauses.reset()
                self._failures.clear(self.name)

    def _note(self, error: Exception) -> tuple[str | None, float]:
        """Says why the pipeline stops. Returns what an operator must decide, if anything, and the pause in seconds."""
        if isinstance(error, AlreadyClaimed):  # then the pipeline is well, or its process was killed a moment ago
            logger.warning("%s", error)
            return None, self._pauses.next()
        failure, before = failure_of(error, self.name, "streaming"), self.failure
        self.failure, self._replaced = failure, isinstance(error, DefinitionReplaced)
        if failure.decision is None:
            pause = self._pauses.next()
            self._say(error, failure, pause)
            return None, pause
        if failure != before:  # else it has been said
            self._say(error, failure, None)
        return failure.decision, CAUSE_SECONDS

    def _say(self, error: Exception, failure: Failure, pause: float | None) -> None:
        self._failures.record(self.name, failure, pause)
        then = failure.help if pause is None else f"tried again after {pause:g} s"
        unexpected = None if isinstance(error, (*EXPECTED, PySparkException, Py4JError)) else error
        logger.error("%s failed: %s; %s", self.name, failure.first_line, then, exc_info=unexpected)

    def _wait(self, decision: str | None, seconds: float, stop: Stop) -> None:
        """Returns after so many seconds, or when the decision has been accepted."""
        until = time.monotonic() + seconds
        while not self._replaced and (left := until - time.monotonic()) > 0:
            if stop.wait(left if decision is None else min(left, INTERVAL)):
                return
            try:
                if decision and self._failures.accepted(self.name, decision) is not None:
                    return
            except psycopg2.Error as error:
                logger.warning("%s: what was accepted cannot be read: %s", self.name, str(error).strip())


class Supervisor:
    """All pipelines of the job."""

    def __init__(
        self,
        spark: SparkSession,
        failures: Failures,
        streams: Iterable[Streams],
        pauses: Callable[[], Pauses] = Pauses,
    ) -> None:
        starting = BoundedSemaphore(STARTS)
        self.pipelines = [Supervised(each, failures, starting, pauses()) for each in streams]
        self._spark = spark
        self._failures = failures

    def run(self, stop: Stop) -> None:
        """Returns after `stop` is set, with all queries ended and the archives holding what has been taken.

        Raises:
            SparkEnded: the application has ended, and with it every pipeline.
            StreamFailed: a pipeline did not end in order.
            NothingRuns: no pipeline ran then, or newer definitions have replaced all of them.
        """
        threads = [Thread(target=each.run, args=(self._spark, stop), name=each.name) for each in self.pipelines]
        for thread in threads:
            thread.daemon = True  # one that hangs does not keep the process from ending
            thread.start()
        logger.info("streaming; stop with Ctrl-C or SIGTERM")
        while any(thread.is_alive() for thread in threads) and not stop.wait(INTERVAL):
            require_running(self._spark)
            self._failures.write()
        logger.info("stopping")
        for thread in threads:
            thread.join()
        errors = [each.error for each in self.pipelines if each.error]
        for error in errors[1:]:
            logger.error("%s", error)
        if errors:
            raise errors[0]
        failed = [f"{each.name}: {each.failure.first_line}" for each in self.pipelines if each.failure]
        if len(failed) == len(self.pipelines):
            raise NothingRuns(f"no pipeline ran: {'; '.join(failed)}")
