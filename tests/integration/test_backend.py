"""The API against a real Postgres: exact values, one instant an answer, and errors that say what to do."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.ledger import Ledger, Version
from app.migrate import register
from app.model import Count, Pipeline
from app.pipelines.transactions import PIPELINE
from app.postgres import Connection, Role, connect
from app.settings import HOME, Settings
from backend import create_app
from backend.database import POOL_SIZE, snapshot
from embedded.process import free_port

VIEW = f"/pipelines/{PIPELINE.name}/views/clients"
PROBLEM = "application/problem+json"


def increments(**clients: tuple[int, str]) -> pa.Table:
    """Increments of the view clients: how many events and their total, all of the same amount."""
    rows = [
        {
            "view": 0,
            "client": client,
            "count": count,
            "count_amount": count,
            "sum_amount": Decimal(total),
            "min_amount": Decimal(total) / count,
            "max_amount": Decimal(total) / count,
        }
        for client, (count, total) in clients.items()
    ]
    return pa.Table.from_pylist(rows)


def version(number: int, segment: int) -> Version:
    return Version(number, segment, {0: 1}, "full", accepted=1, duplicates=0, quarantined=0, seconds=0.25)


class Layers:
    """What the jobs do to the pipeline's tables."""

    def __init__(self, database: Settings) -> None:
        self.database = database

    def add(self, pipeline: Pipeline = PIPELINE, **clients: tuple[int, str]) -> None:
        with closing(connect(self.database, Role.SPEED)) as connection:
            ledger = Ledger(connection, pipeline)
            before = ledger.offsets()
            messages = sum(count for count, _ in clients.values())
            ledger.commit(before, before | {0: before.get(0, 0) + messages}, increments(**clients))

    def batch(self) -> Connection:
        return connect(self.database, Role.BATCH)


@pytest.fixture(scope="module")
def layers(database: Settings) -> Layers:
    """Ada has 3 events of 1.10 and Bob has one, all counted by the speed layer."""
    made = Layers(database)
    made.add(ada=(3, "3.30"), bob=(1, "99999999999.99"))
    return made


@pytest.fixture
def app(database: Settings) -> Iterator[Flask]:
    made = create_app(database)
    yield made
    made.extensions["engine"].dispose()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def unreachable(database: Settings) -> FlaskClient:
    """An API whose Postgres is not there."""
    return create_app(database.model_copy(update={"pg_url": "postgresql://127.0.0.1:1/tidemark"})).test_client()


def test_pipelines_are_listed_with_their_views_and_the_quarantine(client: FlaskClient) -> None:
    listed = {pipeline["name"]: pipeline for pipeline in client.get("/pipelines").json}

    assert listed[PIPELINE.name]["description"] == PIPELINE.description
    assert [view["name"] for view in listed[PIPELINE.name]["views"]] == ["clients", "quarantine"]


@pytest.mark.usefixtures("layers")
def test_a_pipeline_tells_where_it_stands(client: FlaskClient) -> None:
    found = client.get(f"/pipelines/{PIPELINE.name}").json

    assert (found["pipeline"], found["fingerprint"]) == (PIPELINE.name, PIPELINE.fingerprint)
    assert found["offsets"]["0"] >= 4
    assert 0 <= found["freshness_seconds"] < 60
    assert found["published_at"].endswith("Z")


@pytest.mark.usefixtures("layers")
def test_a_merged_view_comes_with_exact_decimals_and_the_boundary(client: FlaskClient) -> None:
    found = client.get(VIEW).json

    ada = {"client": "ada", "count": 3, "total": "3.30", "mean": "1.10000000", "min": "1.10", "max": "1.10"}
    assert found["rows"][0] == ada
    assert list(found["rows"][0]) == list(found["meta"]["columns"]) == list(PIPELINE.views[0].output_names)
    assert found["rows"][1]["total"] == "99999999999.99"
    assert found["meta"]["columns"]["count"] == "bigint"
    assert found["meta"]["columns"]["total"] == "decimal"
    assert found["meta"]["view"] == "clients"
    assert {"version", "cut", "offsets", "freshness_seconds", "published_at"} < set(found["meta"])
    assert found["meta"]["truncated"] is False


def test_the_quarantine_is_a_view_like_any_other(client: FlaskClient) -> None:
    found = client.get(f"/pipelines/{PIPELINE.name}/views/quarantine")

    assert (found.status_code, found.json["rows"]) == (200, [])


@pytest.mark.usefixtures("layers")
def test_an_answer_that_was_cut_short_says_so(client: FlaskClient) -> None:
    found = client.get(f"{VIEW}?limit=1").json

    assert [row["client"] for row in found["rows"]] == ["ada"]
    assert (found["meta"]["limit"], found["meta"]["truncated"]) == (1, True)


@pytest.mark.parametrize("limit", ["0", "-1", "10001", "ten", "1.5", "", "٣", "9" * 5_000])
def test_a_bad_limit_is_refused_with_what_is_allowed(client: FlaskClient, limit: str) -> None:
    refused = client.get(VIEW, query_string={"limit": limit})

    assert (refused.status_code, refused.content_type) == (400, PROBLEM)
    assert "expected a whole number from 1 to 10000" in refused.json["detail"]


def problem(client: FlaskClient, path: str) -> tuple[int, str, Any]:
    """Status, content type and body of an answer; the body repeats the status."""
    answer = client.get(path)
    assert answer.json["status"] == answer.status_code
    return answer.status_code, answer.content_type, answer.json


@pytest.mark.parametrize(
    ("path", "named"),
    [
        ("/pipelines/nope", "there are: "),
        ("/pipelines/nope/views/clients", "there are: "),
        (f"/pipelines/{PIPELINE.name}/views/nope", "there are: clients, quarantine"),
        (f"/pipelines/{PIPELINE.name}/views/clients; DROP TABLE x", "there are: clients, quarantine"),
        ("/nope", "not found"),
    ],
)
def test_an_unknown_name_is_a_404_that_lists_those_there_are(client: FlaskClient, path: str, named: str) -> None:
    status, kind, body = problem(client, path)

    assert (status, kind, body["title"]) == (404, PROBLEM, "Not Found")
    assert named in body["detail"]


def test_another_method_is_a_405_that_keeps_its_header(client: FlaskClient) -> None:
    refused = client.post("/pipelines")

    assert (refused.status_code, refused.content_type) == (405, PROBLEM)
    assert "GET" in refused.headers["Allow"]


@pytest.mark.parametrize("path", ["/readyz", f"/pipelines/{PIPELINE.name}", VIEW])
def test_without_postgres_an_answer_is_a_503_and_never_empty(unreachable: FlaskClient, path: str) -> None:
    status, kind, body = problem(unreachable, path)

    assert (status, kind) == (503, PROBLEM)
    assert "Postgres does not answer" in body["detail"]
    assert unreachable.get("/healthz").status_code == 200


def test_without_a_password_an_answer_is_a_503(database: Settings, tmp_path: Path) -> None:
    client = create_app(database.model_copy(update={"secrets_path": tmp_path})).test_client()
    status, _, body = problem(client, "/readyz")

    assert status == 503
    assert "no password" in body["detail"]
    assert str(tmp_path) not in body["detail"]


def test_connections_that_postgres_has_closed_are_replaced(client: FlaskClient, database: Settings) -> None:
    assert client.get("/readyz").status_code == 200
    with closing(connect(database, database.pg_admin)) as admin, admin, admin.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", (Role.READ,))
        assert cursor.rowcount > 0

    assert client.get("/readyz").status_code == 200


def test_when_all_connections_are_in_use_the_answer_is_a_503(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = app.extensions["engine"]
    monkeypatch.setattr(engine.pool, "_timeout", 0.1)
    held = [engine.connect() for _ in range(POOL_SIZE)]
    status, _, body = problem(app.test_client(), "/readyz")
    for connection in held:
        connection.close()

    assert status == 503
    assert "all connections to Postgres are in use" in body["detail"]
    assert app.test_client().get("/readyz").status_code == 200


def test_ready_when_every_pipeline_is_served(client: FlaskClient) -> None:
    assert client.get("/readyz").json["status"] == "ready"


def test_an_answer_can_read_one_instant_only_and_cannot_write(app: Flask, layers: Layers) -> None:
    query = "SELECT sum(count) FROM serving.transactions_clients"
    with app.app_context(), snapshot() as connection:
        before = connection.exec_driver_sql(query).scalar_one()
        layers.add(eve=(1, "1.00"))
        assert connection.exec_driver_sql(query).scalar_one() == before
        with pytest.raises(Exception, match="permission denied|read-only"):
            connection.exec_driver_sql("DELETE FROM tidemark.ledger")
    with app.app_context(), snapshot() as connection:
        assert connection.exec_driver_sql(query).scalar_one() == before + 1


def test_rows_and_boundary_are_of_one_instant_while_events_are_counted(client: FlaskClient, layers: Layers) -> None:
    """Every event moves the offset by one and the count by one, so in each answer they differ by the same."""

    def difference() -> int:
        found = client.get(VIEW).json
        offset: int = found["meta"]["offsets"]["0"]
        return offset - sum(row["count"] for row in found["rows"])

    expected = difference()
    writer = threading.Thread(target=lambda: [layers.add(ada=(1, "1.10")) for _ in range(100)])
    writer.start()
    found = {difference()}
    while writer.is_alive():
        found.add(difference())
    writer.join()

    assert found == {expected}


def test_no_answer_fails_while_another_definition_is_published(
    client: FlaskClient, layers: Layers, database: Settings
) -> None:
    """Publishing a definition replaces its views; an answer is wholly of the one or wholly of the other."""
    other = replace(PIPELINE, views=(replace(PIPELINE.views[0], measures=(Count("count"),)),))
    with closing(connect(database, Role.MIGRATE)) as connection:
        register(connection, other)
    with closing(layers.batch()) as connection:
        ledger = Ledger(connection, other)
        counted = increments(ada=(1, "1.10")).select(["view", "client", "count"])
        ledger.publish(version(1, ledger.cut().segment), None, counted)
    columns = {PIPELINE.fingerprint: list(PIPELINE.views[0].output_names), other.fingerprint: ["client", "count"]}
    seen = [client.get(VIEW).json["meta"]["fingerprint"]]
    flipping = threading.Thread(target=flip, args=(layers, [PIPELINE, other] * 15 + [PIPELINE]))
    flipping.start()
    while flipping.is_alive():
        answer = client.get(VIEW)
        assert answer.status_code == 200, answer.json["detail"]
        assert list(answer.json["meta"]["columns"]) == columns[answer.json["meta"]["fingerprint"]]
        seen.append(answer.json["meta"]["fingerprint"])
    flipping.join()

    assert seen[0] == other.fingerprint
    assert set(seen) == set(columns)


def flip(layers: Layers, definitions: list[Pipeline]) -> None:
    """Points readers to one definition after the other."""
    with closing(layers.batch()) as connection:
        for definition in definitions:
            number = 0 if definition is PIPELINE else 1
            with connection, connection.cursor() as cursor:
                arguments = (definition.name, definition.fingerprint, number)
                cursor.execute("SELECT tidemark.point_to(%s, %s, %s)", arguments)


def test_increments_that_are_gone_make_the_answer_an_error_with_its_hint(
    client: FlaskClient, database: Settings
) -> None:
    hide = "UPDATE tidemark.segment SET segment = -segment WHERE pipeline = %s"
    with closing(connect(database, database.pg_admin)) as admin, admin.cursor() as cursor:
        admin.autocommit = True
        cursor.execute(hide, (PIPELINE.name,))
        try:
            status, _, body = problem(client, VIEW)
        finally:
            cursor.execute(hide, (PIPELINE.name,))

    assert status == 503
    assert "needs the segments after" in body["detail"]
    assert "run the batch job" in body["detail"]
    assert client.get(VIEW).status_code == 200


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_server_answers_and_ends_at_a_signal_with_exit_code_0(database: Settings, number: signal.Signals) -> None:
    port = free_port()
    changed = {"API_PORT": str(port), "PG_URL": database.pg_url, "SECRETS_PATH": str(database.secrets_path)}
    with subprocess.Popen(
        [sys.executable, "-m", "backend"], cwd=HOME, env=os.environ | changed, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        try:
            assert any("listening on" in line for line in process.stderr)
            with closing(HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
                connection.request("GET", "/readyz")
                status = connection.getresponse().status
            process.send_signal(number)
            _, log = process.communicate(timeout=30)
        finally:
            process.kill()

    assert (status, process.returncode) == (200, 0), log
    assert log.endswith("stopped\n")


def test_a_port_that_is_taken_is_an_error_that_names_the_settings(database: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        changed = {"API_PORT": str(taken.getsockname()[1]), "PG_URL": database.pg_url}
        done = subprocess.run(
            [sys.executable, "-m", "backend"],
            cwd=HOME, env=os.environ | changed, capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip

    assert done.returncode == 1
    assert "cannot listen on 127.0.0.1" in done.stderr
    assert "set API_HOST and API_PORT" in done.stderr
