"""The API on the shared Postgres, and what the jobs do to the tables that it reads."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from decimal import Decimal
from typing import Any, NamedTuple

import pyarrow as pa
import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.databases import make_roles
from app.ledger import Ledger
from app.model import Pipeline
from app.pipelines.transactions import PIPELINE
from app.postgres import Role, connect
from app.settings import Settings
from app.versions import Version, Versions
from backend import close, create_app

NO_POSTGRES = "postgresql://127.0.0.1:1/tidemark"  # where none answers
VIEW = f"/pipelines/{PIPELINE.name}/views/clients"


class Answer(NamedTuple):
    """Status, content type and decoded body."""

    status: int
    kind: str
    body: Any


def get(api: FlaskClient, path: str, /, **query: str) -> Answer:
    found = api.get(path, query_string=query)
    return Answer(found.status_code, found.content_type, found.json)


def increments(**clients: tuple[int, str]) -> pa.Table:
    """Increments of the view clients: how many events and their total, all of the same amount."""
    rows = [
        {
            "view": 0,
            "client": client,
            "count": count,
            "count_amount": count,
            "sum_amount": Decimal(total),
            "min_amount": Decimal(total) / count,
            "max_amount": Decimal(total) / count,
        }
        for client, (count, total) in clients.items()
    ]
    return pa.Table.from_pylist(rows)


class Layers:
    """What the jobs do."""

    def __init__(self, database: Settings) -> None:
        self.database = database

    def add(self, times: int = 1, /, **clients: tuple[int, str]) -> None:
        """Commits micro-batches of these increments; each event moves the offset by one."""
        with closing(connect(self.database, Role.SPEED)) as connection:
            ledger = Ledger(connection, PIPELINE)
            for _ in range(times):
                before = ledger.offsets()
                messages = sum(count for count, _ in clients.values())
                ledger.commit(before, before | {0: before.get(0, 0) + messages}, increments(**clients))

    def count(self, pipeline: Pipeline, **views: list[dict[str, Any]]) -> None:
        """Commits a micro-batch of increments of these views, each with its keys and states."""
        order = [view.name for view in pipeline.all_views]
        rows = [{"view": order.index(view)} | row for view, found in views.items() for row in found]
        names = dict.fromkeys(name for row in rows for name in row)
        table = pa.table({name: [row.get(name) for row in rows] for name in names})
        with closing(connect(self.database, Role.SPEED)) as connection:
            ledger = Ledger(connection, pipeline)
            before = ledger.offsets()
            ledger.commit(before, before | {0: before.get(0, 0) + len(rows)}, table)

    def look(self) -> None:
        """Looks at the log, and finds nothing new."""
        with closing(connect(self.database, Role.SPEED)) as connection:
            Ledger(connection, PIPELINE).checked()

    def publish(self, pipeline: Pipeline, counted: pa.Table) -> None:
        """Publishes version 1 of a definition."""
        with closing(connect(self.database, Role.BATCH)) as connection:
            ledger = Ledger(connection, pipeline)
            version = Version(1, ledger.cut().segment, {0: 1}, "full", 1, duplicates=0, quarantined=0, seconds=0.25)
            Versions(ledger).publish(version, None, counted)

    def point_to(self, *versions: tuple[Pipeline, int]) -> None:
        """Points readers to one version after the other."""
        with closing(connect(self.database, Role.BATCH)) as connection:
            for pipeline, version in versions:
                with connection, connection.cursor() as cursor:
                    arguments = (pipeline.name, pipeline.fingerprint, version)
                    cursor.execute("SELECT tidemark.point_to(%s, %s, %s)", arguments)


@pytest.fixture(scope="session")
def layers(database: Settings) -> Layers:
    """Ada has 3 events of 1.10 and Bob has one, all counted by the speed layer."""
    made = Layers(database)
    made.add(ada=(3, "3.30"), bob=(1, "9999999999.99"))
    return made


def snapshots(database: Settings) -> int:
    """How many are held for readers."""
    with closing(connect(database, database.pg_admin)) as admin, admin.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE usename = %s AND state LIKE 'idle in transaction%%'",
            (Role.READ,),
        )
        ((found,),) = cursor.fetchall()
    return int(found)


@contextmanager
def altered(database: Settings, **settings: str) -> Iterator[None]:
    """Other settings for the role that reads, on connections that are made meanwhile."""
    with closing(connect(database, database.pg_admin)) as admin, admin.cursor() as cursor:
        admin.autocommit = True
        for name, value in settings.items():
            cursor.execute(f"ALTER ROLE {Role.READ} SET {name} = %s", (value,))
    try:
        yield
    finally:
        make_roles(database)


@pytest.fixture(scope="session")
def unlimited(database: Settings) -> Iterator[Flask]:
    """An API that anyone may ask at will. To make one takes longer than most of what is asked of it."""
    made = create_app(database.model_copy(update={"api_rate_limit": 0}))
    yield made
    close(made)


@pytest.fixture
def app(unlimited: Flask) -> Flask:
    """The same, without a connection that another test has used."""
    close(unlimited)
    return unlimited


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()
