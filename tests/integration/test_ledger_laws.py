"""The laws of the boundary, for any events, any micro-batches and any cut: increments made by hand, and Postgres."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from app.claims import LedgerError
from tests.integration.boundary import NewBoundary
from tests.integration.oracle import Event, expected, increments

START = datetime(2026, 1, 1, tzinfo=UTC)
LAW = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@st.composite
def some_events(draw: st.DrawFn) -> list[Event]:
    """Up to twelve events of partition 0: few clients, amounts and moments, so that there are equals."""
    fields = st.tuples(
        st.sampled_from(["ada", "bob", ""]),
        st.sampled_from(["0.01", "7.50", "9999999999.99"]).map(Decimal),
        st.none() | st.decimals(-999, 999, places=3),
        st.integers(-600, 600).map(lambda seconds: START + timedelta(seconds=seconds)),
    )
    drawn = draw(st.lists(fields, max_size=12))
    return [Event(f"{n}", *values, at=(0, n, 0)) for n, values in enumerate(drawn)]


@LAW
@given(events=some_events(), order=st.randoms(use_true_random=False), sizes=st.lists(st.integers(1, 5)))
def test_increments_add_in_any_order_and_any_grouping(
    new_boundary: NewBoundary, events: list[Event], order: Any, sizes: list[int]
) -> None:
    boundary, shuffled = new_boundary(), order.sample(events, len(events))
    for size in [*sizes, len(events)]:
        boundary.commit(shuffled[:size])
        shuffled = shuffled[size:]
    assert boundary.shows() == expected(events)


@LAW
@given(events=some_events(), cut_at=st.integers(0, 12), late=st.integers(0, 12))
def test_batch_below_any_cut_and_speed_after_it_are_a_batch_of_all(
    new_boundary: NewBoundary, events: list[Event], cut_at: int, late: int
) -> None:
    boundary = new_boundary()
    below, after = events[:cut_at], events[cut_at:]
    boundary.commit(below)
    cut = boundary.batch.cut()
    boundary.commit(after[:late])
    boundary.publish(1, cut, below)
    assert boundary.shows() == expected(below + after[:late])
    boundary.commit(after[late:])
    assert boundary.shows() == expected(events)


@LAW
@given(events=some_events(), first=st.integers(0, 12), second=st.integers(0, 12))
def test_an_incremental_version_is_a_full_one_and_a_rollback_is_exact(
    new_boundary: NewBoundary, events: list[Event], first: int, second: int
) -> None:
    boundary = new_boundary()
    parts = [events[:first], events[first:][:second], events[first:][second:]]
    for number, part in enumerate(parts, start=1):
        boundary.commit(part)
        boundary.publish(number, boundary.batch.cut(), part, number - 1 or None)
    assert boundary.shows() == expected(events)
    assert boundary.versions.rollback().version == 2
    assert boundary.shows() == expected(events)
    boundary.publish(4, boundary.batch.cut(), events)
    assert boundary.shows() == expected(events)


@LAW
@given(events=some_events(), sizes=st.lists(st.integers(1, 5)), cut_after=st.integers(0, 4), again=st.integers(0, 12))
def test_a_micro_batch_that_is_replayed_changes_nothing(
    new_boundary: NewBoundary, events: list[Event], sizes: list[int], cut_after: int, again: int
) -> None:
    boundary, rest = new_boundary(), events
    done: list[Any] = []  # what each commit was given
    for number, size in enumerate([*sizes, len(events)]):
        if number == cut_after:
            boundary.batch.cut()
        part, rest = rest[:size], rest[size:]
        if part:
            before = boundary.speed.offsets()
            boundary.commit(part)
            done.append((before, boundary.speed.offsets(), increments(boundary.pipeline, part)))
    for replayed in done[again:] + done[:again]:
        with pytest.raises(LedgerError, match="another process moved it"):
            boundary.speed.commit(*replayed)
    assert boundary.speed.offsets() == ({0: len(events)} if events else {})
    assert boundary.shows() == expected(events)


def test_a_commit_that_expects_another_offset_is_refused_and_changes_nothing(new_boundary: NewBoundary) -> None:
    boundary = new_boundary()
    events = [Event(f"{n}", "ada", Decimal(n), None, START, (0, n, 0)) for n in range(1, 4)]
    boundary.commit(events[:1])
    for wrong in ({}, {0: 0}, {0: 2}, {0: 1, 1: 1}):
        with pytest.raises(LedgerError, match=r"is at \{0: 1\}, expected"):
            boundary.speed.commit(wrong, {0: 3}, increments(boundary.pipeline, events[1:]))
    assert boundary.speed.offsets() == {0: 1}
    assert boundary.shows() == expected(events[:1])


@LAW
@given(names=st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), max_size=8))
@example(
    names=["", " ", "null", "\\N", "\\.", "\n\\.\n", "\r", "\r\n", '"', '""', "'", ",", "\\", "a\tb", "ä€😀", "\x7f"]
)
def test_any_text_is_kept_as_it_is(new_boundary: NewBoundary, names: list[str]) -> None:
    boundary = new_boundary()
    events = [Event(name, name, Decimal(1), None, START, (0, n, 0)) for n, name in enumerate(names)]
    boundary.commit(events)
    cut = boundary.batch.cut()
    boundary.commit(events)
    boundary.publish(1, cut, events)
    assert boundary.shows() == expected(events + events)
