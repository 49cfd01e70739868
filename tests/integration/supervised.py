"""A streaming job over pipelines of a test, in the session of the tests."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any

from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from app.failures import Failures
from app.pauses import Pauses
from app.postgres import Role
from app.stopping import Stop
from app.streams import Streams
from app.supervisor import Supervisor
from tests.integration.conftest import Stack

SECONDS = 90
FAILURE = "SELECT failures, reason, help, decision, retry_at > failed_at FROM tidemark.failure WHERE pipeline = %s"


@contextmanager
def supervised(*stacks: Stack, pause: float = 0.2) -> Iterator[list[Exception]]:
    """The job; what it has ended with is in the list afterwards."""
    first, errors, stop = stacks[0], list[Exception](), Stop()
    streams = [Streams(each.spark, each.settings, each.pipeline) for each in stacks]
    failures = Failures(first.settings, Role.SPEED, "streaming")
    job = Supervisor(first.spark, failures, streams, lambda: Pauses(first=pause, most=pause))

    def run() -> None:
        try:
            job.run(stop)
        except Exception as error:
            errors.append(error)

    thread = Thread(target=run)
    thread.start()
    try:
        yield errors
    finally:
        stop.set()
        thread.join(SECONDS)
        assert not thread.is_alive()


def failure(stack: Stack) -> list[tuple[Any, ...]]:
    return stack.owner(FAILURE, stack.pipeline.name)


def until(condition: Callable[[], bool]) -> None:
    retry = retry_if_result(lambda done: not done)
    Retrying(stop=stop_after_delay(SECONDS), wait=wait_fixed(0.1), retry=retry)(condition)
