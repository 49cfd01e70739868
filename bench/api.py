"""The API beside a bare SELECT: all rows of one merged view, again and again, by one reader on one connection."""

import socket
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from decimal import Decimal
from http import HTTPStatus
from http.client import HTTPConnection
from typing import NamedTuple

import psutil
import pyarrow as pa

from app.ledger import Ledger
from app.pipelines.transactions import PIPELINE
from app.postgres import Role, connect
from app.readers import served_as
from app.settings import Settings
from app.versions import Version, Versions
from backend.lake import ANSWER_SECONDS, REQUESTS

VIEW = PIPELINE.views[0].name
PATH = f"/pipelines/{PIPELINE.name}/views/{VIEW}"
OF_THE_LAKE = f"/quarantine/samples?pipeline={PIPELINE.name}"


class Measured(NamedTuple):
    """Seconds of each answer, and processor seconds of all that took part in it but the reader."""

    seconds: list[float]
    processor: float

    @property
    def per_processor_second(self) -> float:
        return len(self.seconds) / self.processor

    @property
    def quantiles(self) -> tuple[float, float, float]:
        cuts = statistics.quantiles(self.seconds, n=100)
        return cuts[49], cuts[94], cuts[98]


def fill(at: Settings, keys: int) -> None:
    """A version and a segment after its cut, both with a row of each key."""
    amounts = [Decimal(number) / 100 for number in range(keys)]
    ones = pa.array([1] * keys, pa.int64())
    values = {f"{state}_amount": amounts for state in ("sum", "min", "max")}
    counted = {"view": [0] * keys, "client": [f"client {number:06}" for number in range(keys)]}
    increments = pa.table(counted | {"count": ones, "count_amount": ones} | values)
    with closing(connect(at, Role.BATCH)) as connection:
        ledger = Ledger(connection, PIPELINE)
        version = Version(1, ledger.cut().segment, {}, "full", keys, duplicates=0, quarantined=0, seconds=0)
        Versions(ledger).publish(version, None, increments)
    with closing(connect(at, Role.SPEED)) as connection:
        ledger = Ledger(connection, PIPELINE)
        ledger.commit({}, {0: keys}, increments)


@contextmanager
def asking(at: Settings, keys: int) -> Iterator[tuple[Callable[[], None], Callable[[], None]]]:
    """An answer with all rows, and a poll that changes nothing."""
    with closing(HTTPConnection(at.api_host, at.api_port)) as connection:

        def get(status: HTTPStatus, **headers: str) -> tuple[str, bytes]:
            connection.request("GET", f"{PATH}?limit={keys}", headers=headers)
            answer = connection.getresponse()
            body = answer.read()
            if answer.status != status:
                raise RuntimeError(f"the API answered {answer.status}, expected {status.value}: {body[:200]!r}")
            return answer.getheader("ETag") or "", body

        tag, _ = get(HTTPStatus.OK)

        def full() -> None:
            get(HTTPStatus.OK)

        def poll() -> None:
            get(HTTPStatus.NOT_MODIFIED, **{"If-None-Match": tag})

        yield full, poll


@contextmanager
def selecting(at: Settings, keys: int) -> Iterator[Callable[[], None]]:
    """A bare SELECT of the same rows, in this process."""
    with closing(connect(at, Role.READ)) as connection, connection.cursor() as cursor:

        def select() -> None:
            cursor.execute(f"SELECT * FROM {served_as(PIPELINE, VIEW)} ORDER BY client")
            if len(cursor.fetchall()) != keys:
                raise RuntimeError("the view has not all rows")
            connection.rollback()

        yield select


@contextmanager
def hanging(at: Settings) -> Iterator[None]:
    """Readers who ask for what is in the lake, again and again, of a HiveServer2 that takes them and never answers."""
    with socket.create_server((at.hive_server_host, at.hive_server_port)) as server:
        asked = True

        def ask(_: int) -> None:
            while asked:
                with closing(HTTPConnection(at.api_host, at.api_port, timeout=2 * ANSWER_SECONDS)) as connection:
                    connection.request("GET", OF_THE_LAKE)
                    if (status := connection.getresponse().status) != HTTPStatus.SERVICE_UNAVAILABLE:
                        raise RuntimeError(f"the API answered {status} for a HiveServer2 that hangs, expected 503")

        with ThreadPoolExecutor(REQUESTS) as threads:
            readers = [threads.submit(ask, number) for number in range(REQUESTS)]
            try:
                taken, _ = server.accept()
                with taken:
                    yield
            finally:
                asked = False
                server.close()  # which ends what waits for it
        for reader in readers:
            reader.result()


def postgres_of(at: Settings) -> list[psutil.Process]:
    """The processes of Postgres that have connections of readers open."""
    with closing(connect(at, at.pg_admin)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT pid FROM pg_stat_activity WHERE usename = %s", (Role.READ,))
        return [psutil.Process(pid) for (pid,) in cursor.fetchall()]


def measured(work: Callable[[], None], times: int, processes: list[psutil.Process]) -> Measured:
    """Does something again and again, after one time that warms up."""
    work()
    before = sum(used.user + used.system for used in (process.cpu_times() for process in processes))
    seconds = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    after = sum(used.user + used.system for used in (process.cpu_times() for process in processes))
    return Measured(seconds, after - before)
