"""The verification proves the lake tables of views, and finds one that is not of the published version."""

from collections.abc import Callable
from typing import Any

import pytest
from pyspark.sql import DataFrame

from app import batch, verify_lake
from app.lake import Derived, Lake, LakeError
from app.model import Count, LakeTable, View
from app.postgres import Role
from app.relations import relations
from app.serving import of_version
from app.verify import Verdict
from app.versions import Versions
from tests.integration.conftest import NewStack, Stack, event

GOLD = (LakeTable("gold", view="clients"),)


class Killed(Exception):
    """Stands for the end of the process."""


@pytest.fixture
def stack(new_stack: NewStack) -> Stack:
    """A pipeline whose view is copied to the lake, and of which one version counts one client."""
    stack = new_stack(lake=GOLD)
    stack.send(event("1"))
    stack.count_everything()
    return stack


def test_a_view_without_rows_and_one_of_no_version_are_exact(new_stack: NewStack) -> None:
    stack = new_stack(lake=GOLD)
    assert _gold(stack.verify()) == (True, 0)
    stack.batch()
    assert _gold(stack.verify()) == (True, 0)
    stack.send(event("1"))
    stack.count_everything()
    assert _gold(stack.verify()) == (True, 1)


def test_what_a_batch_that_was_killed_has_not_copied_is_found_until_the_next_one(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(batch, "_copy_views", _kill)
        with pytest.raises(Killed):
            _count(stack, "2", "bob")
    verdict = stack.verify()
    assert (verdict.version, verdict.views.exact, verdict.lake.differing) == (2, True, {"gold": 2})
    ada, bob = verdict.lake.differences
    assert (ada.held or "").endswith('"_version":1}')
    assert (ada.recount or "").endswith('"_version":2}')
    assert bob.held is None
    stack.batch()
    assert _gold(stack.verify()) == (True, 2)


def test_the_copy_of_a_version_that_was_rolled_back_is_found_until_the_next_batch(stack: Stack) -> None:
    _count(stack, "2", "bob")
    with stack.working(Role.BATCH) as ledger:
        assert Versions(ledger).rollback().version == 1
    verdict = stack.verify()
    assert (verdict.version, verdict.views.exact, verdict.lake.differing) == (1, True, {"gold": 2})
    assert stack.batch().version == 3
    assert _gold(stack.verify()) == (True, 2)


def test_a_batch_that_has_published_and_not_copied_yet_is_no_damage(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = batch._copy_views
    found: list[tuple[bool, int]] = []

    def verify_and_copy(*arguments: Any) -> None:
        found.append(_gold(stack.verify()))
        copy(*arguments)

    monkeypatch.setattr(batch, "_copy_views", verify_and_copy)
    _count(stack, "2", "bob")
    assert found == [(True, 1)]


def test_a_first_batch_that_has_published_and_not_copied_yet_is_no_damage(
    new_stack: NewStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack = new_stack(lake=GOLD)
    stack.send(event("1"))
    found: list[tuple[bool, int]] = []
    monkeypatch.setattr(batch, "_copy_views", lambda *_: found.append(_gold(stack.verify())))
    stack.count_everything()
    assert found == [(True, 0)]


def test_a_batch_between_the_published_version_and_the_table_is_no_damage(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    derived = Lake.derived
    left: list[Callable[[], Any]] = [lambda: _count(stack, "2", "bob")]

    def count_and_read(self: Lake, table: str) -> Derived | None:
        if table == "gold" and left:
            left.pop()()
        return derived(self, table)

    monkeypatch.setattr(Lake, "derived", count_and_read)
    verdict = stack.verify()
    assert (verdict.version, *_gold(verdict)) == (1, True, 2)


def test_batches_that_prune_the_version_of_a_table_that_is_read_are_no_damage(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = ["2", "3", "4"]

    def count_and_read(*arguments: Any) -> DataFrame:
        while left:
            _count(stack, left[0], left.pop(0))
        return of_version(*arguments)

    monkeypatch.setattr(verify_lake, "of_version", count_and_read)
    verdict = stack.verify()
    assert stack.owner(f"SELECT FROM batch.{relations(stack.pipeline)[0].name} WHERE version = 1") == []
    assert (verdict.version, *_gold(verdict)) == (1, True, 4)


def test_a_changed_row_of_a_view_without_keys_is_found(new_stack: NewStack) -> None:
    stack = new_stack(lake=(LakeTable("gold", view="all"),), views=(View("all", (), (Count("count"),)),))
    stack.send(event("1"))
    stack.count_everything()
    stack.spark.sql(f"UPDATE delta.`{stack.lake.path('gold')}` SET count = 7")
    (found,) = stack.verify().lake.differences
    assert (found.held, found.recount) == ('{"count":7,"_version":1}', '{"count":1,"_version":1}')


def test_a_table_with_other_columns_is_refused(stack: Stack) -> None:
    stack.spark.sql(f"ALTER TABLE delta.`{stack.lake.path('gold')}` ADD COLUMN note string")
    with pytest.raises(LakeError, match=r"gold of .* has the columns .*, note string; expected: .*_version int\."):
        stack.verify()
    stack.batch()
    assert _gold(stack.verify()) == (True, 1)


def _count(stack: Stack, id_: str, client: str) -> None:
    stack.send(event(id_, client))
    stack.count_everything()


def _gold(verdict: Verdict) -> tuple[bool, int]:
    """Whether views and tables are exact, and how many rows the table of the view has."""
    return verdict.exact, verdict.lake.rows["gold"]


def _kill(*_: Any) -> None:
    raise Killed
