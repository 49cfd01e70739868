"""How the stack is doing: freshness, metrics, the quarantine's counts, and the description of the API."""

import re
from contextlib import closing
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_openapi3 import APIBlueprint
from prometheus_client.parser import text_string_to_metric_families

from app.pipelines import load, names
from app.pipelines.transactions import PIPELINE
from app.postgres import Role, connect
from app.settings import Settings
from backend import create_app
from backend.status import judged, standing
from tests.integration.backend.conftest import NO_POSTGRES, VIEW, Layers, get


@pytest.mark.parametrize(
    ("seconds", "expected"), [(None, "error"), (0, "ok"), (60, "ok"), (60.1, "warn"), (180, "warn"), (181, "error")]
)
def test_freshness_is_judged_against_its_target(seconds: float | None, expected: str) -> None:
    assert standing(seconds, 60) == expected


@pytest.mark.parametrize(
    ("cut", "offsets", "seconds", "late"),
    [
        ({"0": 4}, {"0": 4}, 1e9, False),  # there is nothing more to count
        ({"0": 4}, {"0": 5}, 3600, False),
        ({"0": 4}, {"0": 5}, 3601, True),
        ({}, {"0": 1}, 3601, True),
    ],
)
def test_a_version_is_late_when_it_is_old_and_there_is_more_to_count(
    cut: dict[str, int], offsets: dict[str, int], seconds: float, late: bool
) -> None:
    row = {"cut": cut, "offsets": offsets, "freshness_seconds": 1.0, "batch_seconds": seconds}
    assert judged(PIPELINE, row)["batch_late"] is late


def test_every_pipeline_is_judged(client: FlaskClient, layers: Layers) -> None:
    layers.look()
    found = {one["pipeline"]: one for one in get(client, "/freshness").body}

    assert list(found) == names()
    assert (found[PIPELINE.name]["freshness"], found[PIPELINE.name]["fresh_within"]) == ("ok", 60)
    stand = get(client, f"/pipelines/{PIPELINE.name}").body
    for name in ("version", "cut", "offsets"):
        assert found[PIPELINE.name][name] == stand[name], name


def test_what_was_never_counted_is_not_fresh(client: FlaskClient, database: Settings) -> None:
    with closing(connect(database, Role.MIGRATE)) as owner, owner, owner.cursor() as cursor:
        cursor.execute("UPDATE tidemark.ledger SET checked_at = NULL WHERE pipeline = 'housing'")
    found = {one["pipeline"]: one for one in get(client, "/freshness").body}["housing"]

    assert (found["freshness"], found["freshness_seconds"]) == ("error", None)
    assert ("tidemark_freshness_seconds", "housing") not in metrics(client)


def metrics(client: FlaskClient) -> dict[tuple[str, ...], float]:
    text = client.get("/metrics").text
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return {(one.name, *(label for _, label in sorted(one.labels.items()))): one.value for one in samples}


def test_metrics_count_answers_and_tell_where_the_pipelines_stand(client: FlaskClient, layers: Layers) -> None:
    layers.look()
    before = metrics(client)
    for _ in range(3):
        client.get(VIEW)
    for path in ("/nothing", "/pipelines/nothing", "/swagger"):
        client.get(path)
    found = metrics(client)

    answers = {
        (f"pipelines.{PIPELINE.name}.views.clients", "200"): 3,
        ("none", "404"): 1,
        ("pipelines.unknown", "404"): 1,
        ("swagger.swagger", "200"): 1,
    }
    counted = {one: ("tidemark_api_seconds_count", *one) for one in answers}
    assert {one: found[name] - before.get(name, 0) for one, name in counted.items()} == answers
    assert found["tidemark_postgres_up",] == 1
    assert found["tidemark_freshness_seconds", PIPELINE.name] < 60
    assert found["tidemark_offset", "speed", "0", PIPELINE.name] >= 4


def test_metrics_tell_how_far_the_parquet_tables_are(client: FlaskClient, database: Settings) -> None:
    key = ("space", load("space").fingerprint)
    with closing(connect(database, Role.MIGRATE)) as owner, owner.cursor() as cursor:
        owner.autocommit = True
        cursor.execute(
            "INSERT INTO tidemark.parquet (pipeline, fingerprint, told_offsets, told_at) "
            "VALUES (%s, %s, %s, now() - interval '1 hour')",
            (*key, '{"0": 7}'),
        )
        try:
            found = metrics(client)
        finally:
            cursor.execute("DELETE FROM tidemark.parquet WHERE (pipeline, fingerprint) = (%s, %s)", key)

    assert found["tidemark_offset", "parquet", "0", "space"] == 7
    assert found["tidemark_written_seconds", "space"] >= 0


def test_metrics_say_when_postgres_does_not_answer(database: Settings) -> None:
    nobody = database.model_copy(update={"pg_url": NO_POSTGRES})
    found = metrics(create_app(nobody).test_client())

    assert found["tidemark_postgres_up",] == 0
    assert not [name for name, *_ in found if name == "tidemark_version"]


def test_the_quarantine_is_counted_by_pipeline_and_reason(client: FlaskClient) -> None:
    found = get(client, "/quarantine").body

    assert found["rows"] == []
    assert [one["pipeline"] for one in found["meta"]] == names()


def test_who_holds_the_counts_of_the_quarantine_is_told_so_until_something_is_counted(
    client: FlaskClient, layers: Layers
) -> None:
    first = client.get("/quarantine")
    held = {"If-None-Match": first.headers["ETag"]}

    assert client.get("/quarantine", headers=held).status_code == 304
    layers.add(ada=(1, "1.10"))
    assert client.get("/quarantine", headers=held).status_code == 200


def test_the_description_names_every_endpoint_and_no_other(app: Flask, client: FlaskClient) -> None:
    described: dict[str, Any] = get(client, "/openapi.json").body
    pages = ("/swagger", "/static", "/openapi.json", "/oauth2-redirect")
    own = {rule.rule for rule in app.url_map.iter_rules() if not rule.rule.startswith(pages) and rule.rule != "/"}

    assert described["openapi"].startswith("3.1")
    assert set(described["paths"]) == own - {"/pipelines/<path:rest>"}
    for path, operations in described["paths"].items():
        assert list(operations) == ["get"], path
        assert operations["get"]["summary"], path
    assert set(described["paths"][VIEW]["get"]["responses"]["200"]["headers"]) == {"Link", "Tidemark-Meta"}


def test_every_endpoint_is_one_of_a_part_of_the_api(app: Flask) -> None:
    parts = {name for name, one in app.blueprints.items() if isinstance(one, APIBlueprint)}
    others = {rule.rule for rule in app.url_map.iter_rules() if rule.endpoint.partition(".")[0] not in parts}

    assert parts == {"metrics", "health", "freshness", "pipelines", "quarantine", "events"}
    files = {"/static/<path:filename>", "/swagger/<path:filename>"}
    assert others == files | {"/", "/swagger", "/openapi.json", "/oauth2-redirect.html"}


def test_the_page_of_the_description_loads_nothing_from_outside(client: FlaskClient) -> None:
    page = client.get("/swagger")
    loaded = re.findall(r"""(?:src|href)\s*=\s*["']?([^"'\s>]+)""", page.text)

    assert page.status_code == 200
    assert "swagger/js/swagger-ui-bundle.js" in loaded
    assert not [one for one in loaded if one.startswith(("http", "//"))]
    assert '{"validatorUrl": null}' in page.text
    assert "default-src 'self'" in page.headers["Content-Security-Policy"]
