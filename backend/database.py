"""Reading Postgres: a pool of connections, and one snapshot an answer."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from functools import partial

from flask import Flask, current_app
from sqlalchemy import Connection, Engine, QueuePool, create_engine

from app.postgres import Role, connect
from app.settings import Settings

POOL_SIZE = 8  # connections, one for each thread of the server
POOL_TIMEOUT = 5  # seconds a request waits for one of them


def init_app(app: Flask, settings: Settings) -> None:
    app.extensions["engine"] = create_engine(
        "postgresql+psycopg2://",
        creator=lambda: connect(settings, Role.READ),
        poolclass=QueuePool,
        pool_size=POOL_SIZE,
        max_overflow=0,
        pool_timeout=POOL_TIMEOUT,
        pool_pre_ping=True,
        json_deserializer=partial(json.loads, parse_float=Decimal),
    ).execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


def close(app: Flask) -> None:
    """Closes the connections that no request uses."""
    app.extensions["engine"].dispose()


def engine() -> Engine:
    """The pool of the current application."""
    found: Engine = current_app.extensions["engine"]
    return found


@contextmanager
def snapshot() -> Iterator[Connection]:
    """A connection on which all statements see the same instant, and none can write: it ends by being rolled back.

    Raises:
        sqlalchemy.exc.OperationalError: Postgres does not answer.
        sqlalchemy.exc.TimeoutError: all connections are in use.
    """
    with engine().connect() as connection:
        yield connection
