"""A duplicate that arrived before the event that a version counts replaces it, once, whatever becomes of the batch."""

from decimal import Decimal
from typing import NoReturn

import pytest

from app.postgres import Role
from app.versions import Versions
from tests.integration.conftest import Stack
from tests.integration.late import place_a_duplicate_out_of_order

ONE = {"ada": (1, Decimal("1.00"))}


def test_the_batch_that_finds_it_computes_everything_anew(stack: Stack) -> None:
    place_a_duplicate_out_of_order(stack)

    version = stack.batch()

    assert (version.version, version.mode, version.accepted, version.duplicates) == (2, "full", 1, 1)
    assert stack.totals() == ONE
    assert stack.table("silver", "_partition") == [(0,)]


def test_it_does_not_count_too_when_that_batch_is_killed_before_it_publishes(stack: Stack) -> None:
    place_a_duplicate_out_of_order(stack)
    with pytest.raises(KeyboardInterrupt):
        stack.batch(before_publish=_interrupt)
    assert stack.totals() == ONE

    version = stack.batch()

    assert (version.version, version.mode, version.accepted, version.duplicates) == (2, "full", 1, 1)
    assert stack.totals() == ONE
    assert stack.verify().exact


def test_it_does_not_count_too_when_that_version_is_rolled_back(stack: Stack) -> None:
    place_a_duplicate_out_of_order(stack)
    stack.batch()
    with stack.working(Role.BATCH) as ledger:
        assert Versions(ledger).rollback().version == 1
    assert stack.totals() == ONE

    version = stack.batch()

    assert (version.version, version.mode, version.accepted, version.duplicates) == (3, "full", 1, 1)
    assert stack.totals() == ONE
    assert stack.verify().exact


def _interrupt() -> NoReturn:
    raise KeyboardInterrupt
