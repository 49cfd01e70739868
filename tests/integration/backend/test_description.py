"""What the description of the API allows is answered as it says, and what it does not allow is refused."""

import itertools
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask

from app.model import Pipeline
from app.pipelines import load
from app.settings import Settings
from backend import create_app
from tests.integration.backend.conftest import Layers, get
from tests.integration.backend.described import ask, inject
from tests.integration.failing import stopped

LAKE = ("/objects", "/alerts", "/quarantine/samples")  # read through HiveServer2
DESCRIBED = create_app(Settings()).api_doc["paths"]
PATHS = [path for path in DESCRIBED if path not in LAKE]
ASKED = [path for path in PATHS if "parameters" in DESCRIBED[path]["get"]]
VIEWS = [path for path in PATHS if "/views/" in path]
START = datetime(2026, 1, 1, tzinfo=UTC)


def kept(pipeline: Pipeline, view: str) -> str:
    """The state in which a view keeps rows whole."""
    (state,) = next(one for one in pipeline.views if one.name == view).states
    return state.name


def count_all_types(layers: Layers) -> None:
    """Rows with moments, lists, whole numbers, booleans and nulls."""
    starts = [START + timedelta(minutes=number) for number in range(4)]
    windows: list[dict[str, Any]] = [
        {"window_start": start, "window_end": end} for start, end in itertools.pairwise(starts)
    ]
    sensors, space, products = load("sensors"), load("space"), load("products")
    marks = [
        {"on": n % 2 == 0, "at": [10 * n, 0], "row": {"room": "1", "co2": 1_500 - n, "event_time": f"{START}"}}
        for n in range(4)
    ]
    switches: dict[str, Any] = {"first": [0, 0], "last": [99, 0], "head": [], "all": False, "tail": 0, "marks": marks}
    layers.count(
        sensors,
        minutes=[{"sensor_id": "a"} | window | {"count": 1, "min_co2": 400, "max_co2": 900} for window in windows],
        co2_alerts=[{"sensor_id": "a", "_partition": 0, kept(sensors, "co2_alerts"): json.dumps(switches)}],
    )
    seen = [{"by": n, "at": [0, n, 0], "row": {"name": f"{n}", "velocity_km_s": n}} for n in (3, 2, 1)]
    layers.count(
        space, fastest_windows=[window | {kept(space, "fastest_windows"): json.dumps(seen)} for window in windows]
    )
    shown: tuple[dict[str, Any], ...] = (
        {"nutriscore_score": -3, "product_name": "é", "modified_at": f"{START}"},
        {"nova_group": 1},
        {},
    )
    latest = [json.dumps([{"by": 1, "at": [0, 0, 0], "row": row}]) for row in shown]
    layers.count(
        products,
        products=[{"code": f"{n}", kept(products, "products"): row} for n, row in enumerate(latest)],
        arrivals=[window | {"count": 1} for window in windows],
    )


@pytest.fixture(scope="module")
def filled(unlimited: Flask, layers: Layers) -> Iterator[Flask]:
    """An API over views with rows of every type, one of some twenty, of pipelines of which a job has stopped two."""
    for number in range(20):
        layers.add(1, **{f"client {number}": (1, "1.00")})
    count_all_types(layers)
    at = layers.database
    with stopped(at, "space", "batch", decision="quarantined"), stopped(at, "sensors", "streaming"):
        yield unlimited


def test_there_are_rows_of_every_type(filled: Flask) -> None:
    found = set()
    for path in VIEWS:
        body = get(filled.test_client(), path).body
        types = body["meta"]["columns"]
        found |= {types[name] for row in body["rows"] for name, value in row.items() if value is not None}

    assert found == {"string", "int", "bigint", "boolean", "timestamp", "decimal", "json"}


def test_a_time_range_has_the_windows_that_start_in_it(filled: Flask) -> None:
    def starts(**asked: str) -> list[str]:
        path = "/pipelines/sensors/views/minutes"
        rows = get(filled.test_client(), path, sensor_id="a", sort="window_start", **asked).body["rows"]
        return [row["window_start"] for row in rows]

    first, second, third = (f"2026-01-01T00:0{minute}:00Z" for minute in range(3))
    assert starts() == [first, second, third]
    assert starts(since=second) == [second, third]
    assert starts(until=second) == [first]
    assert starts(since=second, until=third) == [second]
    assert starts(since=second, until=second) == []


@pytest.mark.parametrize("path", PATHS)
def test_what_the_description_allows_is_answered_as_it_says_and_what_it_does_not_is_refused(
    filled: Flask, path: str
) -> None:
    ask(filled, path)


@pytest.mark.parametrize("path", ASKED)
def test_what_is_injected_into_a_parameter_is_a_value(filled: Flask, path: str) -> None:
    inject(filled, path)


@pytest.mark.parametrize("path", VIEWS)
def test_whatever_rows_are_sorted_by_they_can_be_read_page_by_page(filled: Flask, path: str) -> None:
    client = filled.test_client()
    types = get(client, path).body["meta"]["columns"]
    for sort in (f"{sign}{name}" for name, kind in types.items() if kind != "json" for sign in ("", "-")):
        whole = get(client, path, sort=sort).body["rows"]
        page = get(client, path, sort=sort, limit="1")
        read = page.body["rows"]
        for _ in whole[1:]:
            page = get(client, path, sort=sort, limit="1", after=page.body["next"])
            assert page.status == 200, (sort, page.body)
            read += page.body["rows"]
        assert (read, page.body["next"]) == (whole, None), sort
