"""Reading the lake's tables: a cursor that ends with its request, and errors that say what is missing."""

import contextlib
import re
import socket
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from pyhive.exc import OperationalError
from sqlalchemy import event
from thrift.transport.TTransport import TTransportException

from app.settings import Settings
from backend import close, create_app
from backend.lake import ANSWER_SECONDS, SESSIONS, lake
from embedded.hive import HiveServer
from tests.integration.backend.conftest import Answer, get

PROBLEM = "application/problem+json"


def ask(settings: Settings, *statements: str) -> Answer:
    """What an API with a page that reads the lake answers: the rows of all statements."""
    app = create_app(settings)

    def page() -> list[list[object]]:
        rows = []
        with lake() as cursor:
            for statement in statements:
                cursor.execute(statement)
                rows += [list(row) for row in cursor.fetchall()]
        return rows

    app.add_url_rule("/lake", view_func=page)
    try:
        return get(app.test_client(), "/lake")
    finally:
        close(app)


def connections(port: int) -> int:
    """How many connections this process has to a port."""
    found = psutil.Process().net_connections(kind="tcp")
    return sum(bool(c.raddr) and c.raddr.port == port and c.status == psutil.CONN_ESTABLISHED for c in found)


@pytest.mark.usefixtures("hive_server")
def test_a_page_can_read_the_lake_and_leaves_no_connection(database: Settings) -> None:
    assert ask(database, "SELECT 1, 'one'").body == [[1, "one"]]
    assert connections(database.hive_server_port) == 0


@pytest.mark.usefixtures("hive_server")
@pytest.mark.parametrize("idle", [1, SESSIONS])
def test_a_session_is_used_again_unless_it_is_lost(database: Settings, idle: int) -> None:
    app = create_app(database)

    def session() -> Any:
        with app.app_context(), lake() as cursor:
            cursor.execute("SELECT 1")
            assert cursor.fetchall() == [(1,)]
            return cursor._connection.sessionHandle.sessionId.guid

    first = session()
    assert session() == first
    pool = app.extensions["lake"].pool
    held = [pool.connect() for _ in range(idle)]
    for one in held:
        one.driver_connection._socket.handle.shutdown(socket.SHUT_RDWR)  # as when the server ends
    for one in held:
        one.close()
    assert session() != first
    assert pool.checkedout() == 0
    close(app)
    assert connections(database.hive_server_port) == 0


@pytest.mark.usefixtures("hive_server")
@pytest.mark.parametrize(
    ("statement", "status", "said"),
    [
        ("SELECT * FROM nowhere.silver", 503, "the streaming and the batch job make them"),
        ("SELECT * FROM default.nothing", 503, "the streaming and the batch job make them"),
        ("SELECT nonsense", 500, "its log has the error of HiveServer2"),
    ],
)
def test_a_statement_that_is_refused_is_a_problem_and_leaves_no_connection(
    database: Settings, statement: str, status: int, said: str
) -> None:
    failed = ask(database, statement)

    assert (failed.status, failed.kind) == (status, PROBLEM)
    assert said in failed.body["detail"]
    assert connections(database.hive_server_port) == 0


@pytest.mark.usefixtures("hive_server")
@pytest.mark.parametrize("statement", ["SELECT 1", "SELECT * FROM nowhere.silver", "SELECT nonsense"])
def test_whatever_hiveserver2_answers_it_is_not_silent_any_more(database: Settings, statement: str) -> None:
    app = create_app(database)
    held = app.extensions["lake"]
    held.silent_since = datetime(2026, 1, 1, tzinfo=UTC)
    with app.app_context(), contextlib.suppress(OperationalError), lake() as cursor:
        cursor.execute(statement)

    assert held.silent_since is None
    close(app)


def test_without_hiveserver2_the_answer_is_a_503_that_says_how_to_start_it(database: Settings) -> None:
    failed = ask(database.model_copy(update={"hive_server_port": 1}), "SELECT 1")

    assert (failed.status, failed.kind) == (503, PROBLEM)
    assert "./scripts/submit sql" in failed.body["detail"]


def test_since_when_hiveserver2_is_silent_stays_the_same_until_it_answers(database: Settings) -> None:
    app = create_app(database.model_copy(update={"hive_server_port": 1}))
    app.extensions["lake"].silent_since = datetime(2026, 1, 1, 9, 30, tzinfo=UTC)
    for _ in range(2):
        failed = get(app.test_client(), "/quarantine/samples", pipeline="space")
        assert failed.status == 503
        assert "has not answered since 2026-01-01T09:30:00Z" in failed.body["detail"]


def test_a_hiveserver2_that_is_silent_is_waited_for_and_no_longer(
    database: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.lake.ANSWER_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        failed = ask(database.model_copy(update={"hive_server_port": silent.getsockname()[1]}), "SELECT 1")

    assert failed.status == 503
    assert re.search(r"longer than the API waits, and has not answered since 20\d\d-.*Z; ", failed.body["detail"])


@pytest.mark.usefixtures("hive_server")
def test_all_statements_of_a_request_end_together(database: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backend.lake.ANSWER_SECONDS", 5)
    a_second = "SELECT java_method('java.lang.Thread', 'sleep', 1000L)"
    assert ask(database, a_second).status == 200
    failed = ask(database, *[a_second] * 10)

    assert (failed.status, failed.kind) == (503, PROBLEM)
    assert "longer than the API waits" in failed.body["detail"]
    assert connections(database.hive_server_port) == 0


@pytest.mark.usefixtures("hive_server")
@pytest.mark.parametrize("when", ["connect", "checkout"], ids=["to be opened", "for another request"])
def test_the_wait_for_a_session_is_a_part_of_it(database: Settings, monkeypatch: pytest.MonkeyPatch, when: str) -> None:
    now = [1_000.0]
    for module in ("app.hive", "backend.lake"):
        monkeypatch.setattr(f"{module}.time", SimpleNamespace(monotonic=lambda: now[0]))
    app = create_app(database)
    pool = app.extensions["lake"].pool

    def wait(*_: object) -> None:
        now[0] += ANSWER_SECONDS

    event.listen(pool, when, wait)
    for _ in range(2):
        with app.app_context(), pytest.raises(TTransportException) as error, lake() as cursor:
            cursor.execute("SELECT 1")
        assert error.value.type == TTransportException.TIMED_OUT
    event.remove(pool, when, wait)
    with app.app_context(), lake() as cursor:
        cursor.execute("SELECT 1")  # another request has all its time
    close(app)


def test_another_password_is_a_503_that_names_the_settings(
    hive_server: HiveServer, database: Settings, tmp_path: Path
) -> None:
    assert hive_server.running
    (tmp_path / database.hive_user).write_text("another password")
    failed = ask(database.model_copy(update={"secrets_path": tmp_path}), "SELECT 1")

    assert failed.status == 503
    assert "SECRETS_PATH and HIVE_USER" in failed.body["detail"]


def test_a_password_that_anyone_could_guess_is_not_used(database: Settings, tmp_path: Path) -> None:
    (tmp_path / database.hive_user).write_text("changeme")
    failed = ask(database.model_copy(update={"secrets_path": tmp_path}), "SELECT 1")

    assert failed.status == 503
    assert "anyone could guess" in failed.body["detail"]


def test_no_password_is_a_503_that_keeps_the_path(database: Settings, tmp_path: Path) -> None:
    failed = ask(database.model_copy(update={"secrets_path": tmp_path}), "SELECT 1")

    assert failed.status == 503
    assert "lacks a password" in failed.body["detail"]
    assert str(tmp_path) not in failed.body["detail"]
