"""An answer is of one instant, whatever the layers do meanwhile, and an error where that cannot be."""

import threading
from contextlib import closing
from dataclasses import replace

import pytest
import sqlalchemy.exc
from flask import Flask
from flask.testing import FlaskClient

from app.migrate import register
from app.model import Count, View
from app.pipelines.transactions import PIPELINE
from app.postgres import Role, connect
from app.settings import Settings
from backend import close, create_app
from backend.database import snapshot
from tests.integration.backend.conftest import VIEW, Layers, get, increments


def test_a_snapshot_stays_at_its_instant(app: Flask, layers: Layers) -> None:
    query = "SELECT sum(count) FROM serving.transactions_clients"
    with app.app_context(), snapshot() as connection:
        before = connection.exec_driver_sql(query).scalar_one()
        layers.add(eve=(1, "1.00"))
        assert connection.exec_driver_sql(query).scalar_one() == before
    with app.app_context(), snapshot() as connection:
        assert connection.exec_driver_sql(query).scalar_one() == before + 1


@pytest.mark.parametrize("user", [Role.READ, Role.MIGRATE])
def test_a_snapshot_cannot_write_whoever_the_user_is(database: Settings, user: Role) -> None:
    app = create_app(database.model_copy(update={"pg_user": user}))
    with app.app_context(), snapshot() as connection:
        assert connection.exec_driver_sql("SELECT current_user").scalar_one() == user
        with pytest.raises(sqlalchemy.exc.DBAPIError, match=r"permission denied|read-only transaction"):
            connection.exec_driver_sql("DELETE FROM tidemark.loss")
    close(app)


def test_rows_and_boundary_are_of_one_instant_while_events_are_counted(client: FlaskClient, layers: Layers) -> None:
    """Every event moves the offset by one and the count by one, so in each answer they differ by the same."""

    def difference() -> int:
        meta, rows, _ = get(client, VIEW).body.values()
        return int(meta["offsets"]["0"]) - sum(int(row["count"]) for row in rows)

    expected = difference()
    writer = threading.Thread(target=layers.add, args=(100,), kwargs={"ada": (1, "1.10")})
    writer.start()
    found = {difference()}
    while writer.is_alive():
        found.add(difference())
    writer.join()

    assert found == {expected}


def test_no_answer_fails_while_another_definition_is_published(
    client: FlaskClient, layers: Layers, database: Settings
) -> None:
    """Publishing a definition replaces its views; an answer is wholly of the one or wholly of the other."""
    other = replace(PIPELINE, views=(View("clients", ("client",), (Count("count"),)),), charts=())
    with closing(connect(database, Role.MIGRATE)) as connection:
        register(connection, other)
    layers.publish(other, increments(ada=(1, "1.10")).select(["view", "client", "count"]))
    columns = {PIPELINE.fingerprint: list(PIPELINE.views[0].output_names), other.fingerprint: ["client", "count"]}
    seen = [get(client, VIEW).body["meta"]["fingerprint"]]
    flipping = threading.Thread(target=layers.point_to, args=[(PIPELINE, 0), (other, 1)] * 15 + [(PIPELINE, 0)])
    flipping.start()
    while flipping.is_alive():
        answer = get(client, VIEW)
        assert answer.status == 200, answer.body
        meta = answer.body["meta"]
        assert list(meta["columns"]) == columns[meta["fingerprint"]]
        seen.append(meta["fingerprint"])
    flipping.join()

    assert seen[0] == other.fingerprint
    assert set(seen) == set(columns)


def test_increments_that_are_gone_make_the_answer_an_error_with_its_hint(
    client: FlaskClient, database: Settings
) -> None:
    hide = "UPDATE tidemark.segment SET segment = -segment WHERE pipeline = %s"
    with closing(connect(database, database.pg_admin)) as admin, admin.cursor() as cursor:
        admin.autocommit = True
        cursor.execute(hide, (PIPELINE.name,))
        try:
            failed = get(client, VIEW)
        finally:
            cursor.execute(hide, (PIPELINE.name,))

    assert failed.status == 503
    assert "needs the segments after" in failed.body["detail"]
    assert "run the batch job" in failed.body["detail"]
    assert get(client, VIEW).status == 200
