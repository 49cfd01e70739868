"""Pages of rows, on a real Postgres: in any order, with nulls anywhere, they are all rows, each once."""

import json
from collections.abc import Iterator
from contextlib import closing

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st
from psycopg2.extras import execute_values
from sqlalchemy import Connection, create_engine, text

from app.postgres import Role, connect
from app.settings import Settings
from backend.rows import By, Question, rows

TYPES = {"name": "string", "score": "decimal", "on": "boolean", "id": "bigint"}
COLUMNS = tuple(TYPES)
Row = tuple[str | None, str | None, bool | None, int]
ROWS = st.lists(
    st.tuples(
        st.none() | st.sampled_from(["", "a", "B", "b", "é", "'; --"]),
        st.none() | st.sampled_from(["-1.5", "0", "0.10", "12345678901234567890.5"]),
        st.none() | st.booleans(),
    ),
    max_size=12,
)


@pytest.fixture(scope="module")
def postgres(database: Settings) -> Iterator[Connection]:
    """A connection with an empty table `pages` of its own."""
    engine = create_engine("postgresql+psycopg2://", creator=lambda: connect(database, Role.BATCH))
    with closing(engine.connect()) as connection:
        connection.execute(
            text(
                'CREATE TEMPORARY TABLE pages (name text COLLATE "C", score numeric, "on" boolean, id bigint NOT NULL)'
            )
        )
        yield connection
    engine.dispose()


def fill(postgres: Connection, given: list[Row]) -> None:
    postgres.execute(text("TRUNCATE pages"))
    cursor = postgres.connection.cursor()
    if given:
        execute_values(cursor, "INSERT INTO pages VALUES %s", given)


def page(postgres: Connection, question: Question) -> list[Row]:
    return [tuple(json.loads(row).values()) for (row,) in postgres.execute(rows("pg_temp", "pages", TYPES, question))]


def as_text(row: Row, order: tuple[By, ...]) -> list[str | None]:
    """The values of a row in the columns of an order, as an answer gives them back."""
    values = (row[COLUMNS.index(by.column)] for by in order)
    return [None if value is None else str(value) for value in values]


@given(
    ROWS,
    st.permutations(["name", "score", "on"]),
    st.lists(st.booleans(), min_size=4, max_size=4),
    st.integers(min_value=1, max_value=5),
)
@hypothesis(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_pages_are_all_rows_each_once_and_in_order(
    postgres: Connection, found: list[tuple[str, str, bool]], names: list[str], down: list[bool], size: int
) -> None:
    fill(postgres, [(*row, number) for number, row in enumerate(found)])
    order = tuple(By(name, descending) for name, descending in zip((*names, "id"), down, strict=True))
    whole = page(postgres, Question(order, limit=100))
    read: list[Row] = []
    while len(following := page(postgres, Question(order, size, after=as_text(read[-1], order) if read else None))):
        read += following

    assert sorted(row[-1] for row in whole) == list(range(len(found)))
    assert read == whole


def test_filters_take_values_as_they_are(postgres: Connection) -> None:
    fill(postgres, [("'; --", "1.50", True, 1), ("a", "1.5", None, 2), ("b", "3", None, 3), (None, None, None, 4)])
    order = (By("id"),)

    assert [row[-1] for row in page(postgres, Question(order, 9, equal={"name": "'; --"}))] == [1]
    assert [row[-1] for row in page(postgres, Question(order, 9, equal={"score": "1.500"}))] == [1, 2]
    assert [row[-1] for row in page(postgres, Question(order, 9, since=("score", "1.5"), until=("score", "3")))] == [
        1,
        2,
    ]
    assert [row[-1] for row in page(postgres, Question(order, 9, equal={"name": "A"}))] == []
