"""The versions that the batch layer has published, the newest first."""

from collections.abc import Iterator
from contextlib import closing

import pytest
from flask.testing import FlaskClient

from app.pipelines import load
from app.postgres import Role, connect
from app.settings import Settings
from tests.integration.backend.conftest import Layers, get

PIPELINE = load("housing")  # no other test publishes of it
PATH = f"/pipelines/{PIPELINE.name}"
VERSION = "INSERT INTO tidemark.version VALUES (%s, %s, %s, 0, %s, 'full', %s, 1, 2, 4.5, now(), %s)"


@pytest.fixture
def published(database: Settings, layers: Layers) -> Iterator[None]:
    """Three versions, of which the third was rolled back."""
    with closing(connect(database, Role.BATCH)) as connection, connection, connection.cursor() as cursor:
        for version, withdrawn_at in ((1, None), (2, None), (3, "2026-06-01T12:00:00Z")):
            of = (PIPELINE.name, PIPELINE.fingerprint, version, f'{{"0": {version}}}', 100 * version, withdrawn_at)
            cursor.execute(VERSION, of)
    layers.point_to((PIPELINE, 2))
    yield
    layers.point_to((PIPELINE, 0))


@pytest.mark.usefixtures("published")
def test_versions_are_listed_with_their_cut_and_their_cost(client: FlaskClient) -> None:
    answer = get(client, f"{PATH}/versions").body
    found, meta = answer["rows"], answer["meta"]

    assert [(one["version"], one["current"]) for one in found] == [(3, False), (2, True), (1, False)]
    assert [one["withdrawn_at"] for one in found] == ["2026-06-01T12:00:00Z", None, None]
    stand, current = get(client, PATH).body, found[1]
    for name in ("version", "cut", "mode", "accepted", "duplicates", "quarantined", "seconds", "published_at"):
        assert current[name] == stand[name], name
    assert (current["cut"], current["accepted"], current["seconds"]) == ({"0": 2}, 200, 4.5)
    assert {name: meta[name] for name in ("version", "cut", "offsets")} == {
        name: stand[name] for name in ("version", "cut", "offsets")
    }
    assert get(client, f"{PATH}/versions", limit="1").body["rows"] == found[:1]


@pytest.mark.parametrize("limit", ["0", "1001", "many"])
def test_a_limit_that_is_none_is_refused(client: FlaskClient, limit: str) -> None:
    assert get(client, f"{PATH}/versions", limit=limit).status == 400
