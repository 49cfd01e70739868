"""What the mains share: their options, connections that are closed, and errors in one line."""

import functools
import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import TypeVar

import psycopg2
from kafka.errors import KafkaError
from pydantic import ValidationError

from app import pipelines
from app.batch import QualityError
from app.catalog import CatalogError
from app.claims import LedgerError
from app.gap import LogShorter, OffsetGap, TopicRemade
from app.lake import LakeError
from app.log import TopicMissing
from app.options import parser
from app.postgres import Connection, WeakPassword, connect
from app.session import SparkEnded
from app.settings import Settings
from app.stopping import Stop, asked_to_stop
from app.topic_rules import TopicDiffers


class ServerEnded(Exception):
    """A server has ended by itself."""


class StreamFailed(Exception):
    """A query stopped with an error; the message is that of its cause."""


class NothingRuns(Exception):
    """No pipeline of a job runs."""


logger = logging.getLogger(__name__)
LOOK_SECONDS = 1
Item = TypeVar("Item")
Result = TypeVar("Result")
EXPECTED = (
    CatalogError, LakeError, LedgerError, LogShorter, NothingRuns, OffsetGap, QualityError, ServerEnded, SparkEnded,
    StreamFailed, TopicMissing, TopicDiffers, TopicRemade, WeakPassword, pipelines.WrongDefinition, FileNotFoundError,
    KafkaError, ValidationError,
    psycopg2.OperationalError,
)  # fmt: skip


def job(command: str) -> Callable[[Callable[..., None]], Callable[[], None]]:
    """Makes a main of a function that takes what the command can be given: `pipelines` as their definitions.

    The main logs to standard error, and ends an expected error with its message and exit code 1.
    """

    def decorate(function: Callable[..., None]) -> Callable[[], None]:
        @functools.wraps(function)
        def main() -> None:
            given = vars(parser(command).parse_args())
            logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s", stream=sys.stderr)
            for noisy in ("py4j", "kafka"):
                logging.getLogger(noisy).setLevel(logging.WARNING)
            try:
                if "pipelines" in given:
                    given["pipelines"] = pipelines.select(given["pipelines"])
                function(**given)
            except EXPECTED as error:
                sys.exit(f"Error: {str(error).strip()}")

        return main

    return decorate


@contextmanager
def connected(settings: Settings, role: str) -> Iterator[Callable[[], Connection]]:
    """Gives connections as `role`; all are closed at the end."""
    with ExitStack() as stack:

        def open_one() -> Connection:
            connection = connect(settings, role)
            stack.callback(connection.close)
            return connection

        yield open_one


def repeated(every: int | None) -> Iterator[Stop]:
    """The runs of a job: one, or one every `every` seconds until SIGTERM or SIGINT.

    Gives each run what is set then: it ends what it has begun, and begins nothing more.
    """
    stop = Stop() if every is None else asked_to_stop()
    while not stop.is_set():
        started = time.monotonic()
        yield stop
        if every is None:
            return
        stop.wait(max(0.0, every - (time.monotonic() - started)))


def side_by_side(
    most: int, work: Callable[[Item], Result], items: Iterable[Item], stop: Stop | None = None
) -> Iterator[Result]:
    """Gives what `work` makes of each item, in order, while at most so many others are worked on.

    What has not begun when `stop` is set is left out. An error of one item spares the others: the first is raised when
    all have ended, and the rest are logged.
    """
    pool, errors = ThreadPoolExecutor(most), list[Exception]()

    def unless_stopped(item: Item) -> list[Result]:
        return [] if stop and stop.is_set() else [work(item)]

    try:
        for begun in [pool.submit(unless_stopped, item) for item in items]:
            try:
                results = begun.result()
            except Exception as error:
                errors.append(error)
                continue
            yield from results
    finally:
        pool.shutdown(cancel_futures=True)
    for other in errors[1:]:
        logger.error("%s", other)
    if errors:
        raise errors[0]


def serve_until_stopped(name: str, serving: Callable[[], bool]) -> None:
    """Returns after SIGTERM or SIGINT. Looks every second whether the server is still `serving`.

    Raises:
        ServerEnded: it is not.
    """
    stop = asked_to_stop()
    logger.info("%s is ready; stop with Ctrl-C or SIGTERM", name)
    while not stop.wait(LOOK_SECONDS):
        if not serving():
            raise ServerEnded(f"{name} has ended by itself; the lines above say why. Mend that, then start it again")
    logger.info("stopping")
