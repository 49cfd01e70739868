"""Which of two events with the same id counts."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from chispa import assert_df_equality

from app.duplicates import duplicates_marked, identity
from tests.spark.conftest import START, Table
from tests.spark.test_aggregate import EVENTS, PIPELINE, event


def expect_marks(table: Table, events: dict[tuple[Any, ...], int], **changes: Any) -> None:
    actual_df = duplicates_marked(table(events, EVENTS), replace(PIPELINE, **changes))
    expected_df = table([(*found, mark) for found, mark in events.items()], f"{EVENTS}, _duplicate int")

    assert_df_equality(actual_df, expected_df, ignore_nullable=True, ignore_row_order=True)


def test_the_first_to_arrive_counts_wherever_it_is_in_the_log(table: Table) -> None:
    later = START + timedelta(microseconds=1)

    expect_marks(
        table,
        {
            event(5, id="a", arrival=later, _partition=0): 1,
            event(9, id="a", arrival=START, _partition=2): 0,
            event(1, id="a", arrival=later, _partition=1): 1,
            event(2, id="b", arrival=later): 0,
        },
    )


def test_of_those_that_arrived_at_once_the_first_position_counts(table: Table) -> None:
    expect_marks(
        table,
        {
            event(3, id="a", _partition=1): 1,
            event(7, id="a", _index=1): 1,
            event(7, id="a", _index=0): 0,
            event(8, id="a"): 1,
            event(3, id="b", _partition=1): 0,
            event(2, id="b", _partition=2): 1,
        },
    )


def test_a_quarantined_event_is_no_duplicate_and_has_none(table: Table) -> None:
    expect_marks(
        table,
        {
            event(0, id="a", _reason="old"): 0,
            event(1, id="a", _reason="old"): 0,
            event(2, id="a"): 0,
            event(3, id="a", _reason="old"): 0,
            event(4, id="a"): 1,
            event(5, id=None, _reason="missing_id"): 0,
            event(6, id=None, _reason="missing_id"): 0,
        },
    )


def test_an_id_that_looks_like_a_position_is_no_duplicate_of_what_is_there(table: Table) -> None:
    expect_marks(table, {event(0, id="x", _reason="old"): 0, event(1, id="0/0/0"): 0, event(2, id="event:0/0/0"): 0})


def test_ids_differ_in_case_and_in_blanks(table: Table) -> None:
    expect_marks(table, {event(0, id="a"): 0, event(1, id="A"): 0, event(2, id="a "): 0, event(3, id=""): 0})


def test_without_dedup_the_same_id_counts_again(table: Table) -> None:
    expect_marks(table, {event(0, id="a"): 0, event(1, id="a"): 0}, dedup=None)


def test_events_without_an_id_have_no_identity() -> None:
    with pytest.raises(ValueError, match="sales declares no dedup"):
        identity(replace(PIPELINE, dedup=None))
