"""Pages of rows, on a real Postgres: in any order, with nulls anywhere, they are all rows, each once."""

import json
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st
from psycopg2.extras import execute_values
from sqlalchemy import Connection, create_engine, text

from app.postgres import Role, connect
from app.relations import sql_type
from app.settings import Settings
from backend.questions import Asked, after, following
from backend.rows import By, Question, rows
from backend.values import TYPES as ASKED

TYPES = {
    "name": "string", "score": "decimal", "on": "boolean", "day": "date", "at": "timestamp", "rank": "int",
    "id": "bigint",
}  # fmt: skip
Row = tuple[str | None, str | None, bool | None, date | None, datetime | None, int | None, int]
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=3)
LONG = [one * 1_001 for one in ("x", "é", "😀", '"')]
EDGES = [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)]  # of what an event can hold
ROWS = st.lists(
    st.tuples(
        st.none() | st.sampled_from(["", "a", "B", "b", "é", "'; --", *LONG]) | TEXT,
        st.none() | st.sampled_from(["-1.5", "0", "0.10", f"{'9' * 38}.5"]),
        st.none() | st.booleans(),
        st.none() | st.sampled_from([date.min, date.max]) | st.dates(),
        st.none() | st.sampled_from(EDGES) | st.datetimes(timezones=st.just(UTC)),
        st.none() | st.integers(-(2**31), 2**31 - 1),
    ),
    max_size=12,
)


@pytest.fixture(scope="module")
def postgres(database: Settings) -> Iterator[Connection]:
    """A connection with an empty table `pages` of its own."""
    engine = create_engine("postgresql+psycopg2://", creator=lambda: connect(database, Role.BATCH))
    with closing(engine.connect()) as connection:
        columns = ", ".join(f'"{name}" {sql_type(kind)}' for name, kind in TYPES.items())
        connection.execute(text(f"CREATE TEMPORARY TABLE pages ({columns})"))
        yield connection
    engine.dispose()


def fill(postgres: Connection, given: Sequence[Row]) -> None:
    postgres.execute(text("TRUNCATE pages"))
    cursor = postgres.connection.cursor()
    if given:
        execute_values(cursor, "INSERT INTO pages VALUES %s", given)


def page(postgres: Connection, question: Question) -> list[str]:
    return [row for (row,) in postgres.execute(rows("pg_temp", "pages", TYPES, question))]


def page_in_csv(postgres: Connection, question: Question) -> list[dict[str, Any]]:
    found = postgres.execute(rows("pg_temp", "pages", TYPES, question, as_json=False))
    return [dict(row) for row in found.mappings()]


def ids(found: list[str]) -> list[int]:
    return [json.loads(row)["id"] for row in found]


def test_a_row_has_every_type_that_can_be_sorted_by() -> None:
    assert set(TYPES.values()) == set(ASKED)


@given(
    ROWS,
    st.permutations(list(TYPES)[:-1]),
    st.lists(st.booleans(), min_size=len(TYPES), max_size=len(TYPES)),
    st.integers(min_value=1, max_value=5),
)
@hypothesis(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_pages_are_all_rows_each_once_and_in_order(
    postgres: Connection, found: list[tuple[str, ...]], names: list[str], down: list[bool], size: int
) -> None:
    """Each page goes on after what the API gives as `next` of the one before."""
    fill(postgres, [(*row, number) for number, row in enumerate(found)])  # type: ignore[misc]
    order = tuple(By(name, descending) for name, descending in zip((*names, "id"), down, strict=True))
    whole = page(postgres, Question(order, limit=100))
    read = page(postgres, Question(order, size))
    for _ in found:
        if not read:
            break
        asked = Asked.model_validate({"after": following(order, json.loads(read[-1]))})
        assert asked.after
        read += page(postgres, Question(order, size, after=after(asked.after, order, TYPES)))

    assert sorted(ids(whole)) == list(range(len(found)))
    assert read == whole
    marks = [following(order, row) for row in page_in_csv(postgres, Question(order, limit=100))]
    assert marks == [following(order, json.loads(row)) for row in whole]


def test_filters_take_values_as_they_are(postgres: Connection) -> None:
    rest = (None, None, None, None)
    given = [("'; --", "1.50", *rest, 1), ("a", "1.5", *rest, 2), ("b", "3", *rest, 3), (None, None, *rest, 4)]
    fill(postgres, given)
    order = (By("id"),)

    assert ids(page(postgres, Question(order, 9, equal={"name": "'; --"}))) == [1]
    assert ids(page(postgres, Question(order, 9, equal={"score": "1.500"}))) == [1, 2]
    assert ids(page(postgres, Question(order, 9, since=("score", "1.5"), until=("score", "3")))) == [1, 2]
    assert ids(page(postgres, Question(order, 9, equal={"name": "A"}))) == []
