"""Brings Postgres to what the code needs: roles, migrations, and the tables of every definition. Safe to run again."""

import logging
import sys
from typing import Any

import psycopg2.extras

from app.databases import apply_migrations, make_roles
from app.model import Pipeline
from app.pipelines import WrongDefinition, names, select
from app.postgres import Connection, Role, connect
from app.relations import relations
from app.rollups import Served, served
from app.settings import settings

logger = logging.getLogger(__name__)


class NameTaken(Exception):
    """A definition was not registered: another pipeline has a merged view of the same name."""


def register(connection: Connection, pipeline: Pipeline) -> bool:
    """Makes the tables and the ledger of a definition, in one transaction. Returns whether it was new.

    The first definition of a pipeline is served at once, from an empty version. A later one starts where the ledger of
    the published one stands, and is served with its first version.

    Raises:
        NameTaken: a merged view would have the name of another pipeline's.
    """
    key = {"pipeline": pipeline.name, "fingerprint": pipeline.fingerprint}
    tables = relations(pipeline)
    faces = served(pipeline)
    statements = [statement for face in faces for statement in face.merged_view()]
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('register', 0))")
        for relation in faces:
            _refuse_taken(cursor, relation)
        cursor.execute(
            "INSERT INTO tidemark.generation (pipeline, fingerprint, relations, serving_views) VALUES "
            "(%(pipeline)s, %(fingerprint)s, %(relations)s, %(serving_views)s) ON CONFLICT (pipeline, fingerprint) "
            "DO UPDATE SET id = DEFAULT, relations = excluded.relations, serving_views = excluded.serving_views, "
            "registered_at = now(), removed_at = NULL WHERE generation.removed_at IS NOT NULL RETURNING id",
            key | {"relations": [relation.name for relation in tables], "serving_views": statements},
        )
        if cursor.fetchone() is None:
            _bring_up_to_date(cursor, key, statements)
            return False
        for statement in (statement for relation in tables for statement in relation.tables()):
            cursor.execute(statement)
        cursor.execute(
            "SELECT l.offsets, l.topic_id FROM tidemark.published JOIN tidemark.ledger l USING (pipeline, fingerprint) "
            "WHERE pipeline = %(pipeline)s",
            key,
        )
        published = cursor.fetchone()
        offsets, topic_id = published or ({}, None)
        cursor.execute(
            "INSERT INTO tidemark.ledger (pipeline, fingerprint, offsets, topic_id, open_segment) VALUES "
            "(%(pipeline)s, %(fingerprint)s, %(offsets)s, %(topic_id)s, 1)",
            key | {"offsets": psycopg2.extras.Json(offsets), "topic_id": topic_id},
        )
        cursor.execute(
            "INSERT INTO tidemark.segment (pipeline, fingerprint, segment) VALUES (%(pipeline)s, %(fingerprint)s, 1)",
            key,
        )
        if published is None:
            cursor.execute(
                "INSERT INTO tidemark.version (pipeline, fingerprint, version, segment, cut, mode, accepted, "
                "duplicates, quarantined, seconds) "
                "VALUES (%(pipeline)s, %(fingerprint)s, 0, 0, '{}', 'empty', 0, 0, 0, 0)",
                key,
            )
            cursor.execute("SELECT tidemark.point_to(%(pipeline)s, %(fingerprint)s, 0)", key)
    return True


def _bring_up_to_date(cursor: Any, key: dict[str, str], statements: list[str]) -> None:
    """Makes what readers see of a definition anew where this release makes it in another way than the one before."""
    cursor.execute("SELECT FROM tidemark.published WHERE pipeline = %(pipeline)s FOR UPDATE", key)
    cursor.execute(
        "UPDATE tidemark.generation SET serving_views = %(serving_views)s WHERE pipeline = %(pipeline)s "
        "AND fingerprint = %(fingerprint)s AND serving_views <> %(serving_views)s RETURNING EXISTS (SELECT FROM "
        "tidemark.published p WHERE p.pipeline = generation.pipeline AND p.fingerprint = generation.fingerprint)",
        key | {"serving_views": statements},
    )
    changed = cursor.fetchone()
    if changed and changed[0]:
        for statement in statements:
            cursor.execute(statement)


def _refuse_taken(cursor: Any, relation: Served) -> None:
    """Refuses a view `c` of pipeline `a_b` where pipeline `a` has a view `b_c`: both would be serving.a_b_c."""
    drop, *_ = relation.merged_view()  # the statement that is made of the name alone
    cursor.execute(
        "SELECT pipeline FROM tidemark.generation "
        "WHERE pipeline <> %s AND removed_at IS NULL AND %s = ANY(serving_views)",
        (relation.pipeline.name, drop),
    )
    if row := cursor.fetchone():
        # A pipeline may only be missing here: what it has is removed by nobody but a newer definition of it.
        gone = (
            f". {row[0]} has no file in app/pipelines any more, but all that it served is kept; to free the name, put "
            f"app/pipelines/{row[0]}.py back with that view renamed, then run ./scripts/migrate and ./scripts/submit "
            f"batch {row[0]} --full"
        )
        raise NameTaken(
            f"{relation.pipeline.name}: its view {relation.view.name} would be {relation.serving}, which the pipeline "
            f"{row[0]} has; rename the view or the pipeline{'' if row[0] in names() else gone}"
        )


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        pipelines = select([])
    except WrongDefinition as error:
        sys.exit(f"Error: {error}")
    at = settings()
    make_roles(at)
    apply_migrations(at)
    connection = connect(at, Role.MIGRATE)
    refused = []
    try:
        for pipeline in pipelines:
            try:
                if register(connection, pipeline):
                    logger.info("%s: definition %s registered", pipeline.name, pipeline.fingerprint)
            except NameTaken as error:
                refused.append(f"Error: {error}")
    finally:
        connection.close()
    if refused:
        sys.exit("\n".join(refused))


if __name__ == "__main__":
    main()
