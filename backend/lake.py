"""Reading the tables of the lake, through HiveServer2."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flask import Flask, current_app

from app.hive import cursor
from app.settings import Settings

ANSWER_SECONDS = 30  # that an answer of HiveServer2 may take


def init_app(app: Flask, settings: Settings) -> None:
    app.extensions["hive"] = settings


@contextmanager
def lake() -> Iterator[Any]:
    """A cursor (DB-API) on the tables `<pipeline>.<table>`; its connection is closed whatever happens.

    Raises:
        thrift.transport.TTransport.TTransportException: HiveServer2 does not answer.
        pyhive.exc.OperationalError: HiveServer2 refuses a statement.
    """
    with cursor(current_app.extensions["hive"], ANSWER_SECONDS) as made:
        yield made
