"""A stack that runs some of the pipelines: the API answers for those, and says of the others that they are missing."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from flask.testing import FlaskClient

from app.migrate import register
from app.pipelines import load, names, select
from app.postgres import Role, connect
from app.settings import Settings
from backend import close, create_app
from tests.integration.backend.conftest import Layers, get
from tests.integration.databases import another_database
from tests.integration.failing import stopped

SERVED = ["housing", "space"]
HIDE = "UPDATE tidemark.segment SET segment = -segment WHERE pipeline = 'space'"  # done twice, it is undone
REST = [name for name in names() if name not in SERVED]


@pytest.fixture(scope="module")
def empty(database: Settings) -> Settings:
    """A database that has been migrated and knows no pipeline."""
    return another_database(database, "subset")


@pytest.fixture(scope="module")
def client(empty: Settings) -> Iterator[FlaskClient]:
    """An API whose Postgres knows two of the pipelines, as after `./scripts/demo housing space`."""
    app = create_app(empty)
    none = get(app.test_client(), "/readyz")
    assert (none.status, none.body["detail"]) == (503, "no pipeline is served yet; run ./scripts/migrate")
    with closing(connect(empty, Role.MIGRATE)) as connection:
        for pipeline in select(SERVED):
            register(connection, pipeline)
    yield app.test_client()
    close(app)


def test_it_is_ready_for_those_that_are_served(client: FlaskClient) -> None:
    served = {"status": "ready", "pipelines": SERVED, "not_served": REST, "failed": []}
    assert get(client, "/readyz").body == served


def test_the_freshness_of_the_others_is_unknown(client: FlaskClient) -> None:
    found = {one["pipeline"]: one for one in get(client, "/freshness").body}

    assert list(found) == names()
    assert {name for name, one in found.items() if one["freshness"] == "unknown"} == set(REST)
    assert found["space"]["batch_seconds"] >= 0
    assert found[REST[0]]["batch_seconds"] is None


def test_what_is_quarantined_is_counted_for_those_that_are_served(client: FlaskClient, empty: Settings) -> None:
    counted = get(client, "/quarantine")
    assert (counted.status, counted.body["rows"]) == (200, [])
    few, many = {"reason": "not_json", "count": 2}, {"reason": "missing: kind", "count": 3}
    for pipeline in select(SERVED):
        Layers(empty).count(pipeline, quarantine=[few, many])
    Layers(empty).count(load("space"), quarantine=[many])

    found = get(client, "/quarantine").body
    assert [one["pipeline"] for one in found["meta"]] == SERVED
    assert found["meta"][1]["offsets"] == get(client, "/pipelines/space").body["offsets"] == {"0": 3}
    assert found["rows"] == [
        {"pipeline": name, "reason": reason, "events": events}
        for name, reason, events in (
            ("housing", "missing: kind", 3), ("housing", "not_json", 2),
            ("space", "missing: kind", 6), ("space", "not_json", 2),
        )
    ]  # fmt: skip


def test_the_endpoints_of_the_others_say_what_to_do(client: FlaskClient) -> None:
    for path in (f"/pipelines/{REST[0]}", f"/pipelines/{REST[0]}/views/quarantine"):
        refused = get(client, path)
        assert refused.status == 503
        assert "run ./scripts/migrate" in refused.body["detail"]
    assert get(client, "/pipelines/space/views/quarantine").status == 200


@pytest.mark.parametrize(
    ("spoil", "mend", "detail"),
    [
        (
            "ALTER VIEW serving.space_quarantine RENAME TO gone",
            "ALTER VIEW serving.gone RENAME TO space_quarantine",
            "no such view",
        ),
        (HIDE, HIDE, "needs the segments after"),
    ],
    ids=["its view is gone", "increments are gone"],
)
def test_a_pipeline_that_cannot_be_read_is_named_and_the_others_are_counted(
    client: FlaskClient, empty: Settings, spoil: str, mend: str, detail: str
) -> None:
    for pipeline in select(SERVED):
        Layers(empty).count(pipeline, quarantine=[{"reason": "not_json", "count": 1}])
    tag, whole = client.get("/quarantine").headers["ETag"], get(client, "/quarantine").body
    with closing(connect(empty, Role.MIGRATE)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute(spoil)
        try:
            found = client.get("/quarantine")
        finally:
            cursor.execute(mend)

    lacking: Any = found.json
    (missing,) = lacking["not_counted"]
    assert missing["pipeline"] == "space"
    assert detail in missing["detail"]
    assert [one["pipeline"] for one in lacking["meta"]] == SERVED
    assert lacking["rows"] == [one for one in whole["rows"] if one["pipeline"] == "housing"] != []
    assert "ETag" not in found.headers  # the boundary is the same when it can be read again, and the answer is another
    again = get(client, "/quarantine").body
    assert (again["rows"], again["not_counted"]) == (whole["rows"], [])
    assert client.get("/quarantine", headers={"If-None-Match": tag}).status_code == 304


def test_one_that_is_not_served_is_named_where_a_job_has_stopped_it(client: FlaskClient, empty: Settings) -> None:
    with stopped(empty, REST[0], "streaming"):
        (named,) = get(client, "/readyz").body["failed"]
        found = {one["pipeline"]: one for one in get(client, "/freshness").body}

    assert named["pipeline"] == REST[0]
    assert found[REST[0]]["freshness"] == "unknown"
    assert [one["job"] for one in found[REST[0]]["failures"]] == ["streaming"]
