"""What can be asked of a view: which rows, in what order, of which layer, in what form, and whether they are new."""

import csv
import io
import json
import re
import shlex
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urljoin

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.model import Pipeline
from app.pipelines import select
from app.readers import served_as
from app.settings import Settings
from backend import create_app
from backend.database import snapshot
from backend.pipelines import column_types
from backend.problems import BadParameters
from backend.questions import MAX_MARK, Viewed, after, following
from backend.rows import By
from tests.integration.backend.conftest import VIEW, Layers, get

PROBLEM = "application/problem+json"
VIEWS = [pytest.param(one, view, id=f"{one.name}.{view.name}") for one in select([]) for view in one.served]


def clients(api: FlaskClient, /, **query: str) -> list[str]:
    return [row["client"] for row in get(api, VIEW, **query).body["rows"]]


@pytest.mark.parametrize(("pipeline", "view"), VIEWS)
@pytest.mark.parametrize("layer", ["merged", "batch", "speed"])
def test_the_columns_of_a_view_are_those_that_its_definition_says(
    app: Flask, pipeline: Pipeline, view: Viewed, layer: str
) -> None:
    with app.app_context(), snapshot() as connection:
        assert column_types(connection, served_as(pipeline, view.name, layer)) == pipeline.outputs[view.name]


@pytest.mark.parametrize(("pipeline", "view"), VIEWS)
@pytest.mark.parametrize("layer", ["merged", "batch", "speed"])
def test_every_view_answers(client: FlaskClient, pipeline: Pipeline, view: Viewed, layer: str) -> None:
    found = get(client, f"/pipelines/{pipeline.name}/views/{view.name}", layer=layer)

    assert found.status == 200, found.body
    assert found.body["meta"]["columns"] == pipeline.outputs[view.name]
    assert found.body["meta"]["layer"] == layer


@pytest.mark.usefixtures("layers")
def test_rows_are_those_of_a_key_in_an_order(client: FlaskClient) -> None:
    assert clients(client, client="bob") == ["bob"]
    assert clients(client, client="Bob") == clients(client, client="' OR ''='") == []
    assert clients(client, sort="-total,client", limit="1") == ["bob"]
    rows = get(client, VIEW, sort="-count").body["rows"]
    counts = [row["count"] for row in rows]
    assert counts == sorted(counts, reverse=True)
    assert len(set(counts)) > 1
    assert clients(client, sort="-count", limit="1") == [rows[0]["client"]]


def test_each_layer_gives_its_part(client: FlaskClient, layers: Layers) -> None:
    layers.add(fay=(2, "2.00"))

    assert clients(client, client="fay", layer="speed") == ["fay"]
    assert clients(client, client="fay", layer="batch") == []


def test_a_time_range_is_one_of_a_view_that_has_a_time(client: FlaskClient) -> None:
    path = "/pipelines/sensors/views/minutes"
    for since in ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00+02:00"):
        assert get(client, path, since=since, until=datetime.now(UTC).isoformat()).status == 200
    for given in (
        "yesterday",
        "22",
        "2026-01-01",
        "2026-01-01T00:00:00",
        "2026-01-01 00:00:00Z",
        "2026-13-01T00:00:00Z",
    ):
        assert get(client, path, since=given).status == 400
        assert get(client, path, window_start=given).status == 400
    assert get(client, VIEW, since="2026-01-01T00:00:00Z").status == 400


def test_what_is_no_parameter_is_refused_with_those_there_are(client: FlaskClient) -> None:
    refused = get(client, VIEW, limits="1")

    assert (refused.status, refused.kind) == (400, PROBLEM)
    assert refused.body["parameters"] == [
        {"name": "limits", "detail": "there is no such parameter; allowed: layer, limit, after, client, sort"}
    ]
    assert get(client, "/pipelines", limit="1").status == 400
    assert get(client, "/healthz", verbose="1").status == 400


def test_a_value_that_is_none_of_a_parameters_is_refused_with_those_there_are(client: FlaskClient) -> None:
    refused = get(client, VIEW, layer="nope")

    assert (refused.status, refused.kind) == (400, PROBLEM)
    assert [one["name"] for one in refused.body["parameters"]] == ["layer"]
    assert all(f"'{layer}'" in refused.body["detail"] for layer in ("merged", "batch", "speed"))


def test_a_parameter_that_is_given_twice_is_refused(client: FlaskClient) -> None:
    refused = client.get(f"{VIEW}?limit=1&limit=2")

    assert refused.status_code == 400
    assert refused.json["detail"] == "limit: it is given more than once"  # type: ignore[index]


@pytest.mark.parametrize(
    "after",
    [
        "e30=", "W10=", "WzFd", "WyJhIiwiYiJd", "WyJcdTAwMDAiXQ==", "WyJcdWQ4MDAiXQ==", "bm90IGpzb24=", "_w==",
        "A" * 60_000, "W1tb" * 15_000,
    ],
)  # fmt: skip
def test_after_what_no_page_ended_with_there_is_none(client: FlaskClient, after: str) -> None:
    refused = get(client, VIEW, after=after)

    assert (refused.status, refused.kind) == (404, PROBLEM)
    assert "ask without it" in refused.body["detail"]
    assert get(client, VIEW, after=f"{after}!").status == 400


def test_a_page_that_ends_with_a_long_key_can_be_followed(client: FlaskClient, layers: Layers) -> None:
    long = "é" * 1_001
    layers.add(**{long: (1, "1.00")})
    page = get(client, VIEW, sort="-client", limit="1").body
    assert [row["client"] for row in page["rows"]] == [long]
    found = get(client, VIEW, sort="-client", limit="1", after=page["next"])

    assert found.status == 200, found.body
    assert found.body["rows"][0]["client"] < long


def test_no_page_says_how_to_go_on_in_a_way_that_would_be_refused() -> None:
    order = (By("name"), By("id"))
    row = {"name": "x" * (MAX_MARK * 3 // 4 - 20), "id": 1}
    mark = following(order, row)
    assert mark is not None
    assert after(mark, order, {"name": "string", "id": "bigint"}) == list(row.values())
    with pytest.raises(BadParameters, match=r"sort: .* at most; sort by another column"):
        following(order, row | {"name": "x" * MAX_MARK})


@pytest.mark.parametrize("sort", ["nothing", "-", "client,", "client;--", "total desc", ""])
def test_an_order_by_what_is_no_column_is_refused(client: FlaskClient, sort: str) -> None:
    refused = get(client, VIEW, sort=sort)

    assert (refused.status, [one["name"] for one in refused.body["parameters"]]) == (400, ["sort"])
    assert "client|count|total|mean|min|max" in refused.body["detail"]


@pytest.mark.usefixtures("layers")
def test_csv_has_all_rows_and_the_same_values(client: FlaskClient) -> None:
    answer = client.get(VIEW, headers={"Accept": "text/csv"})
    rows: list[dict[str, Any]] = list(csv.DictReader(io.StringIO(answer.text)))
    expected = get(client, VIEW).body["rows"]

    assert answer.mimetype == "text/csv"
    assert rows == [{name: str(value) for name, value in row.items()} for row in expected]
    assert "Accept" in answer.vary


@pytest.mark.usefixtures("layers")
def test_csv_has_the_same_meta_in_a_header(client: FlaskClient) -> None:
    def stands(meta: dict[str, Any]) -> dict[str, Any]:
        passing = ("freshness_seconds", "batch_seconds")
        return {name: value for name, value in meta.items() if name not in passing}

    for query in ({}, {"limit": "1"}, {"limit": "10000", "layer": "speed"}):
        answer = client.get(VIEW, headers={"Accept": "text/csv"}, query_string=query)
        meta = json.loads(answer.headers["Tidemark-Meta"])
        expected = get(client, VIEW, **query).body["meta"]
        assert meta.keys() == expected.keys()
        assert stands(meta) == stands(expected) | ({} if query else {"limit": None})
        assert 0 <= meta["freshness_seconds"] <= expected["freshness_seconds"]
    assert "Tidemark-Meta" not in client.get(VIEW).headers


def test_a_page_in_csv_says_where_the_next_is(client: FlaskClient, layers: Layers) -> None:
    layers.add(**{"é & <ö>": (1, "1.00")})

    def read(url: str) -> tuple[list[dict[str, str]], str | None]:
        answer = client.get(url, headers={"Accept": "text/csv"})
        assert answer.status_code == 200, answer.text
        link = re.fullmatch(r'<(\?.*)>; rel="next"', answer.headers.get("Link", ""))
        return list(csv.DictReader(io.StringIO(answer.text))), urljoin(VIEW, link[1]) if link else None

    whole, end = read(f"{VIEW}?sort=-client")
    following: str | None = f"{VIEW}?sort=-client&limit=1"
    pages = []
    while following:
        page, following = read(following)
        pages.append(page)

    assert end is None
    assert pages == [[row] for row in whole]


def test_another_form_is_refused(client: FlaskClient) -> None:
    refused = client.get(VIEW, headers={"Accept": "image/png"})

    assert (refused.status_code, refused.content_type) == (406, PROBLEM)
    assert "application/json or text/csv" in refused.json["detail"]  # type: ignore[index]


def test_who_holds_the_answer_is_told_so_until_something_changes(client: FlaskClient, layers: Layers) -> None:
    first = client.get(VIEW)
    held = {"If-None-Match": first.headers["ETag"]}
    again = client.get(VIEW, headers=held)

    assert (again.status_code, again.data, again.headers["ETag"]) == (304, b"", first.headers["ETag"])
    assert client.get(VIEW, headers=held | {"Accept": "text/csv"}).status_code == 200
    layers.add(ada=(1, "1.10"))
    changed = client.get(VIEW, headers=held)
    assert (changed.status_code, changed.headers["ETag"] == first.headers["ETag"]) == (200, False)


def test_an_answer_that_is_given_up_leaves_no_connection(app: Flask) -> None:
    pool = app.extensions["engine"].pool
    for method in ("HEAD", "GET"):
        app.test_client().open(VIEW, method=method, buffered=False).close()
        assert pool.checkedout() == 0


def test_the_limit_of_a_page_is_one_of_the_api(database: Settings) -> None:
    assert database.api_rate_limit > 0
    answer = create_app(database).test_client().get(VIEW)
    assert answer.headers["X-RateLimit-Limit"] == str(database.api_rate_limit)


def test_the_questions_of_the_documentation_are_answered(client: FlaskClient) -> None:
    for command in (
        "curl 'localhost:5550/pipelines/transactions/views/clients?sort=-total&limit=5'",
        "curl 'localhost:5550/pipelines/products/views/grades?nutriscore_grade=a&layer=batch'",
        "curl -H 'Accept: text/csv' 'localhost:5550/pipelines/sensors/views/minutes?since=2026-01-01T00:00:00Z'",
    ):
        *words, url = shlex.split(command)
        headers = dict([words[-1].split(": ", 1)]) if "-H" in words else {}
        answer = client.get(url.removeprefix("localhost:5550"), headers=headers)
        assert (answer.status_code, answer.mimetype) == (200, headers.get("Accept", "application/json"))
