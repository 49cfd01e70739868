"""What the mains share: the pipelines argument, connections that are closed, and errors in one line."""

import functools
import logging
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import ParamSpec

import click
import psycopg2
from kafka.errors import KafkaError
from pydantic import ValidationError

from app import pipelines
from app.batch import QualityError
from app.gap import LogShorter, OffsetGap
from app.lake import LakeError
from app.ledger import LedgerError
from app.log import TopicMissing
from app.model import Pipeline
from app.postgres import Connection, connect
from app.settings import Settings
from app.watch import StreamFailed

P = ParamSpec("P")
EXPECTED = (
    LakeError, LedgerError, LogShorter, OffsetGap, QualityError, StreamFailed, TopicMissing, FileNotFoundError, KafkaError,
    ValidationError, psycopg2.OperationalError,
)  # fmt: skip


def _load(_: click.Context, __: click.Parameter, names: tuple[str, ...]) -> list[Pipeline]:
    try:
        return pipelines.select(names)
    except KeyError as error:
        raise click.BadParameter(error.args[0]) from error


pipelines_argument = click.argument("pipelines", nargs=-1, metavar="[PIPELINE]...", callback=_load)


def job(main: Callable[P, None]) -> Callable[P, None]:
    """A main that logs to standard error, and ends an expected error with its message and exit code 1."""

    @functools.wraps(main)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> None:
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s", stream=sys.stderr)
        for noisy in ("py4j", "kafka"):
            logging.getLogger(noisy).setLevel(logging.WARNING)
        try:
            main(*args, **kwargs)
        except EXPECTED as error:
            raise click.ClickException(str(error).strip()) from error

    return wrapped


@contextmanager
def connected(settings: Settings, role: str) -> Iterator[Callable[[], Connection]]:
    """Gives connections as `role`; all are closed at the end."""
    with ExitStack() as stack:

        def open_one() -> Connection:
            connection = connect(settings, role)
            stack.callback(connection.close)
            return connection

        yield open_one


def repeated(every: int | None) -> Iterator[int]:
    """The runs of a job: one, or one every `every` seconds until SIGTERM or SIGINT, which lets a run end first."""
    stop = threading.Event()
    if every is not None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
    run = 0
    while not stop.is_set():
        started = time.monotonic()
        yield run
        run += 1
        if every is None:
            return
        stop.wait(max(0.0, every - (time.monotonic() - started)))
