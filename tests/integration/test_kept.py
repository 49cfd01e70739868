"""A view with indexes is a table whose rows are those of the merged view, whoever changes it, and when."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

from tests.integration.boundary import Boundary, NewBoundary
from tests.integration.oracle import VIEWS, Event, expected

EVENTS = [
    Event(f"{n}", f"client-{n % 3}", Decimal(n), None, datetime(2026, 1, 1, tzinfo=UTC), (0, n, 0)) for n in range(12)
]


def kind(boundary: Boundary) -> str:
    return str(
        boundary.owned(f"SELECT relkind FROM pg_class WHERE oid = 'serving.{boundary.pipeline.name}_clients'::regclass")
    )


def test_readers_get_a_table_with_the_keys_and_the_indexes(new_boundary: NewBoundary) -> None:
    boundary = new_boundary()

    found = boundary.owned(
        "SELECT indexdef FROM pg_indexes WHERE schemaname = 'serving' "
        f"AND tablename = '{boundary.pipeline.name}_clients' ORDER BY indexname"
    )

    indexed = [(definition.split("(")[1].strip(')"'), "UNIQUE" in definition) for (definition,) in found]
    assert indexed == [("count", False), ("least", False), ("client", True)]


def test_it_shows_what_a_micro_batch_adds_and_what_a_batch_changes(new_boundary: NewBoundary) -> None:
    boundary = new_boundary()
    boundary.commit(EVENTS[:6])
    assert boundary.shows() == expected(EVENTS[:6])
    cut = boundary.batch.cut()
    boundary.commit(EVENTS[6:9])

    boundary.publish(1, cut, EVENTS[3:6])  # a recount that finds half of them, one client's not at all, were duplicates

    assert boundary.shows() == expected(EVENTS[3:9])
    boundary.commit(EVENTS[9:])
    assert boundary.shows() == expected(EVENTS[3:])


def test_a_key_that_a_version_does_not_have_any_more_goes(new_boundary: NewBoundary) -> None:
    boundary = new_boundary()
    boundary.commit(EVENTS)
    boundary.publish(1, boundary.batch.cut(), EVENTS[:1])
    assert boundary.shows() == expected(EVENTS[:1])


def test_a_rollback_takes_it_back_too(new_boundary: NewBoundary) -> None:
    boundary = new_boundary()
    boundary.commit(EVENTS)
    boundary.publish(1, boundary.batch.cut(), EVENTS)
    boundary.publish(2, boundary.batch.cut(), EVENTS[:2])

    boundary.versions.rollback()

    assert boundary.shows() == expected(EVENTS)


def test_a_definition_may_turn_a_view_into_a_table_and_back(new_boundary: NewBoundary) -> None:
    plain = new_boundary(views=tuple(replace(view, indexes=()) for view in VIEWS))
    kept = plain.define(views=VIEWS)
    plain.commit(EVENTS)
    assert kind(plain) == "[('v',)]"

    kept.publish(1, kept.batch.cut(), EVENTS)

    assert kind(kept) == "[('r',)]"
    assert kept.shows() == expected(EVENTS)
    again = kept.define(views=plain.pipeline.views, checks=())
    again.publish(1, again.batch.cut(), EVENTS)
    assert kind(again) == "[('v',)]"


def test_micro_batches_beside_publishes_leave_no_row_behind(new_boundary: NewBoundary) -> None:
    boundary = new_boundary()

    def commit_all() -> None:
        for event in EVENTS:
            boundary.commit([event])

    with ThreadPoolExecutor(1) as other:
        committing = other.submit(commit_all)
        number = 0
        while not committing.done():
            number += 1
            cut = boundary.batch.cut()
            boundary.publish(number, cut, EVENTS[: cut.offsets.get(0, 0)])
        committing.result()

    assert boundary.shows() == expected(EVENTS)
