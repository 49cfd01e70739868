"""The server under load: every answer is of one instant, whatever is published, restarted or stuck meanwhile."""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from decimal import Decimal
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from app.databases import apply_migrations, make_roles
from app.ledger import Ledger
from app.migrate import register
from app.pipelines import select
from app.pipelines.transactions import PIPELINE
from app.postgres import Role, connect
from app.settings import HOME, Settings
from app.versions import Version, Versions
from backend.database import POOL_SIZE
from backend.lake import ANSWER_SECONDS, SESSIONS
from backend.lake import REQUESTS as REQUESTS_OF_THE_LAKE
from embedded.postgres import Postgres
from embedded.process import free_port
from tests.integration.backend.conftest import VIEW, Layers, increments, snapshots

pytestmark = pytest.mark.timeout(300)
REQUESTS, READERS = 10_000, 16
PRICES = {"ada": Decimal("1.10"), "bob": Decimal("0.50")}
RECOVERY = 30  # seconds after Postgres answers again, where others use the processors too


class Own:
    """A Postgres and an API of this module's own."""

    def __init__(self, at: Settings, postgres: Postgres) -> None:
        self.at = at
        self.postgres = postgres

    def get(self, path: str) -> tuple[int, Any]:
        with closing(HTTPConnection(self.at.api_host, self.at.api_port, timeout=60)) as connection:
            return ask(connection, path)


def ask(connection: HTTPConnection, path: str) -> tuple[int, Any]:
    connection.request("GET", path)
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory, at: Settings) -> Iterator[Own]:
    folder, port = tmp_path_factory.mktemp("load"), free_port()
    with socket.create_server(("127.0.0.1", 0)) as stuck:  # a HiveServer2 that lets clients connect, and says nothing
        changed = {
            "pg_url": f"postgresql://127.0.0.1:{port}/tidemark", "secrets_path": folder / "secrets",
            "api_port": free_port(), "api_rate_limit": 0, "hive_server_port": stuck.getsockname()[1],
        }  # fmt: skip
        mine = at.model_copy(update=changed)
        mine.secrets_path.mkdir(mode=0o700)
        (mine.secrets_path / mine.hive_user).write_text("a-password-of-nobody")
        postgres = Postgres(
            folder / "postgres", int(mine.pg_url.split(":")[-1].split("/")[0]), mine.secrets_path / "postgres"
        )
        postgres.start()
        try:
            make_roles(mine)
            apply_migrations(mine)
            with closing(connect(mine, Role.MIGRATE)) as connection:
                for pipeline in select([]):
                    register(connection, pipeline)
            with serving(mine, changed, folder / "api.log"):
                yield Own(mine, postgres)
        finally:
            postgres.stop()


@contextmanager
def serving(at: Settings, changed: dict[str, Any], log: Path) -> Iterator[None]:
    environment = os.environ | {name.upper(): str(value) for name, value in changed.items()}
    with (
        log.open("w") as file,
        subprocess.Popen([sys.executable, "-P", "-m", "backend"], cwd=HOME, env=environment, stderr=file) as process,
    ):
        try:
            wait_until(lambda: accepts(at.api_port))
            yield
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0, log.read_text()[-2000:]
        finally:
            process.kill()


def accepts(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


def wait_until(holds: Callable[[], bool], seconds: float = 60) -> None:
    retry = retry_if_result(lambda held: not held)
    Retrying(stop=stop_after_delay(seconds), wait=wait_fixed(0.05), retry=retry)(holds)


def publishing(at: Settings, done: threading.Event) -> int:
    """Commits micro-batches and publishes what they add up to, version after version; returns how many."""
    layers, version = Layers(at), 0
    with closing(connect(at, Role.BATCH)) as connection:
        versions = Versions(Ledger(connection, PIPELINE))
        while not done.is_set():
            layers.add(5, ada=(2, "2.20"), bob=(1, "0.50"))
            cut = versions.ledger.cut()
            new = Version(
                version + 1, cut.segment, cut.offsets, "incremental", 0, duplicates=0, quarantined=0, seconds=0
            )
            versions.publish(new, version or None, increments(ada=(10, "11.00"), bob=(5, "2.50")))
            version += 1
    return version


def test_every_answer_is_of_one_instant_while_batches_publish(own: Own) -> None:
    """Every event moves the offset by one and the count by one, and Ada's are all of 1.10, Bob's of 0.50."""
    done = threading.Event()

    def read(_: int) -> set[int]:
        versions = set()
        with closing(HTTPConnection(own.at.api_host, own.at.api_port, timeout=60)) as connection:
            for _ in range(REQUESTS // READERS):
                status, answer = ask(connection, VIEW)
                assert status == 200, answer
                meta, rows = answer["meta"], answer["rows"]
                assert sum(row["count"] for row in rows) == meta["offsets"].get("0", 0)
                assert all(Decimal(row["total"]) == row["count"] * PRICES[row["client"]] for row in rows)
                versions.add(meta["version"])
        return versions

    with ThreadPoolExecutor(READERS + 1) as threads:
        writer = threads.submit(publishing, own.at, done)
        try:
            seen = set().union(*threads.map(read, range(READERS)))
        finally:
            done.set()
        published = writer.result()
    assert published >= len(seen) - 1 > 5


def test_what_is_stuck_in_the_lake_keeps_no_other_answer_waiting(own: Own) -> None:
    with ThreadPoolExecutor(12) as threads:
        stuck = [threads.submit(own.get, "/objects") for _ in range(12)]
        wait_until(lambda: sum(one.done() for one in stuck) == 12 - REQUESTS_OF_THE_LAKE)
        with closing(HTTPConnection(own.at.api_host, own.at.api_port, timeout=60)) as connection:
            seconds = []
            for _ in range(100):
                began = time.perf_counter()
                assert ask(connection, VIEW)[0] == 200
                seconds.append(time.perf_counter() - began)
        still = [one for one in stuck if not one.done()]
        refused = [one.result() for one in stuck]

    assert len(still) == REQUESTS_OF_THE_LAKE  # they waited all the while
    assert max(seconds) < ANSWER_SECONDS / 2
    assert {status for status, _ in refused} == {503}
    silent = [answer["detail"] for _, answer in refused if "longer than the API waits" in answer["detail"]]
    assert len(silent) >= SESSIONS  # one that waits may be given a session as its own time ends


def test_postgres_restarted_under_load_is_503_and_then_an_answer_again(own: Own) -> None:
    done, answers = threading.Event(), list[tuple[float, int]]()

    def read(_: int) -> None:
        while not done.is_set():
            answers.append((time.monotonic(), own.get(VIEW)[0]))

    def answered(status: int, since: float) -> bool:
        return any(at > since and found == status for at, found in answers)

    def answers_again(since: float) -> bool:
        last = [found for at, found in answers if at > since][-50 * READERS :]
        return len(last) == 50 * READERS and set(last) == {200}

    with ThreadPoolExecutor(READERS) as threads:
        reading = [threads.submit(read, number) for number in range(READERS)]
        try:
            began = time.monotonic()
            wait_until(lambda: answered(200, began))
            own.postgres.stop()
            stopped = time.monotonic()
            wait_until(lambda: answered(503, stopped))
            own.postgres.start()
            started = time.monotonic()
            wait_until(lambda: answers_again(started), RECOVERY)
        finally:
            done.set()
        for one in reading:
            one.result()
    assert {status for _, status in answers} == {200, 503}
    assert answers_again(started)
    assert all_of_the_pool_answers(own)


def all_of_the_pool_answers(own: Own) -> bool:
    """Whether as many requests as the pool has connections are in Postgres at once: none of them is lost."""

    def waiting() -> int:
        with closing(connect(own.at, own.at.pg_admin)) as connection, connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE usename = %s AND wait_event_type = 'Lock'", (Role.READ,)
            )
            ((found,),) = cursor.fetchall()
        return int(found)

    with ThreadPoolExecutor(POOL_SIZE) as threads, closing(connect(own.at, Role.MIGRATE)) as owner:
        with owner, owner.cursor() as cursor:
            cursor.execute("LOCK TABLE serving.transactions_clients IN ACCESS EXCLUSIVE MODE")
            asked = [threads.submit(own.get, VIEW) for _ in range(POOL_SIZE)]
            wait_until(lambda: waiting() == POOL_SIZE)
        return {one.result()[0] for one in asked} == {200}


def test_a_reader_that_takes_nothing_holds_no_snapshot(own: Own) -> None:
    """Its answer is larger than what the sockets hold, and than what the server would keep in memory."""
    Layers(own.at).add(**{secrets.token_hex(1_000): (1, "1.00") for _ in range(11_000)})
    with socket.create_connection((own.at.api_host, own.at.api_port), timeout=60) as slow:
        slow.sendall(f"GET {VIEW} HTTP/1.1\r\nHost: {own.at.api_host}\r\nAccept: text/csv\r\n\r\n".encode())
        assert slow.recv(12) == b"HTTP/1.1 200"
        wait_until(lambda: snapshots(own.at) == 0)
