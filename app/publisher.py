"""The batch layer of one pipeline in a job: an error is recorded, and tried again after growing pauses."""

import logging
import time

import psycopg2
from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from app.batch import QualityError, run_unless_idle
from app.claims import AlreadyClaimed
from app.failures import Failure, Failures, failure_of
from app.idle import Latest
from app.job import EXPECTED, connected
from app.lake import Lake
from app.ledger import Ledger
from app.model import Pipeline
from app.pauses import Pauses
from app.postgres import Role
from app.settings import Settings
from app.versions import Version

logger = logging.getLogger(__name__)


class Publisher:
    """Publishes versions of one pipeline, each over a connection of its own, as that of the last run may be broken."""

    def __init__(self, spark: SparkSession, settings: Settings, pipeline: Pipeline, failures: Failures) -> None:
        self.pipeline = pipeline
        self.failed: Failure | None = None  # why the last run failed
        self._spark = spark
        self._settings = settings
        self._failures = failures
        self._pauses = Pauses()
        self._again_at = 0.0  # by the monotonic clock
        self._latest: Latest | None = None
        self._acceptance: int | None = None

    def is_due(self) -> bool:
        """Whether no pause after an error is left, or an operator has accepted what the pipeline waits for."""
        if time.monotonic() >= self._again_at:
            return True
        if self.failed is None or self.failed.decision is None:
            return False
        try:
            return self._failures.accepted(self.pipeline.name, self.failed.decision) is not None
        except psycopg2.Error as error:
            logger.warning("%s: what was accepted cannot be read: %s", self.pipeline.name, str(error).strip())
            return False

    def publish(self, full: bool, accepted_by: str | None, again: bool) -> Version | None:
        """A new version; None: there is nothing to count, or nothing new since a version was refused.

        `accepted_by`: who accepts that more is quarantined than the pipeline allows. `again`: whether the job tries
        again. Raises what a run does, which has been recorded then, unless another process works on the pipeline.
        """
        try:
            with connected(self._settings, Role.BATCH) as connect:
                version = self._run(Ledger(connect(), self.pipeline), full, accepted_by)
        except AlreadyClaimed as error:
            logger.warning("%s", error)
            raise
        except Exception as error:
            self._record(error, again)
            raise
        if version or not self.failed or self.failed.decision is None:
            self.failed = None
            self._pauses.reset()
            self._failures.clear(self.pipeline.name)
        return version

    def _run(self, ledger: Ledger, full: bool, accepted_by: str | None) -> Version | None:
        name = self.pipeline.name
        if self._latest is None:
            self._latest = Latest(Lake(self._spark, self._settings.lake_path, self.pipeline))
        if self._latest.is_as_refused(ledger) and self._failures.accepted(name, QualityError.decision) is None:
            return None

        def accepted(error: QualityError) -> bool:
            if accepted_by:
                detail = {"published": error.published, **vars(error.new)}
                self._acceptance = self._failures.accept(name, QualityError.decision, accepted_by, detail)
            else:
                self._acceptance = self._failures.accepted(name, QualityError.decision)
            return self._acceptance is not None

        self._acceptance = None
        version = run_unless_idle(self._latest, ledger, self._settings, full, accepted)
        if self._acceptance is not None:
            self._failures.take(self._acceptance)
        return version

    def _record(self, error: Exception, again: bool) -> None:
        self.failed = failed = failure_of(error, self.pipeline.name, "batch")
        pause = self._pauses.next()
        self._again_at = time.monotonic() + pause
        self._failures.record(self.pipeline.name, failed, pause if again and not failed.decision else None)
        if again:
            then = failed.help if failed.decision else f"tried again after {pause:g} s"
            unexpected = None if isinstance(error, (*EXPECTED, PySparkException, Py4JJavaError)) else error
            logger.error("%s failed: %s; %s", self.pipeline.name, failed.first_line, then, exc_info=unexpected)
