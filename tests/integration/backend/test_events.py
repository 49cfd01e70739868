"""The endpoints of Parquet tables: the newest events first, each value as it is, and errors that say what is wrong."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import pytest
from flask.testing import FlaskClient

from app.model import LakeTable
from app.pipelines.space import PIPELINE
from app.settings import Settings
from backend import create_app
from backend.events import DEFAULT_LIMIT
from embedded.hive import HiveServer
from tests.integration.backend.conftest import get
from tests.integration.conftest import NewStack, Stack

PROBLEM = "application/problem+json"
DATES = ("2026-01-01", "2026-01-02", "2026-01-05", "2026-01-06", "2026-01-07", "2026-01-08")
OBSERVED: dict[str, Any] = json.loads(PIPELINE.examples[0].message)


def observed(number: int) -> dict[str, Any]:
    """Every second one is hazardous; dates come and go."""
    time = f"{DATES[number % len(DATES)]}T09:00:{number:02}.25Z"
    return OBSERVED | {"observation_id": f"{number}", "hazardous": number % 2 == 0, "event_time": time}


@pytest.fixture(scope="module")
def sent() -> list[dict[str, Any]]:
    return [observed(number) for number in range(24)]


@pytest.fixture
def stack(new_stack: NewStack) -> Stack:
    names = ("columns", "event_time", "checks", "dedup", "lake", "views", "rollups", "examples")
    return new_stack(**{name: getattr(PIPELINE, name) for name in names})


@pytest.fixture
def client(stack: Stack, hive_server: HiveServer) -> Iterator[FlaskClient]:
    """The API with the endpoints of this pipeline."""
    assert hive_server.running
    with patch("backend.events.select", return_value=[stack.pipeline]):
        yield create_app(stack.settings).test_client()


def ids(client: FlaskClient, path: str, **query: str) -> list[int]:
    return [int(row["observation_id"]) for row in get(client, path, **query).body["rows"]]


def newest(sent: list[dict[str, Any]]) -> list[int]:
    return [int(one["observation_id"]) for one in sorted(sent, key=lambda one: one["event_time"], reverse=True)]


def test_the_newest_events_come_first_whatever_number_is_asked_for(
    client: FlaskClient, stack: Stack, sent: list[dict[str, Any]]
) -> None:
    stack.send(*sent, b"broken")
    stack.write_parquet()
    assert ids(client, "/objects") == newest(sent)
    for most in (1, 4, 5, 23, 24):
        found = get(client, "/objects", limit=f"{most}").body
        assert [int(row["observation_id"]) for row in found["rows"]] == newest(sent)[:most]
        assert (found["meta"]["limit"], found["meta"]["truncated"]) == (most, most < len(sent))
    assert ids(client, "/alerts") == [number for number in newest(sent) if number % 2 == 0]
    assert ids(client, "/objects", date=DATES[1]) == [19, 13, 7, 1]
    assert ids(client, "/objects", date="2026-01-03") == []
    body = get(client, "/objects", limit="1").body
    assert body["meta"] == {
        "pipeline": stack.pipeline.name,
        "table": "all",
        "columns": {"arrival": "timestamp"} | {column.name: column.type for column in PIPELINE.columns},
        "limit": 1,
        "truncated": True,
    }
    row = body["rows"][0]
    assert row.pop("arrival").endswith("Z")
    assert row == OBSERVED | {
        "observation_id": "23",
        "velocity_km_s": "5.465",
        "diameter_m": "341.2",
        "miss_distance_ld": "12.408",
        "hazardous": False,
        "event_time": "2026-01-08T09:00:23.250000Z",
    }


def test_before_the_first_event_the_table_is_said_to_be_missing(client: FlaskClient) -> None:
    refused = get(client, "/objects")

    assert (refused.status, refused.kind) == (503, PROBLEM)
    assert "the lake has no such table yet" in refused.body["detail"]


@pytest.mark.parametrize("date", ["2026-1-1", "2026-02-30", "today", "", "2026-01-01' OR '1", "20260101"])
def test_a_bad_date_is_refused_with_one_that_is_good(client: FlaskClient, date: str) -> None:
    refused = get(client, "/objects", date=date)

    assert (refused.status, refused.kind) == (400, PROBLEM)
    assert "expected one such as 2026-12-31" in refused.body["detail"]


def test_a_bad_limit_is_refused(client: FlaskClient) -> None:
    assert get(client, "/alerts", limit="0").status == 400
    assert DEFAULT_LIMIT == 100


def test_without_hiveserver2_the_answer_is_a_503(stack: Stack) -> None:
    nobody = stack.settings.model_copy(update={"hive_server_port": 1})
    with patch("backend.events.select", return_value=[stack.pipeline]):
        refused = get(create_app(nobody).test_client(), "/objects")

    assert (refused.status, refused.kind) == (503, PROBLEM)
    assert "./scripts/submit sql" in refused.body["detail"]


@pytest.mark.parametrize("taken", ["pipelines", "healthz", "objects"])
def test_an_endpoint_that_is_taken_is_refused_with_its_pipeline(database: Settings, taken: str) -> None:
    tables = (
        LakeTable("one", format="parquet", endpoint="objects"),
        LakeTable("two", format="parquet", endpoint=taken),
    )
    pipeline = replace(PIPELINE, lake=tables)
    with (
        patch("backend.events.select", return_value=[pipeline]),
        pytest.raises(ValueError, match=rf"space: lake\[two\].endpoint: {taken} is taken"),
    ):
        create_app(database)
