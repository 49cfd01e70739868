"""Reading the tables of the lake, through HiveServer2: few at once, so that no other answer waits for theirs."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from threading import BoundedSemaphore
from typing import Any

from flask import Flask, current_app
from pyhive.exc import OperationalError as Refused
from sqlalchemy import QueuePool, event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from thrift.transport.TTransport import TTransportException

from app.hive import Session
from app.settings import Settings
from backend.problems import login_refused, unavailable

ANSWER_SECONDS = 30  # that a request may wait for a session and for all its statements
_end: ContextVar[float] = ContextVar("end", default=math.inf)  # of that, by the monotonic clock
SESSIONS = 2
REQUESTS = 4  # that have a session or wait for one, each on a thread of the server


class Lake:
    """The sessions of an application, and since when HiveServer2 has not answered; None: it has."""

    def __init__(self, settings: Settings) -> None:
        self.places = BoundedSemaphore(REQUESTS)
        self.silent_since: datetime | None = None
        self.pool = QueuePool(
            lambda: Session(settings, ANSWER_SECONDS, _end.get()),  # type: ignore[arg-type]
            pool_size=SESSIONS,
            max_overflow=0,
            timeout=ANSWER_SECONDS,
            reset_on_return=None,
        )
        event.listen(self.pool, "checkout", _renew)


def _renew(session: Session, *_: object) -> None:
    """Has the pool open another session in place of one that HiveServer2 has closed."""
    if session.lost:
        raise DisconnectionError


def init_app(app: Flask, settings: Settings) -> None:
    app.extensions["lake"] = Lake(settings)


def close(app: Flask) -> None:
    """Closes the sessions that no request uses."""
    app.extensions["lake"].pool.dispose()


@contextmanager
def lake() -> Iterator[Any]:
    """A cursor (DB-API) on the tables `<pipeline>.<table>`, for ANSWER_SECONDS.

    Raises:
        ServiceUnavailable: too many read the lake already.
        thrift.transport.TTransport.TTransportException: HiveServer2 does not answer, or not all in time.
        pyhive.exc.OperationalError: HiveServer2 refuses a statement.
    """
    held: Lake = current_app.extensions["lake"]
    if not held.places.acquire(blocking=False):
        raise unavailable(f"{REQUESTS} requests read the lake or wait for that; ask again")
    end = _end.set(time.monotonic() + ANSWER_SECONDS)
    try:
        with _session(held.pool) as session:
            session.end_by(_end.get())
            yield session.cursor()
        held.silent_since = None
    except Refused:
        held.silent_since = None
        raise
    except TTransportException as error:
        held.silent_since = None if login_refused(error) else held.silent_since or datetime.now(UTC)
        raise
    finally:
        _end.reset(end)
        held.places.release()


@contextmanager
def _session(pool: QueuePool) -> Iterator[Session]:
    """A session that is open, given back if all went well."""
    try:
        found = pool.connect()
    except PoolTimeout:
        raise unavailable(f"HiveServer2 has been busy for {ANSWER_SECONDS} s; ask again") from None
    try:
        yield found.driver_connection  # type: ignore[misc]
    except BaseException:
        found.invalidate()
        raise
    finally:
        found.close()
