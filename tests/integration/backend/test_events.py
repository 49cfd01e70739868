"""The endpoints of Parquet tables: the newest events first, each value as it is, and errors that say what is wrong."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from typing import Any
from unittest.mock import patch

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.pipelines.space import PIPELINE
from backend import close, create_app, events
from backend.events import Asked
from backend.status import Status
from embedded.hive import HiveServer
from tests.integration.backend.conftest import NO_POSTGRES, get
from tests.integration.backend.described import ask, inject
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
        app = create_app(stack.settings)
        yield app.test_client()
    close(app)


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
    assert (
        body["meta"].items()
        >= {
            "pipeline": stack.pipeline.name,
            "table": "all",
            "columns": {"arrival": "timestamp"} | {column.name: column.type for column in PIPELINE.columns},
            "limit": 1,
            "truncated": True,
        }.items()
    )
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


def test_events_come_with_what_their_table_has_and_not_with_what_is_counted(client: FlaskClient, stack: Stack) -> None:
    stack.send(*map(observed, range(3)))
    stack.count_everything()
    stack.write_parquet()
    stack.send(observed(3))
    stack.write_parquet()
    meta = get(client, "/objects").body["meta"]

    assert set(Status.model_fields) < set(meta)
    assert (meta["version"], sum(meta["cut"].values()), sum(meta["offsets"].values())) == (1, 3, 4)
    assert (meta["cut"], meta["offsets"]) == (meta["compacted"], meta["written"])
    assert 0 <= meta["freshness_seconds"] == meta["written_seconds"] < 60
    assert (meta["freshness"], meta["fresh_at"]) == ("ok", meta["written_at"])
    stack.owner("UPDATE tidemark.parquet SET told_at = now() - interval '10 minutes'")
    stack.send(observed(4))
    stack.stream()
    late = get(client, "/objects").body["meta"]
    assert (late["freshness"], sum(late["offsets"].values())) == ("error", 4)


def test_who_holds_the_events_is_told_so_until_more_are_written_and_hive_is_not_asked(
    client: FlaskClient, stack: Stack
) -> None:
    stack.send(observed(1))
    stack.write_parquet()
    held = {"If-None-Match": client.get("/objects").headers["ETag"]}
    with patch("backend.events.lake", side_effect=AssertionError):
        assert client.get("/objects", headers=held).status_code == 304
    stack.send(observed(2))
    stack.write_parquet()

    assert client.get("/objects", headers=held).status_code == 200


def test_without_postgres_the_answer_is_a_503_although_hive_answers(stack: Stack, hive_server: HiveServer) -> None:
    assert hive_server.running
    stack.send(observed(1))
    stack.write_parquet()
    with patch("backend.events.select", return_value=[stack.pipeline]):
        app = create_app(stack.settings.model_copy(update={"pg_url": NO_POSTGRES}))
    failed = get(app.test_client(), "/objects")

    assert (failed.status, failed.kind) == (503, PROBLEM)
    assert "Postgres does not answer" in failed.body["detail"]


def test_before_the_first_event_the_table_is_said_to_be_missing(client: FlaskClient) -> None:
    refused = get(client, "/objects")

    assert (refused.status, refused.kind) == (503, PROBLEM)
    assert "the lake has no such table yet" in refused.body["detail"]


def test_events_are_those_that_the_filters_of_the_table_ask_for(client: FlaskClient, stack: Stack) -> None:
    names = ["it's", 'a "quote"', "back\\slash", "%s", "plain"]
    for number, (name, velocity) in enumerate(zip(names, ("0.001", "5", "5.465", "5.466", "99999.999"), strict=True)):
        kind = "meteorite" if number % 2 else "exoplanet"
        stack.send(observed(number) | {"name": name, "kind": kind, "velocity_km_s": float(velocity)})
    stack.write_parquet()

    assert sorted(ids(client, "/objects")) == [0, 1, 2, 3, 4]
    assert sorted(ids(client, "/objects", kind="meteorite")) == [1, 3]
    assert sorted(ids(client, "/objects", min_velocity="5.465")) == [2, 3, 4]
    assert sorted(ids(client, "/objects", min_velocity="5.4651")) == [3, 4]
    assert ids(client, "/objects", min_velocity="5", kind="meteorite", date=DATES[3], limit="1") == [3]
    assert ids(client, "/objects", kind="meteorite' OR '1'='1") == []
    assert ids(client, "/objects", kind="\\' OR 1=1 --") == []
    assert ids(client, "/objects", kind="meteorite${x}") == []  # Spark would put the value of a variable there
    assert ids(client, "/objects", kind="${system:user.dir}") == []


@pytest.mark.parametrize(
    ("name", "given"),
    [
        *(("date", given) for given in ("2026-1-1", "2026-02-30", "today", "", "2026-01-01' OR '1", "20260101")),
        *(("limit", given) for given in ("0", "-1", "10001", "ten")),
        *(("min_velocity", given) for given in ("fast", "NaN", "inf", "1e40", "")),
        ("kind", "\0"),
        ("velocity", "5"),
    ],
)
def test_what_is_no_value_of_a_parameter_is_refused(app: Flask, name: str, given: str) -> None:
    refused = get(app.test_client(), "/objects", **{name: given})

    assert (refused.status, refused.kind) == (400, PROBLEM)
    assert [one["name"] for one in refused.body["parameters"]] == [name]


def test_without_hiveserver2_the_answer_is_a_503(stack: Stack) -> None:
    nobody = stack.settings.model_copy(update={"hive_server_port": 1})
    with patch("backend.events.select", return_value=[stack.pipeline]):
        refused = get(create_app(nobody).test_client(), "/objects")

    assert (refused.status, refused.kind) == (503, PROBLEM)
    assert re.search(r"has not answered since 20\d\d-.*Z; .*./scripts/submit sql", refused.body["detail"])


class Recording:
    """A cursor on a table that has some dates and no event."""

    def __init__(self, *dates: str) -> None:
        self.dates = dates
        self.said: list[str] = []

    def execute(self, statement: str, _: object = None) -> None:
        self.said.append(statement)

    def fetchall(self) -> list[tuple[str]]:
        return [(f"date={one}",) for one in self.dates] if self.said[-1].startswith("SHOW PARTITIONS") else []


def dates_read(asked: Asked, *dates: str) -> list[str]:
    """The dates that each statement reads, of a table that has these."""
    cursor = Recording(*dates)
    events.newest(cursor, PIPELINE, replace(PIPELINE.parquet_tables[0], filters=()), 10, asked)
    return [statement.partition(" WHERE ")[2].partition(" ORDER BY ")[0] for statement in cursor.said[1:]]


def test_of_a_table_only_the_date_that_is_asked_for_is_read() -> None:
    assert dates_read(Asked(date=date(2026, 1, 2)), *DATES) == ["`date` IN (DATE '2026-01-02')"]
    assert dates_read(Asked(date=date(2026, 1, 3)), *DATES) == []
    assert dates_read(Asked(), *DATES[:3]) == [
        "`date` IN (DATE '2026-01-05')",
        "`date` IN (DATE '2026-01-02', DATE '2026-01-01')",
    ]


def test_what_is_no_date_is_put_into_no_statement() -> None:
    with pytest.raises(ValueError, match="Invalid isoformat string"):
        dates_read(Asked(), "2026-01-01') OR (1=1")


def test_what_the_description_says_of_events_holds(stack: Stack, hive_server: HiveServer, sent: list[Any]) -> None:
    assert hive_server.running
    stack.send(*sent)
    stack.write_parquet()
    with patch("backend.events.select", return_value=[stack.pipeline]):
        app = create_app(stack.settings.model_copy(update={"api_rate_limit": 0}))
    for path in ("/objects", "/alerts"):
        ask(app, path)
        inject(app, path)
    close(app)
