"""The laws of an alert's summaries: put together in Postgres in any grouping, they are that of all readings."""

import json
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import psycopg2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.job import connected
from app.postgres import Connection, Role
from app.settings import Settings
from tests.hysteresis import ON_THE_LIMITS, Reading, changes, summary

LAW = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
READINGS = st.lists(st.sampled_from((*ON_THE_LIMITS, 1201, 1201)), max_size=24).map(
    lambda values: [((n // 2, n % 2), value) for n, value in enumerate(values)]
)


@pytest.fixture(scope="module")
def reader(database: Settings) -> Iterator[Connection]:
    """A connection of those who read merged views."""
    with connected(database, Role.READ) as connect:
        yield connect()


def asked(reader: Connection, expression: str, *values: Any) -> Any:
    with reader, reader.cursor() as cursor:
        cursor.execute(f"SELECT {expression}", values)
        ((found,),) = cursor.fetchall()
        return found


def literal(readings: list[Reading], n: int) -> str:
    found = summary(readings, n)
    return "NULL::jsonb" if found is None else f"'{json.dumps(found)}'::jsonb"


def put_together(readings: list[Reading], n: int, random: Any) -> str:
    """SQL that splits the readings anywhere, and what comes of that again, and merges in either order of arguments."""
    if random.random() < 0.3:
        return literal(readings, n)
    at = random.randint(0, len(readings))
    parts = (
        [put_together(readings[:at], n, random), put_together(readings[at:], n, random)] if readings else ["NULL"] * 2
    )
    random.shuffle(parts)
    return f"tidemark.alert_merge({parts[0]}, {parts[1]}, {n})"


@LAW
@given(readings=READINGS, n=st.integers(1, 4), random=st.randoms(use_true_random=False))
def test_summaries_put_together_in_any_grouping_and_order_of_arguments_are_that_of_all_readings(
    reader: Connection, readings: list[Reading], n: int, random: Any
) -> None:
    assert asked(reader, put_together(readings, n, random)) == summary(readings, n)


@LAW
@given(readings=READINGS, n=st.integers(1, 4), cuts=st.lists(st.integers(0, 24)), random=st.randoms())
def test_the_changes_of_summaries_in_any_order_are_those_of_an_automaton_over_all_readings(
    reader: Connection, readings: list[Reading], n: int, cuts: list[int], random: Any
) -> None:
    edges = [0, *sorted(cuts), len(readings)]
    parts = [literal(readings[start:end], n) for start, end in pairwise(edges)]
    random.shuffle(parts)
    rows = ", ".join(f"({part})" for part in parts)
    merged = f"(SELECT tidemark.alert(part, {n} ORDER BY part -> 'first') FROM (VALUES {rows}) AS parts(part))"

    found = asked(reader, f"(SELECT jsonb_agg(change) FROM tidemark.alert_changes({merged}, {n}) AS change)") or []

    assert [(c["on"], tuple(c["at"]), c["row"]["value"]) for c in found] == changes(readings, n)


def test_readings_that_come_between_those_of_one_summary_are_refused(reader: Connection) -> None:
    readings = [((n, 0), 1201) for n in range(3)]
    one, between, other = (literal([reading], 3) for reading in readings)

    with pytest.raises(psycopg2.errors.RaiseException, match=r"readings \[1, 0\] to \[1, 0\] are among .* \[2, 0\]"):
        asked(reader, f"tidemark.alert_merge(tidemark.alert_merge({one}, {other}, 3), {between}, 3)")


def test_the_same_reading_twice_is_refused(reader: Connection) -> None:
    one = literal([((0, 0), 1201)], 3)

    with pytest.raises(psycopg2.errors.RaiseException, match="expected all of them before or after"):
        asked(reader, f"tidemark.alert_merge({one}, {one}, 3)")
