"""More databases on the server that the tests share."""

from contextlib import closing
from urllib.parse import urlsplit

from app.databases import apply_migrations, make_roles
from app.postgres import connect
from app.settings import Settings


def another_database(database: Settings, name: str) -> Settings:
    """Settings of a database that has been migrated and knows no pipeline."""
    with closing(connect(database, database.pg_admin)) as admin, admin.cursor() as cursor:
        admin.autocommit = True
        cursor.execute(f"CREATE DATABASE {name}")
    at = database.model_copy(update={"pg_url": urlsplit(database.pg_url)._replace(path=f"/{name}").geturl()})
    make_roles(at)
    apply_migrations(at)
    return at
