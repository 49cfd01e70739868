"""The digest of rows is equal where the rows are, in any order, and another where they are not."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from app import comparison
from app.comparison import digests
from tests.spark.conftest import Table

SCHEMA = "a string, b string, c int, d int, e binary, f boolean, g decimal(5,2), h timestamp"
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
TEXT, NUMBER = st.sampled_from([None, "", "a", "b"]), st.sampled_from([None, 0, 1])
BYTES, TRUTH = st.sampled_from([None, b"", b"a"]), st.sampled_from([None, True, False])
ROWS = st.lists(
    st.tuples(TEXT, TEXT, NUMBER, NUMBER, BYTES, TRUTH, st.none(), st.sampled_from([None, NOON])), max_size=4
)
FEW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

Rows = Sequence[tuple[Any, ...]]


def digest(table: Table, rows: Rows) -> tuple[int, ...]:
    return comparison.digest(table(rows, SCHEMA))


@FEW
@given(rows=ROWS, order=st.randoms(use_true_random=False))
def test_the_order_of_the_rows_does_not_matter(table: Table, rows: list[tuple[Any, ...]], order: Any) -> None:
    shuffled = rows.copy()
    order.shuffle(shuffled)

    assert digest(table, rows) == digest(table, shuffled)


@FEW
@given(one=ROWS, other=ROWS)
def test_other_rows_have_another_digest(table: Table, one: Rows, other: Rows) -> None:
    assume(Counter(one) != Counter(other))

    assert digest(table, one) != digest(table, other)


def test_rows_that_differ_by_the_place_of_a_null_or_a_value_or_by_how_often_they_are_there_differ(table: Table) -> None:
    none = (None,) * 8
    rows: list[Rows] = [
        *([("a", *none[1:])], [(None, "a", *none[2:])], [("", "a", *none[2:])], [("a", "", *none[2:])], [], [none]),
        *([none, none], [("ab", *none[1:])], [("a", "b", *none[2:])], [("b", "a", *none[2:])]),
        *([(*none[:2], 1, *none[3:])], [(*none[:3], 1, *none[4:])], [(*none[:2], 0, 1, *none[4:])]),
        *([(*none[:2], 1, 0, *none[4:])], [(*none[:4], b"a", *none[5:])]),
    ]

    assert len({digest(table, each) for each in rows}) == len(rows)


def test_parts_are_digested_in_one_pass_as_each_of_them_alone(table: Table) -> None:
    rows = table([("x", 1), ("y", 2), (None, 3)], "a string, b int")
    kept = rows.filter("a = 'x'")

    parts = digests(rows, [("a = 'x'", ("b",)), ("true", ("a", "b")), ("b > 9", ("a",))])

    assert parts == [comparison.digest(kept.select("b")), comparison.digest(rows), (0, 0, 0)]
