"""The pipelines that a job has stopped: why, since when and what helps; and what an operator has accepted.

Readers see them as `serving.failure`. Postgres itself may be what failed: a row that it does not take is kept in
memory, and written when it answers again.
"""

import getpass
import json
import logging
import os
import socket
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import Any, Literal

import psycopg2

from app.errors import Explained
from app.postgres import Role, WeakPassword, connect, password
from app.settings import Settings

logger = logging.getLogger(__name__)
Job = Literal["streaming", "batch"]
LONGEST = 8_000  # characters of a reason: Spark quotes whole plans
UNREACHABLE = (psycopg2.Error, WeakPassword, OSError)  # what connecting and writing raise
WRITE = """
    INSERT INTO tidemark.failure AS f (pipeline, job, since, failed_at, failures, reason, help, decision, retry_at)
    VALUES (%(pipeline)s, %(job)s, clock_timestamp() - make_interval(secs => %(since)s),
        clock_timestamp() - make_interval(secs => %(ago)s), %(failures)s, %(reason)s, %(help)s, %(decision)s,
        clock_timestamp() + make_interval(secs => %(pause)s))
    ON CONFLICT (pipeline, job) DO UPDATE SET failed_at = excluded.failed_at, failures = f.failures + excluded.failures,
        reason = excluded.reason, help = excluded.help, decision = excluded.decision, retry_at = excluded.retry_at"""
ACCEPTED = """
    SELECT min(a.id) FROM tidemark.acceptance a JOIN tidemark.failure f USING (pipeline, decision)
    WHERE f.job = %(job)s AND pipeline = %(pipeline)s AND decision = %(decision)s AND a.taken_at IS NULL
        AND a.accepted_at >= f.since"""


@dataclass(frozen=True)
class Failure:
    """Why a pipeline has stopped, the command that helps, and what an operator must accept, if anything."""

    reason: str
    help: str
    decision: str | None

    @property
    def first_line(self) -> str:
        return self.reason.splitlines()[0]


@dataclass
class _Unwritten:
    """The failures of a pipeline that Postgres has not taken; moments by the monotonic clock."""

    failure: Failure
    pause: float | None
    since: float
    failed_at: float
    failures: int


def failure_of(error: Exception, pipeline: str, job: Job) -> Failure:
    """What an error says, as text that Postgres takes."""
    text = str(error).strip()[:LONGEST].encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")
    reason = text or type(error).__name__
    if isinstance(error, Explained):
        return Failure(reason, error.help.format(pipeline=pipeline), error.decision)
    return Failure(reason, f"./scripts/logs {job}", None)


def operator() -> str:
    """Who runs this process, as user@host."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


class Failures:
    """The failures of one job, each over a connection that is opened for it. Threads may share it."""

    def __init__(self, settings: Settings, role: Role, job: Job) -> None:
        """Raises what `password` does: without one no pipeline could run, however often it is tried."""
        password(settings, settings.pg_user or role)
        self.job: Job = job
        self._settings = settings
        self._role = role
        self._lock = Lock()
        self._unwritten: dict[str, _Unwritten | None] = {}  # None: the row is to be deleted
        self._warned = False

    def record(self, pipeline: str, failure: Failure, pause: float | None) -> None:
        """Notes a failure, which is tried again after so many seconds (None: not before something has changed)."""
        with self._lock:
            now, before = time.monotonic(), self._unwritten.get(pipeline)
            since, failures = (before.since, before.failures + 1) if before else (now, 1)
            self._unwritten[pipeline] = _Unwritten(failure, pause, since, now, failures)
        self.write()

    def clear(self, pipeline: str) -> None:
        """Notes that a pipeline runs well."""
        with self._lock:
            self._unwritten[pipeline] = None
        self.write()

    def write(self) -> None:
        """Writes what is not yet in Postgres, if that answers."""
        with self._lock:
            if not self._unwritten:
                return
            try:
                with self._transaction() as cursor:
                    for pipeline, row in self._unwritten.items():
                        self._write(cursor, pipeline, row)
            except UNREACHABLE as error:
                if not self._warned:
                    logger.warning("failures of pipelines are written to Postgres later: %s", str(error).strip())
                self._warned = True
                return
            self._unwritten.clear()
            self._warned = False

    def _write(self, cursor: Any, pipeline: str, row: _Unwritten | None) -> None:
        key = {"pipeline": pipeline, "job": self.job}
        if row is None:
            cursor.execute("DELETE FROM tidemark.failure WHERE pipeline = %(pipeline)s AND job = %(job)s", key)
            return
        now = time.monotonic()
        passed = {"since": now - row.since, "ago": now - row.failed_at, "failures": row.failures}
        pause = None if row.pause is None else max(0.0, row.failed_at + row.pause - now)
        cursor.execute(WRITE, key | vars(row.failure) | passed | {"pause": pause})

    def accepted(self, pipeline: str, decision: str) -> int | None:
        """The id of what an operator has accepted since the pipeline failed, and no job has acted on; None: nothing.

        Raises:
            psycopg2.Error: Postgres does not answer.
        """
        with self._transaction() as cursor:
            cursor.execute(ACCEPTED, {"job": self.job, "pipeline": pipeline, "decision": decision})
            found: int | None = cursor.fetchone()[0]
            return found

    def waiting(self, pipeline: str) -> dict[str, str]:
        """What an operator is to decide about a pipeline, in any job: the reason of each."""
        with self._transaction() as cursor:
            cursor.execute(
                "SELECT decision, reason FROM tidemark.failure WHERE pipeline = %s AND decision IS NOT NULL",
                (pipeline,),
            )
            return dict(cursor.fetchall())

    def accept(self, pipeline: str, decision: str, by: str, detail: dict[str, Any]) -> int:
        """Records who accepts what, and when; returns its id."""
        with self._transaction() as cursor:
            cursor.execute(
                "INSERT INTO tidemark.acceptance (pipeline, decision, detail, accepted_by) VALUES (%s, %s, %s, %s) "
                "RETURNING id",
                (pipeline, decision, json.dumps(detail), by),
            )
            return int(cursor.fetchone()[0])

    def take(self, acceptance: int) -> None:
        """Notes that the job has acted on what was accepted."""
        with self._transaction() as cursor:
            cursor.execute("UPDATE tidemark.acceptance SET taken_at = clock_timestamp() WHERE id = %s", (acceptance,))

    @contextmanager
    def _transaction(self) -> Iterator[Any]:
        with (
            closing(connect(self._settings, self._role)) as connection,
            connection,
            connection.cursor() as cursor,
        ):
            yield cursor
