"""The databases in Postgres and who may use them: roles, passwords and migrations. Safe to run again.

There are two: that of PG_URL, with the boundary and the views, and that of the Hive metastore, which has a role of its
own as its owner. Neither role can reach the other's.
"""

import os
import secrets
import subprocess
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from psycopg2 import sql

from app.postgres import METASTORE, Role, connect, password, url
from app.settings import HOME, Settings


def make_password(at: Settings, user: str) -> str:
    """The password of a user, made and written with mode 0600 if there is none yet."""
    at.secrets_path.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = at.secrets_path / user
    if not path.exists():
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(32))
    return password(at, user)


def make_roles(at: Settings) -> None:
    """Makes the roles, as the administrator, and gives them the passwords in SECRETS_PATH.

    The user of HiveServer2, whom Postgres does not know, gets a password too.
    """
    make_password(at, at.hive_user)
    with closing(connect(at, at.pg_admin)) as connection, connection, connection.cursor() as cursor:
        cursor.execute((HOME / "sql/roles.sql").read_text())
        for role in Role:
            statement = sql.SQL("ALTER ROLE {} PASSWORD {}")
            cursor.execute(statement.format(sql.Identifier(role), sql.Literal(make_password(at, role))))


def apply_migrations(at: Settings) -> None:
    """Applies the migrations of both databases, each as the role that owns it.

    Raises:
        RuntimeError: dbmate failed; the message is its own.
    """
    _migrate(at, Role.MIGRATE, HOME / "sql/migrations")
    _make_metastore_database(at)
    _migrate(at, Role.METASTORE, HOME / "sql/metastore")


def _make_metastore_database(at: Settings) -> None:
    with closing(connect(at, at.pg_admin)) as connection, connection.cursor() as cursor:
        connection.autocommit = True  # a database cannot be created in a transaction
        cursor.execute("SELECT FROM pg_database WHERE datname = %s", (METASTORE,))
        if cursor.fetchone() is None:
            names = {"database": sql.Identifier(METASTORE), "owner": sql.Identifier(Role.METASTORE)}
            cursor.execute(sql.SQL("CREATE DATABASE {database} OWNER {owner}").format(**names))
        cursor.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(METASTORE)))


def _migrate(at: Settings, role: Role, folder: Path) -> None:
    login = f"{role}:{quote(password(at, role), safe='')}@"
    where = url(at, role)
    address = where.replace("postgresql://", f"postgresql://{login}") + "?sslmode=disable"
    command = ["dbmate", "--migrations-dir", str(folder), "--no-dump-schema", "migrate"]
    environment = os.environ | {"DATABASE_URL": address, "DBMATE_MIGRATIONS_TABLE": "tidemark_migrations.applied"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"dbmate could not migrate {where}: {done.stderr.strip() or done.stdout.strip()}")
