"""Connections to Postgres, each with the least rights that its work needs."""

from enum import StrEnum
from urllib.parse import urlsplit

import psycopg2
from psycopg2.extensions import connection as Connection

from app.settings import Settings

__all__ = ["Connection", "Role", "connect", "password"]


class Role(StrEnum):
    """The roles of `sql/roles.sql`."""

    MIGRATE = "tidemark_migrate"  # owns schemas and tables
    BATCH = "tidemark_batch"  # cuts and publishes
    SPEED = "tidemark_speed"  # adds increments, advances the ledger
    READ = "tidemark_read"  # selects from the serving schema


def password(settings: Settings, user: str) -> str:
    """The password of a user: PG_PWD if PG_USER is set, else the content of its file in SECRETS_PATH.

    Raises:
        FileNotFoundError: there is no such file.
    """
    if settings.pg_pwd is not None and settings.pg_user == user:
        return settings.pg_pwd.get_secret_value()
    path = settings.secrets_path / user
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        raise FileNotFoundError(
            f"no password for the Postgres user {user}: expected the file {path} (made by ./scripts/migrate), "
            "or PG_USER and PG_PWD in the environment"
        ) from None


def connect(settings: Settings, role: str) -> Connection:
    """A connection as `role` (or as PG_USER, if that is set), in UTC.

    Raises:
        psycopg2.OperationalError: Postgres does not answer at PG_URL, or refuses the password.
    """
    user = settings.pg_user or str(role)
    return psycopg2.connect(
        settings.pg_url,
        user=user,
        password=password(settings, user),
        application_name=user.replace("_", "-"),
        connect_timeout=10,
        options="-c timezone=UTC",
    )


def database(settings: Settings) -> str:
    """Name of the database in PG_URL."""
    return urlsplit(settings.pg_url).path.removeprefix("/")
