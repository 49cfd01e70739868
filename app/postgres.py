"""Connections to Postgres, each with the least rights that its work needs."""

from enum import StrEnum
from urllib.parse import urlsplit

import psycopg2
from psycopg2.extensions import connection as Connection

from app.settings import Settings

__all__ = ["METASTORE", "Connection", "Role", "WeakPassword", "connect", "password", "require_strong", "url"]

METASTORE = "metastore"  # the Hive metastore's database, on the server of PG_URL
SHORTEST = 12  # characters of a password


class WeakPassword(Exception):
    """A password that anyone could guess; nothing was done with it."""


class Role(StrEnum):
    """The roles of `sql/roles.sql`."""

    MIGRATE = "tidemark_migrate"  # owns schemas and tables
    BATCH = "tidemark_batch"  # cuts and publishes
    SPEED = "tidemark_speed"  # adds increments, advances the ledger
    READ = "tidemark_read"  # selects from the serving schema
    METASTORE = "tidemark_metastore"  # owns the database of the Hive metastore, and reaches no other


def password(settings: Settings, user: str) -> str:
    """The password of a user: PG_PWD if that is PG_USER, else the content of its file in SECRETS_PATH.

    Raises:
        FileNotFoundError: there is no such file.
        WeakPassword: the password is short or well known.
    """
    if settings.pg_pwd is not None and settings.pg_user == user:
        return require_strong(user, settings.pg_pwd.get_secret_value())
    path = settings.secrets_path / user
    try:
        return require_strong(user, path.read_text())
    except FileNotFoundError:
        raise FileNotFoundError(
            f"no password for the user {user}: expected the file {path} (made by ./scripts/migrate), "
            "or PG_USER and PG_PWD in the environment"
        ) from None


def require_strong(user: str, text: str) -> str:
    """The password without the space around it.

    Raises:
        WeakPassword: it is short, or made of its user's name or another word that everyone tries.
    """
    secret = text.strip()
    plain = secret.lower().strip("0123456789!_-.")
    known = {"", "admin", "changeme", "default", "password", "passw0rd", "postgres", "secret", "tidemark", user.lower()}
    if len(secret) < SHORTEST or plain in known:
        raise WeakPassword(
            f"the password of {user} is well known or has fewer than {SHORTEST} characters; expected one that nobody "
            "can guess, such as `openssl rand -base64 24` prints"
        )
    return secret


def url(settings: Settings, role: str) -> str:
    """Address of the database that a role works in: PG_URL, or for the role of the metastore its own."""
    if role != Role.METASTORE:
        return settings.pg_url
    return urlsplit(settings.pg_url)._replace(path=f"/{METASTORE}").geturl()


def connect(settings: Settings, role: str) -> Connection:
    """A connection as `role` (or as PG_USER, if that is set), in UTC.

    Raises:
        psycopg2.OperationalError: Postgres does not answer at PG_URL, or refuses the password.
    """
    user = settings.pg_user or str(role)
    return psycopg2.connect(
        url(settings, role),
        user=user,
        password=password(settings, user),
        application_name=user.replace("_", "-"),
        connect_timeout=10,
        # A server that is gone without a word is noticed by who waits for it.
        keepalives_idle=10,
        keepalives_interval=5,
        keepalives_count=3,
        tcp_user_timeout=20_000,
        options="-c timezone=UTC",
    )


def database(settings: Settings) -> str:
    """Name of the database in PG_URL."""
    return urlsplit(settings.pg_url).path.removeprefix("/")
