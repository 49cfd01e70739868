"""Each role in Postgres can do what its work needs, and none can do the work of another."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from secrets import token_urlsafe
from urllib.parse import urlsplit

import psycopg2.errors
import pytest
from psycopg2 import sql
from pyspark.sql import SparkSession

from app.job import connected
from app.postgres import Role, connect
from app.relations import relations
from app.serving import _read as read
from app.settings import Settings
from tests.integration.boundary import NewBoundary

INTERNAL = (
    "acceptance", "failure", "generation", "ledger", "loss", "parquet", "parquet_folder", "published", "segment",
    "version",
)  # fmt: skip
# {view} is what a table is called in the schemas batch and speed, {served} what readers see of it.
REFUSED = {
    Role.SPEED: (
        "INSERT INTO batch.{view} DEFAULT VALUES",
        "UPDATE batch.{view} SET version = version",
        "DELETE FROM batch.{view}",
        "DELETE FROM speed.{view}",
        "DROP TABLE speed.{view}",
        "SELECT tidemark.point_to('{pipeline}', '{fingerprint}', 0)",
        "SELECT tidemark.prune('{pipeline}', '{fingerprint}', 1)",
        "SELECT tidemark.remove_replaced('{pipeline}')",
        "SELECT tidemark.withdraw('{served}')",
        "INSERT INTO tidemark.version DEFAULT VALUES",
        "UPDATE tidemark.version SET version = version",
        "UPDATE tidemark.published SET version = version",
        "UPDATE tidemark.segment SET cut = cut",
        "DELETE FROM tidemark.ledger",
        "CREATE TABLE serving.other ()",
    ),
    Role.BATCH: (
        "INSERT INTO speed.{view} DEFAULT VALUES",
        "UPDATE speed.{view} SET segment = segment",
        "DELETE FROM speed.{view}",
        "TRUNCATE speed.{view}",
        "DELETE FROM batch.{view}",
        "DROP TABLE batch.{view}",
        "SELECT tidemark.withdraw('{served}')",
        "UPDATE tidemark.published SET version = version",
        "INSERT INTO tidemark.loss DEFAULT VALUES",
        "DELETE FROM tidemark.ledger",
        "DELETE FROM tidemark.segment",
        "CREATE TABLE serving.other ()",
    ),
    Role.READ: (
        *(f"SELECT FROM tidemark.{table}" for table in INTERNAL),
        "SELECT FROM batch.{view}",
        "SELECT FROM speed.{view}",
        "DELETE FROM serving.{served}",
        "SELECT tidemark.point_to('{pipeline}', '{fingerprint}', 0)",
        "SELECT tidemark.prune('{pipeline}', '{fingerprint}', 1)",
        "SELECT tidemark.remove_replaced('{pipeline}')",
        "SELECT tidemark.withdraw('{served}')",
        "SELECT tidemark.hold_published('{pipeline}', '{fingerprint}')",
        "CREATE TABLE serving.other ()",
        "CREATE TEMPORARY TABLE other ()",
    ),
}


@pytest.mark.parametrize("role", REFUSED)
def test_a_role_is_refused_what_is_the_work_of_another(
    new_boundary: NewBoundary, database: Settings, role: Role
) -> None:
    pipeline = new_boundary().pipeline
    names = {"pipeline": pipeline.name, "fingerprint": pipeline.fingerprint, "served": f"{pipeline.name}_clients"}
    allowed = []
    with connected(database, role) as connect:
        connection = connect()
        for statement in REFUSED[role]:
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION READ WRITE")  # that a reader begins by reading is no right
                try:
                    cursor.execute(statement.format(view=relations(pipeline)[0].name, **names))
                    allowed.append(statement)
                except psycopg2.errors.InsufficientPrivilege:
                    pass
            connection.rollback()
    assert allowed == []


def test_the_internal_tables_are_all_there_are(new_boundary: NewBoundary) -> None:
    found = new_boundary().owned("SELECT tablename FROM pg_tables WHERE schemaname = 'tidemark' ORDER BY 1")
    assert tuple(name for (name,) in found) == INTERNAL


def test_a_reader_only_reads_and_no_statement_of_it_goes_on_for_ever(new_boundary: NewBoundary) -> None:
    settings = "current_setting('default_transaction_read_only'), current_setting('statement_timeout')"
    assert new_boundary().query(f"SELECT {settings}") == [("on", "15s")]


@pytest.fixture
def user(database: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """A user of the test's own, whom the environment names, with the server's own database; there are no files."""
    name, secret = "one_for_all", token_urlsafe()
    with closing(connect(database, database.pg_admin)) as admin, admin.cursor() as cursor:
        admin.autocommit = True
        cursor.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(name), sql.Literal(secret)))
        server = urlsplit(database.pg_url)._replace(path="/postgres").geturl()
        given = {"PG_URL": f"jdbc:{server}", "PG_USER": name, "PG_PWD": secret, "SECRETS_PATH": str(tmp_path)}
        for variable, value in given.items():
            monkeypatch.setenv(variable, value)
        yield name
        cursor.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


def test_a_job_connects_as_the_user_that_the_environment_names(
    user: str, spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    who = "SELECT current_user::text AS who, current_database()::text AS at"
    given = Settings(_env_file=None)
    for role in (Role.SPEED, Role.BATCH, Role.READ):
        with connected(given, role) as connecting, connecting().cursor() as cursor:
            cursor.execute(who)
            assert cursor.fetchone() == (user, "postgres")
        assert [tuple(row) for row in read(spark, given, role, who).collect()] == [(user, "postgres")]
    monkeypatch.setenv("PG_PWD", token_urlsafe())
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        connect(Settings(_env_file=None), Role.SPEED)
