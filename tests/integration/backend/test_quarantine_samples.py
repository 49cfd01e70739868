"""Quarantined events as they came: the newest first, as the lake has them."""

from collections.abc import Iterator
from unittest.mock import patch

import pytest
from flask.testing import FlaskClient

from app.pipelines import names
from backend import close, create_app
from backend.status import Status
from embedded.hive import HiveServer
from tests.integration.backend.conftest import NO_POSTGRES, get
from tests.integration.backend.described import ask, inject
from tests.integration.conftest import Stack, event

NAME = names()[0]
PATH = "/quarantine/samples"


@pytest.fixture
def client(stack: Stack, hive_server: HiveServer) -> Iterator[FlaskClient]:
    """An API that takes the test's pipeline for one of those that it knows."""
    assert hive_server.running
    stack.send(event("1"), b"broken \xff", event("2", amount="-1.00"), [event("3"), 7], partition=0)
    stack.count_everything()
    app = create_app(stack.settings.model_copy(update={"api_rate_limit": 0}))
    with patch("backend.quarantine.load", return_value=stack.pipeline):
        yield app.test_client()
    close(app)


def test_samples_are_shown_as_they_came_the_newest_first(client: FlaskClient, stack: Stack) -> None:
    meta, found = get(client, PATH, pipeline=NAME).body.values()

    assert (meta["pipeline"], meta["layer"], meta["limit"], meta["version"]) == (stack.pipeline.name, "batch", 10, 1)
    assert meta["cut"] == {"0": 4} | meta["cut"]
    assert set(Status.model_fields) < set(meta)
    assert [(row["offset"], row["index"], row["payload"]) for row in found][1:] == [
        (2, 0, found[1]["payload"]),
        (1, 0, "broken \ufffd"),
    ]
    assert found[0]["offset"] == 3
    assert {row["topic"] for row in found} == {stack.pipeline.topic.name}
    reason = found[1]["reason"]
    assert reason in stack.quarantined()
    only = get(client, PATH, pipeline=NAME, reason=reason).body["rows"]
    assert [row["offset"] for row in only] == [2]
    assert len(get(client, PATH, pipeline=NAME, limit="1").body["rows"]) == 1
    assert get(client, PATH, pipeline=NAME, reason="' OR 1 = 1 --").body["rows"] == []


def test_who_holds_samples_is_told_so_until_a_batch_has_run(client: FlaskClient, stack: Stack) -> None:
    first = client.get(PATH, query_string={"pipeline": NAME})
    held = {"If-None-Match": first.headers["ETag"]}

    assert client.get(PATH, query_string={"pipeline": NAME}, headers=held).status_code == 304
    stack.batch()
    assert client.get(PATH, query_string={"pipeline": NAME}, headers=held).status_code == 200


def test_without_postgres_samples_are_a_503(stack: Stack, hive_server: HiveServer) -> None:
    assert hive_server.running
    app = create_app(stack.settings.model_copy(update={"pg_url": NO_POSTGRES}))
    failed = get(app.test_client(), PATH, pipeline=NAME)

    assert (failed.status, failed.kind) == (503, "application/problem+json")
    assert "Postgres does not answer" in failed.body["detail"]


def test_what_the_description_says_of_samples_holds(client: FlaskClient) -> None:
    ask(client.application, PATH)


def test_what_is_injected_into_a_parameter_is_a_value(client: FlaskClient) -> None:
    inject(client.application, PATH, pipeline=NAME)
