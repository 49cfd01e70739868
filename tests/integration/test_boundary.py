"""The boundary in Postgres: a statement that reads is of one instant, and what is kept and written stays small."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from psycopg2.extensions import ISOLATION_LEVEL_READ_COMMITTED

from app.job import connected
from app.postgres import Connection, Role, connect
from app.relations import relations
from app.settings import Settings
from tests.integration.boundary import NewBoundary
from tests.integration.oracle import Event, expected

START = datetime(2026, 1, 1, tzinfo=UTC)
LOCK = 4_711


def some(first: int, count: int) -> list[Event]:
    """Events of partition 0 from an offset on, of three clients."""
    return [
        Event(f"{n}", "abc"[n % 3], Decimal("1.50"), Decimal(n), START, (0, n, 0)) for n in range(first, first + count)
    ]


def test_a_statement_that_began_before_a_publish_ends_with_what_it_began_with(
    new_boundary: NewBoundary, database: Settings
) -> None:
    boundary = new_boundary()
    boundary.commit(some(0, 4))
    clients, everything, *_ = relations(boundary.pipeline)
    statement = (
        f"SELECT (SELECT count FROM {everything.serving}), pg_advisory_xact_lock({LOCK}), "
        f"(SELECT count FROM {everything.serving}), (SELECT sum(count) FROM {clients.serving})"
    )

    def read(connection: Connection) -> tuple[int, int, int]:
        with connection, connection.cursor() as cursor:
            cursor.execute(statement)
            before, _, *after = cursor.fetchone() or (None, None)
            return before, *after

    with connected(database, Role.READ) as as_reader, connected(database, Role.MIGRATE) as as_owner:
        reader, holder = as_reader(), as_owner()
        reader.set_session(isolation_level=ISOLATION_LEVEL_READ_COMMITTED)  # as any client of Postgres has it
        with ThreadPoolExecutor() as threads, holder.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
            reading = threads.submit(read, reader)
            boundary.wait_until_one_waits()
            cut = boundary.batch.cut()
            boundary.commit(some(4, 3))
            boundary.publish(1, cut, some(0, 4))
            holder.rollback()
            assert reading.result(timeout=60) == (4, 4, 4)
        assert read(reader) == (7, 7, 7)


def test_speed_tables_hold_a_row_for_each_key_of_a_kept_segment_and_no_more(new_boundary: NewBoundary) -> None:
    boundary, end = new_boundary(), 0
    table = relations(boundary.pipeline)[0].name
    for version in range(1, 6):
        start = end
        for _ in range(3):
            boundary.commit(some(end, 4))
            end += 4
        boundary.publish(version, boundary.batch.cut(), some(start, 12), version - 1 or None)  # two are kept
    boundary.commit(some(end, 4))

    def rows(table: str, by: str) -> dict[int, int]:
        return dict(boundary.owned(f"SELECT {by}, count(*)::int FROM {table} GROUP BY {by}"))

    assert rows(f"speed.{table}", "segment") == {5: 3, 6: 3}
    assert rows(f"batch.{table}", "version") == {4: 3, 5: 3}
    assert boundary.shows() == expected(some(0, end + 4))


@pytest.mark.parametrize("layer", ["speed", "batch"])
def test_many_rows_are_written_by_the_statements_that_one_is_written_by(
    new_boundary: NewBoundary, database: Settings, layer: str
) -> None:
    boundary = new_boundary()
    connection: Connection = getattr(boundary, layer).connection
    with closing(connect(database, database.pg_admin)) as admin, admin, admin.cursor() as cursor:
        cursor.execute(f"GRANT SET ON PARAMETER log_statement TO {Role(f'tidemark_{layer}')}")
    with connection, connection.cursor() as cursor:
        cursor.execute("SET log_statement = 'all'; SET client_min_messages = log")

    def written(number: int, events: list[Event]) -> list[str]:
        """What the layer says to Postgres as it writes what these events gain."""
        cut = boundary.batch.cut()
        del connection.notices[:]
        if layer == "speed":
            boundary.commit(events)
        else:
            boundary.publish(number, cut, events)
        found = [notice.partition("statement: ")[2].split() for notice in connection.notices]
        return [" ".join(words[:3]) for words in found if words]

    few, many = written(1, some(0, 1)), written(2, some(1, 300))
    assert few == many
    assert few.count('COPY pg_temp.increment ("view",') == 1
    assert "INSERT INTO pg_temp.increment" not in few
    # The other transaction reads where the ledger is, or lets go of older versions.
    assert few.count("BEGIN") == few.count("COMMIT") == 2
