"""The lake in SQL: every table is listed and readable through HiveServer2, and what a metastore loses comes back."""

import logging
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import psycopg2
import pytest
from thrift.transport.TTransport import TTransportException

from app.databases import apply_migrations
from app.hive import cursor
from app.lake import Lake
from app.postgres import METASTORE, Role, connect, password
from app.serving import merged
from app.settings import Settings
from embedded.hive import HiveServer, Metastore
from tests.conftest import SQL_SECONDS
from tests.integration.conftest import NewStack, Stack, event


@pytest.fixture
def asked(hive_server: HiveServer, database: Settings) -> Iterator[Any]:  # noqa: ARG001
    """A cursor of HiveServer2."""
    with cursor(database, SQL_SECONDS) as made:
        yield made


def rows(asked: Any, statement: str) -> list[tuple[Any, ...]]:
    asked.execute(statement)
    return list(asked.fetchall())


def count(asked: Any, table: str) -> int:
    return int(rows(asked, f"SELECT count(*) FROM {table}")[0][0])


def tables(asked: Any, database: str) -> set[str]:
    return {name for _, name, _ in rows(asked, f"SHOW TABLES IN {database}")}


def listening(port: int) -> set[str]:
    """The addresses that something listens on at a port."""
    found = psutil.net_connections(kind="tcp")
    return {c.laddr.ip for c in found if c.status == psutil.CONN_LISTEN and c.laddr and c.laddr.port == port}


def test_every_table_is_listed_and_holds_what_the_ledger_says(asked: Any, stack: Stack) -> None:
    stack.send(event("1", amount="1.10"), event("1"), event("2", client="bob"), b"broken", partition=0)
    version = stack.count_everything()
    for view in stack.pipeline.served:
        stack.lake.replace(f"serving/{view.name}", merged(stack.spark, stack.settings, stack.pipeline, view))
    name = stack.pipeline.name

    assert (name,) in rows(asked, "SHOW DATABASES")
    assert tables(asked, name) == {"bronze", "silver", "quarantine", "serving_clients", "serving_quarantine"}
    assert count(asked, f"{name}.bronze") == sum(stack.offsets().values()) == 4
    assert count(asked, f"{name}.silver") == version.accepted == 2
    assert count(asked, f"{name}.quarantine") == version.quarantined == 1
    found = rows(asked, f"SELECT client, count, total FROM {name}.serving_clients")
    assert {client: (counted, total) for client, counted, total in found} == stack.totals()


def test_what_is_written_is_in_the_next_answer(asked: Any, stack: Stack) -> None:
    stack.send(event("1"))
    stack.count_everything()
    assert count(asked, f"{stack.pipeline.name}.silver") == 1
    stack.send(event("2"), event("3"))
    stack.count_everything()

    assert count(asked, f"{stack.pipeline.name}.silver") == 3


def test_so_are_new_files_and_partitions_of_a_parquet_table(asked: Any, stack: Stack) -> None:
    place = f"{stack.lake.root}/plain"
    events = stack.spark.range(2).selectExpr("id", "id % 2 as day")
    events.filter("day = 0").write.partitionBy("day").parquet(place)
    name = f"{stack.pipeline.name}.plain"
    stack.spark.sql(f"CREATE TABLE {name} (id bigint, day int) USING parquet PARTITIONED BY (day) LOCATION '{place}'")
    assert count(asked, name) == 1
    events.write.partitionBy("day").mode("append").parquet(place)

    assert rows(asked, f"SELECT day, count(*) FROM {name} GROUP BY day ORDER BY day") == [(0, 2), (1, 1)]


def test_a_restart_of_both_servers_keeps_everything(
    stack: Stack, metastore: Metastore, hive_server: HiveServer, database: Settings, data: Path
) -> None:
    stack.send(event("1"))
    stack.count_everything()
    hive_server.stop()
    metastore.stop()
    assert not metastore.running
    for log in ("sql.log", "metastore.log"):  # neither was killed
        assert "app.job stopping\n" in (data / log).read_text()
    metastore.start()
    hive_server.start()
    with cursor(database, SQL_SECONDS) as asked:
        assert tables(asked, stack.pipeline.name) == {"bronze", "silver", "quarantine"}
        assert count(asked, f"{stack.pipeline.name}.silver") == 1


def test_what_a_lost_metastore_knew_is_registered_by_the_next_start(
    stack: Stack, metastore: Metastore, hive_server: HiveServer, database: Settings
) -> None:
    stack.send(event("1"))
    stack.count_everything()
    metastore.stop()
    with closing(connect(database, database.pg_admin)) as admin, admin.cursor() as statement:
        admin.autocommit = True
        statement.execute(f"DROP DATABASE {METASTORE}")
    apply_migrations(database)
    metastore.start()
    stack.lake = Lake(stack.spark, database.lake_path, stack.pipeline)
    stack.batch()
    assert hive_server.running
    with cursor(database, SQL_SECONDS) as asked:
        assert tables(asked, stack.pipeline.name) == {"bronze", "silver", "quarantine"}
        assert count(asked, f"{stack.pipeline.name}.silver") == 1


def test_the_metastore_is_asked_once_a_process_and_table(asked: Any, stack: Stack) -> None:
    stack.send(event("1"))
    stack.count_everything()
    rows(asked, f"DROP TABLE {stack.pipeline.name}.silver")
    stack.batch()
    assert tables(asked, stack.pipeline.name) == {"bronze", "quarantine"}
    stack.lake = Lake(stack.spark, stack.settings.lake_path, stack.pipeline)
    stack.batch()

    assert count(asked, f"{stack.pipeline.name}.silver") == 1


def test_a_table_that_has_moved_is_found_where_it_is(asked: Any, stack: Stack, tmp_path: Path) -> None:
    """Whether the old place is still there, and then untouched, or not; and by a path that needs care in SQL."""
    stack.send(event("1"))
    stack.count_everything()
    bronze = f"{stack.pipeline.name}.bronze"
    old = Path(urlsplit(stack.lake.root).path)
    before = sorted(old.rglob("*"))

    def moved(name: str) -> Path:
        place = tmp_path / name / stack.pipeline.name
        place.parent.mkdir()
        return place

    copy, last = moved("ada's lake"), moved("last")
    shutil.copytree(old, copy)
    with stack.working(Role.BATCH) as ledger:
        Lake(stack.spark, f"file://{copy.parent}", stack.pipeline).append(stack.lake.bronze(), ledger, {})
    assert count(asked, bronze) == 2
    assert sorted(old.rglob("*")) == before
    copy.rename(last)
    Lake(stack.spark, f"file://{last.parent}", stack.pipeline)
    assert count(asked, bronze) == 2


def test_a_metastore_that_does_not_answer_stops_no_job(
    new_stack: NewStack, metastore: Metastore, caplog: pytest.LogCaptureFixture
) -> None:
    metastore.stop()
    try:
        with caplog.at_level(logging.WARNING):
            stack = new_stack()
            stack.send(event("1"))
            version = stack.count_everything()
    finally:
        metastore.start()

    assert version.accepted == 1
    assert f"{stack.pipeline.name}.silver is not in the Hive metastore" in caplog.text
    assert "Start the metastore at HIVE_METASTORE_URI" in caplog.text


@pytest.mark.parametrize(
    ("user", "secret"),
    [("tidemark_sql", "another password"), ("tidemark_sql", "wrong"), ("tidemark_sql", ""), ("someone", None)],
)
def test_hiveserver2_refuses_whoever_has_not_the_password(
    hive_server: HiveServer, database: Settings, monkeypatch: pytest.MonkeyPatch, user: str, secret: str | None
) -> None:
    assert hive_server.running
    right = password(database, database.hive_user)
    # Our own client would not ask with a password that anyone could guess.
    monkeypatch.setattr("app.hive.password", lambda *_: right if secret is None else secret)
    other = database.model_copy(update={"hive_user": user})
    with pytest.raises(TTransportException, match=r"Error validating the login|Bad status"), cursor(other, SQL_SECONDS):
        pass


def test_both_listen_on_the_loopback_alone_and_leave_nothing_where_they_were_started(
    asked: Any, database: Settings
) -> None:
    assert count(asked, "(SELECT 1)") == 1
    for port in (urlsplit(database.hive_metastore_uri).port, database.hive_server_port):
        assert {address.removeprefix("::ffff:") for address in listening(port or 0)} == {"127.0.0.1"}
    assert [name for name in ("spark-warehouse", "metastore_db", "derby.log") if Path(name).exists()] == []


def test_an_answer_that_does_not_come_is_waited_for_no_longer_than_asked(database: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        other = database.model_copy(update={"hive_server_port": silent.getsockname()[1]})
        began = time.monotonic()
        with pytest.raises(TTransportException, match="read timeout"), cursor(other, 0.5):
            pass

    assert time.monotonic() - began < 60


def test_a_taken_port_is_named_with_what_to_do(database: Settings, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for service, changed, option in (
            (Metastore, {"hive_metastore_uri": f"thrift://127.0.0.1:{port}"}, "--metastore-port"),
            (HiveServer, {"hive_server_port": port}, "--sql-port"),
        ):
            other = database.model_copy(update=changed)
            with pytest.raises(Exception, match=f"port {port} for .* is not free.*{option}"):
                service(other, tmp_path / "log", option).start()


def test_the_metastore_has_a_database_and_a_role_that_reach_no_further(database: Settings) -> None:
    with pytest.raises(psycopg2.OperationalError, match="permission denied for database"):
        connect(database.model_copy(update={"pg_user": Role.METASTORE}), Role.READ)
    with pytest.raises(psycopg2.OperationalError, match="permission denied for database"):
        connect(database.model_copy(update={"pg_user": Role.READ}), Role.METASTORE)
    with closing(connect(database, Role.METASTORE)) as connection, connection.cursor() as statement:
        statement.execute(
            "SELECT current_database(), pg_get_userbyid(datdba), has_database_privilege(%s, 'CONNECT') "
            "FROM pg_database WHERE datname = current_database()",
            ("tidemark",),
        )
        assert statement.fetchone() == (METASTORE, Role.METASTORE, False)


def test_migrating_again_changes_nothing(database: Settings) -> None:
    def state() -> list[tuple[Any, ...]]:
        with closing(connect(database, Role.METASTORE)) as connection, connection.cursor() as statement:
            statement.execute(
                'SELECT relname, relkind, pg_class.xmin::text FROM pg_class JOIN "VERSION" ON true ORDER BY oid'
            )
            return list(statement.fetchall())

    before = state()
    apply_migrations(database)

    assert state() == before
