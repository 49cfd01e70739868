"""What the API answers: exact values beside the boundary they were read at, and errors that say what to do."""

import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.pipelines import names, select
from app.pipelines.transactions import PIPELINE
from app.postgres import Role, connect
from app.settings import Settings
from backend import create_app
from backend.database import POOL_SIZE
from tests.integration.backend.conftest import NO_POSTGRES, VIEW, Layers, altered, get

PROBLEM = "application/problem+json"


@pytest.fixture(scope="module")
def unreachable(database: Settings) -> FlaskClient:
    """An API whose Postgres is not there."""
    return create_app(database.model_copy(update={"pg_url": NO_POSTGRES})).test_client()


def test_pipelines_are_listed_with_their_views_and_the_quarantine(client: FlaskClient) -> None:
    listed = {pipeline["name"]: pipeline for pipeline in get(client, "/pipelines").body}

    assert list(listed) == names()
    assert listed[PIPELINE.name]["description"] == PIPELINE.description
    assert listed[PIPELINE.name]["topic"] == PIPELINE.topic.name
    clients, totals, quarantine = listed[PIPELINE.name]["views"]
    assert [view["name"] for view in (clients, totals, quarantine)] == ["clients", "totals", "quarantine"]
    assert (clients["keys"], totals["keys"]) == (["client"], [])
    assert clients["columns"] == get(client, VIEW, limit="1").body["meta"]["columns"]
    assert clients["sums"] == ["count", "total"]
    (chart,) = listed[PIPELINE.name]["charts"]
    assert {"kind": "bars", "view": "clients", "x": "client", "y": "total"}.items() <= chart.items()
    meta = {name: pipeline["meta"] for name, pipeline in listed.items()}
    assert {name: one["fingerprint"] for name, one in meta.items()} == {one.name: one.fingerprint for one in select([])}
    assert {"version", "cut", "offsets", "freshness_seconds", "batch_late"} < set(meta[PIPELINE.name])


def test_without_postgres_pipelines_are_listed_and_where_they_stand_is_null(unreachable: FlaskClient) -> None:
    listed = get(unreachable, "/pipelines")

    assert listed.status == 200
    assert {pipeline["name"]: pipeline["meta"] for pipeline in listed.body} == dict.fromkeys(names())


def test_a_pipeline_tells_where_it_stands(client: FlaskClient, layers: Layers) -> None:
    layers.look()
    found = get(client, f"/pipelines/{PIPELINE.name}").body

    assert (found["pipeline"], found["fingerprint"]) == (PIPELINE.name, PIPELINE.fingerprint)
    assert found["offsets"]["0"] >= 4
    assert 0 <= found["freshness_seconds"] < 60
    assert found["published_at"].endswith("Z")


@pytest.mark.usefixtures("layers")
def test_a_merged_view_comes_with_exact_decimals_and_the_boundary(client: FlaskClient) -> None:
    meta, rows, following = get(client, VIEW).body.values()
    bob = {"client": "bob", "count": 1, "total": "9999999999.99"}

    assert bob | {"mean": "9999999999.99000000", "min": "9999999999.99", "max": "9999999999.99"} == rows[1]
    assert list(rows[0]) == list(meta["columns"]) == list(PIPELINE.views[0].output_names)
    assert (meta["columns"]["client"], meta["columns"]["count"]) == ("string", "bigint")
    assert meta["columns"]["total"] == "decimal"
    assert (meta["pipeline"], meta["view"], meta["layer"], following) == (PIPELINE.name, "clients", "merged", None)
    assert {"version", "cut", "offsets", "freshness_seconds", "published_at", "batch_late"} < set(meta)


def test_the_quarantine_is_a_view_like_any_other(client: FlaskClient) -> None:
    found = get(client, f"/pipelines/{PIPELINE.name}/views/quarantine")

    assert (found.status, found.body["rows"]) == (200, [])


@pytest.mark.usefixtures("layers")
def test_a_page_says_how_to_go_on(client: FlaskClient) -> None:
    whole = get(client, VIEW, sort="-total").body
    read: list[dict[str, str]] = []
    following: dict[str, str] = {}
    for _ in whole["rows"]:
        page = get(client, VIEW, limit="1", sort="-total", **following).body
        read += page["rows"]
        following = {"after": page["next"]}

    assert read == whole["rows"]
    assert (page["meta"]["limit"], page["next"], whole["next"]) == (1, None, None)


@pytest.mark.parametrize("limit", ["0", "-1", "10001", "ten", "1.5", "", "٣", "9" * 5_000])
def test_a_bad_limit_is_refused_with_what_is_allowed(client: FlaskClient, limit: str) -> None:
    refused = get(client, VIEW, limit=limit)

    assert (refused.status, refused.kind) == (400, PROBLEM)
    (wrong,) = refused.body["parameters"]
    assert wrong["name"] == "limit"
    assert re.search(
        "greater than or equal to 1|less than or equal to 10000|a whole number|as an integer", wrong["detail"]
    )


@pytest.mark.parametrize(
    ("path", "named"),
    [
        ("/pipelines/nope", "there are: "),
        ("/pipelines/nope/views/clients", "there are: "),
        (f"/pipelines/{PIPELINE.name}/views/nope", "there are: clients, totals, quarantine"),
        (f"/pipelines/{PIPELINE.name}/views/clients; DROP TABLE x", "there are: clients, totals, quarantine"),
        ("/nope", "not found"),
    ],
)
def test_an_unknown_name_is_a_404_that_lists_those_there_are(client: FlaskClient, path: str, named: str) -> None:
    refused = get(client, path)

    assert (refused.status, refused.kind) == (404, PROBLEM)
    assert (refused.body["status"], refused.body["title"]) == (404, "Not Found")
    assert named in refused.body["detail"]


def test_another_method_is_a_405_that_keeps_its_header(client: FlaskClient) -> None:
    refused = client.post("/pipelines")

    assert (refused.status_code, refused.content_type) == (405, PROBLEM)
    assert "GET" in refused.headers["Allow"]


def test_a_defect_is_a_500_that_does_not_tell_more_than_that(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    def defect() -> None:
        raise RuntimeError("a secret")

    monkeypatch.setitem(app.view_functions, "pipelines.pipelines", defect)
    failed = get(app.test_client(), "/pipelines")

    assert (failed.status, failed.kind) == (500, PROBLEM)
    assert "secret" not in str(failed.body)


@pytest.mark.parametrize("path", ["/readyz", f"/pipelines/{PIPELINE.name}", VIEW])
def test_without_postgres_an_answer_is_a_503_and_never_empty(unreachable: FlaskClient, path: str) -> None:
    failed = get(unreachable, path)

    assert (failed.status, failed.kind) == (503, PROBLEM)
    assert "Postgres does not answer" in failed.body["detail"]
    assert get(unreachable, "/healthz").status == 200


def test_without_a_password_an_answer_is_a_503_that_keeps_the_path(database: Settings, tmp_path: Path) -> None:
    failed = get(create_app(database.model_copy(update={"secrets_path": tmp_path})).test_client(), "/readyz")

    assert failed.status == 503
    assert "lacks a password" in failed.body["detail"]
    assert str(tmp_path) not in failed.body["detail"]


def test_connections_that_postgres_has_closed_are_replaced(client: FlaskClient, database: Settings) -> None:
    assert get(client, "/readyz").status == 200
    with closing(connect(database, database.pg_admin)) as admin, admin, admin.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", (Role.READ,))
        assert cursor.rowcount > 0

    assert get(client, "/readyz").status == 200


def test_no_connection_is_lost_to_the_pool_while_postgres_closes_them(app: Flask, database: Settings) -> None:
    with (
        ThreadPoolExecutor(POOL_SIZE) as threads,
        closing(connect(database, database.pg_admin)) as admin,
        admin.cursor() as cursor,
    ):
        admin.autocommit = True
        asked = [threads.submit(lambda: app.test_client().get(VIEW).status_code) for _ in range(200)]
        closed = 0
        while not all(one.done() for one in asked):
            cursor.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", (Role.READ,))
            closed += cursor.rowcount

    assert closed > POOL_SIZE
    assert {one.result() for one in asked} <= {200, 503}
    assert app.extensions["engine"].pool.checkedout() == 0
    assert app.test_client().get(VIEW).status_code == 200


def test_what_postgres_takes_too_long_for_is_a_503_that_says_so(app: Flask, database: Settings) -> None:
    with (
        altered(database, statement_timeout="200ms"),
        closing(connect(database, Role.MIGRATE)) as owner,
        owner.cursor() as cursor,
    ):
        cursor.execute("LOCK TABLE serving.transactions_clients IN ACCESS EXCLUSIVE MODE")
        failed = get(app.test_client(), VIEW)

    assert (failed.status, failed.kind) == (503, PROBLEM)
    assert "Postgres took longer than the API's role may wait; ask for fewer rows" in failed.body["detail"]
    assert app.extensions["engine"].pool.checkedout() == 0


def test_when_all_connections_are_in_use_the_answer_is_a_503(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = app.extensions["engine"]
    monkeypatch.setattr(engine.pool, "_timeout", 0.1)
    held = [engine.connect() for _ in range(POOL_SIZE)]
    failed = get(app.test_client(), "/readyz")
    for connection in held:
        connection.close()

    assert failed.status == 503
    assert "all connections to Postgres are in use" in failed.body["detail"]
    assert get(app.test_client(), "/readyz").status == 200


def test_ready_when_every_pipeline_is_served(client: FlaskClient) -> None:
    assert get(client, "/readyz").body == {"status": "ready", "pipelines": names(), "not_served": [], "failed": []}
