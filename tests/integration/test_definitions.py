"""A wrong definition ships, is fixed, and history is recomputed: readers are served all the time."""

from dataclasses import replace
from decimal import Decimal

import pytest

from app.batch import run
from app.claims import LedgerError
from app.ledger import DefinitionReplaced, Ledger
from app.pipelines.transactions import PIPELINE
from app.postgres import Role
from app.versions import Versions
from tests.integration.conftest import NewStack, Stack, event

Totals = dict[str, tuple[int, Decimal]]
IN_CENTS = tuple(replace(field, clean="amount * 100") if field.name == "amount" else field for field in PIPELINE.fields)


def test_a_wrong_definition_is_fixed_by_one_full_batch_while_readers_are_served(new_stack: NewStack) -> None:
    wrong = new_stack(columns=IN_CENTS)
    wrong.send(event("1", amount="1.10"), b"broken")
    wrong.count_everything()
    wrong.send(event("2", amount="2.20"))
    wrong.stream()
    mistaken = {"ada": (2, Decimal("330.00"))}
    assert wrong.totals() == mistaken

    fixed = wrong.define(columns=PIPELINE.columns)
    assert fixed.totals() == mistaken
    fixed.archive()
    scheduled = Ledger(wrong.connection(Role.BATCH), wrong.pipeline)  # a job that runs on and on
    run(wrong.lake, scheduled, wrong.settings, full=False)
    until_the_flip: list[Totals] = []
    version = fixed.batch(full=True, before_publish=lambda: until_the_flip.append(fixed.totals()))

    assert until_the_flip == [mistaken]
    assert (version.version, version.mode, version.accepted, version.quarantined) == (1, "full", 2, 1)
    assert fixed.totals() == {"ada": (2, Decimal("3.30"))}
    assert fixed.table("silver", "event_id", "amount") == [("1", Decimal("1.10")), ("2", Decimal("2.20"))]
    fixed.send(event("2", amount="2.20"), event("3", amount="3.30"))
    with pytest.raises(DefinitionReplaced, match="start it again"):
        wrong.stream()
    assert fixed.totals() == {"ada": (2, Decimal("3.30"))}
    fixed.stream()
    fixed.archive()
    assert fixed.totals() == {"ada": (3, Decimal("6.60"))}
    assert fixed.quarantined() == {"not_json_objects": 1}
    assert fixed.verify().exact
    assert fixed.batch().mode == "incremental"
    assert fixed.totals() == {"ada": (3, Decimal("6.60"))}


def test_publishing_a_new_definition_does_not_take_readers_back_in_time(stack: Stack) -> None:
    stack.send(event("1"))
    stack.count_everything()
    other = stack.define(checks=())
    stack.send(event("2"))
    stack.stream()
    stack.archive()
    assert stack.totals() == {"ada": (2, Decimal("2.00"))}
    other.batch(full=True)
    assert other.totals() == {"ada": (2, Decimal("2.00"))}
    other.send(event("2"), event("3"))
    other.stream()
    other.archive()
    assert other.totals() == {"ada": (3, Decimal("3.00"))}
    assert other.verify().exact


def test_a_batch_job_that_still_runs_the_old_definition_does_not_bring_it_back(stack: Stack) -> None:
    stack.send(event("1"))
    stack.count_everything()
    fixed = stack.define(columns=IN_CENTS)
    fixed.batch(full=True)
    assert fixed.totals() == {"ada": (1, Decimal("100.00"))}
    with pytest.raises(DefinitionReplaced):
        stack.batch()
    assert fixed.totals() == {"ada": (1, Decimal("100.00"))}
    assert fixed.table("silver", "amount") == [(Decimal("100.00"),)]


def test_a_rollback_gives_the_version_before_exactly_and_the_next_batch_is_exact(stack: Stack) -> None:
    for number in (1, 2):
        stack.send(event(f"{number}"))
        stack.count_everything()
    stack.send(event("3"), event("1"))
    stack.stream()
    with stack.working(Role.BATCH) as ledger:
        assert Versions(ledger).rollback().version == 1
        with pytest.raises(LedgerError, match="no version before the published one is kept"):
            Versions(ledger).rollback()
    assert stack.totals() == {"ada": (3, Decimal("3.00"))}
    stack.send(event("4"), event("2"))
    stack.stream()
    stack.archive()
    assert stack.totals() == {"ada": (4, Decimal("4.00"))}
    assert stack.verify().exact
    version = stack.batch()
    assert (version.version, version.mode, version.accepted, version.duplicates) == (3, "incremental", 4, 2)
    assert stack.totals() == {"ada": (4, Decimal("4.00"))}
    assert stack.table("silver", "event_id") == [("1",), ("2",), ("3",), ("4",)]
