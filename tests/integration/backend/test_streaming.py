"""Answers that are sent while they are read: the same rows, and a connection that is given back however they end."""

import csv
import io
import json

import pytest
from flask import Flask
from sqlalchemy.exc import DBAPIError
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed
from werkzeug.test import TestResponse

from app.settings import Settings
from backend.database import snapshot
from tests.integration.backend.conftest import VIEW, Layers, altered, snapshots

FORMS = ["application/json", "text/csv"]


@pytest.fixture(autouse=True)
def many(layers: Layers) -> None:
    """At least seven rows."""
    layers.add(**{f"streamed {number}": (1, "1.00") for number in range(5)})


def asked(app: Flask, form: str) -> TestResponse:
    """An answer of which the client has taken nothing yet."""
    return app.test_client().get(VIEW, headers={"Accept": form}, buffered=False)


def rows(text: str, form: str) -> list[dict[str, str]]:
    if form == "text/csv":
        return list(csv.DictReader(io.StringIO(text)))
    found: list[dict[str, str]] = json.loads(text)["rows"]
    return found


@pytest.mark.parametrize("form", FORMS)
def test_what_is_sent_in_parts_is_what_is_sent_at_once(app: Flask, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pool = app.extensions["engine"].pool
    with asked(app, form) as whole:
        assert pool.checkedout() == 0
        expected = rows(whole.get_data(as_text=True), form)
    monkeypatch.setattr("backend.answers.CHUNK", 2)
    with asked(app, form) as answer:
        assert pool.checkedout() == 1
        parts = [part.decode() for part in answer.iter_encoded()]

    assert len(parts) > len(expected) / 2
    assert rows("".join(parts), form) == expected
    assert pool.checkedout() == 0


@pytest.mark.parametrize("form", FORMS)
def test_a_client_that_goes_away_midway_leaves_no_connection(
    app: Flask, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.answers.CHUNK", 2)
    pool = app.extensions["engine"].pool
    answer = asked(app, form)
    parts = answer.iter_encoded()
    assert next(parts)
    assert next(parts)
    assert pool.checkedout() == 1
    answer.close()

    assert pool.checkedout() == 0


def test_a_snapshot_that_is_not_read_from_ends_and_the_answer_is_cut_off(
    app: Flask, database: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.answers.CHUNK", 2)
    with altered(database, idle_in_transaction_session_timeout="2s"):
        answer = asked(app, "application/json")
        parts = answer.iter_encoded()
        assert next(parts)
        until_gone = Retrying(stop=stop_after_delay(60), wait=wait_fixed(0.05), retry=retry_if_result(bool))
        until_gone(snapshots, database)
        with pytest.raises(DBAPIError):
            list(parts)
        answer.close()

    assert app.extensions["engine"].pool.checkedout() == 0
    assert app.test_client().get("/readyz").status_code == 200


def test_postgres_ends_what_is_not_read_from_before_long(app: Flask) -> None:
    with app.app_context(), snapshot() as connection:
        assert connection.exec_driver_sql("SHOW idle_in_transaction_session_timeout").scalar_one() == "1min"
