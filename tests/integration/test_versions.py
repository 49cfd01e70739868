"""What publishing lets go: a definition that was replaced, and nothing that a reader or a rollback needs."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from app.job import connected
from app.ledger import DefinitionReplaced
from app.postgres import Role
from app.relations import relations
from app.settings import Settings
from tests.integration.boundary import Boundary, NewBoundary
from tests.integration.oracle import VIEWS, Event, expected

EVENTS = [Event(f"{n}", "ada", Decimal(n), None, datetime(2026, 1, 1, tzinfo=UTC), (0, n, 0)) for n in range(6)]


def tables(boundary: Boundary) -> int:
    """How many tables there are of a definition."""
    names = ", ".join(f"'{relation.name}'" for relation in relations(boundary.pipeline))
    return len(
        boundary.owned(f"SELECT FROM pg_tables WHERE schemaname IN ('batch', 'speed') AND tablename IN ({names})")
    )


def counted(boundary: Boundary, number: int = 1) -> None:
    """Publishes a version of all events, committed or not."""
    boundary.publish(number, boundary.batch.cut(), EVENTS)


def test_the_tables_of_a_definition_go_when_a_newer_one_is_published(new_boundary: NewBoundary) -> None:
    old = new_boundary()
    old.commit(EVENTS)
    counted(old)
    new = old.define(checks=())
    newest = old.define(dedup=None)
    assert [tables(each) for each in (old, new, newest)] == [10, 10, 10]

    counted(new)

    assert [tables(each) for each in (old, new, newest)] == [0, 10, 10]
    assert new.shows() == expected(EVENTS)


def test_a_rollback_after_a_definition_was_removed_is_exact(new_boundary: NewBoundary) -> None:
    old = new_boundary()
    new = old.define(checks=())
    new.publish(1, new.batch.cut(), [])
    new.commit(EVENTS)
    counted(new, 2)
    assert tables(old) == 0

    assert new.versions.rollback().version == 1

    assert new.shows() == expected(EVENTS)


def test_a_merged_view_that_the_newer_definition_does_not_have_goes_too(new_boundary: NewBoundary) -> None:
    old = new_boundary()
    new = old.define(views=VIEWS[1:])
    new.publish(1, new.batch.cut(), [])
    left = old.owned(
        "SELECT relname FROM pg_class WHERE relnamespace = 'serving'::regnamespace AND relkind IN ('r', 'v') "
        f"AND starts_with(relname, '{old.pipeline.name}_')"
    )
    assert {f"serving.{name}" for (name,) in left} == {relation.serving for relation in relations(new.pipeline)}


def test_a_job_of_a_removed_definition_is_told_to_start_again(new_boundary: NewBoundary) -> None:
    old = new_boundary()
    found = old.speed.offsets()
    counted(old.define(checks=()))
    with pytest.raises(DefinitionReplaced, match=r"has been published in place of .* start it again"):
        old.speed.move(found, {0: 1})
    with pytest.raises(DefinitionReplaced, match=r"has been published in place of .* start it again"):
        old.commit(EVENTS)


def test_a_removed_definition_that_comes_back_starts_where_the_published_one_stands(new_boundary: NewBoundary) -> None:
    old = new_boundary()
    old.commit(EVENTS[:2])
    counted(old)
    wrong = old.define(checks=())
    wrong.commit(EVENTS[2:])
    counted(wrong)
    again = wrong.define(checks=old.pipeline.checks)
    assert again.pipeline.fingerprint == old.pipeline.fingerprint
    assert again.speed.offsets() == wrong.speed.offsets() == {0: 6}
    assert tables(again) == 10

    counted(again, again.versions.next_number())

    assert again.shows() == expected(EVENTS)
    assert tables(wrong) == 0
    again.commit(EVENTS)
    assert again.shows() == expected(EVENTS + EVENTS)


def test_tables_that_are_being_read_stay_until_the_next_batch(new_boundary: NewBoundary, database: Settings) -> None:
    old = new_boundary()
    new = old.define(checks=())
    with connected(database, Role.MIGRATE) as connect:
        reading = connect()
        reading.cursor().execute(f"SELECT FROM batch.{relations(old.pipeline)[2].name}")
        counted(new)
        assert tables(old) == 10
    assert new.shows() == expected(EVENTS)

    counted(new, 2)

    assert tables(old) == 0
