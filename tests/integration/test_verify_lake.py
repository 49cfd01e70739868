"""The verification proves the lake tables, also while batches run."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from app import lake, verify, verify_lake
from app.lake import LakeError
from app.postgres import Role
from app.verify_job import show
from app.versions import Versions
from tests.integration.conftest import Stack, event
from tests.integration.late import place_a_duplicate_out_of_order


class Killed(Exception):
    """Stands for the end of the process."""


def kill() -> None:
    raise Killed


def test_tables_are_exact_also_when_a_batch_writes_after_it_is_known_what_they_must_hold(
    counted: Stack, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _once_before(monkeypatch, verify_lake, "digests", counted.batch)

    verdict = counted.verify()

    assert verdict.exact
    assert verdict.version == 2
    assert verdict.lake.rows == {"bronze": 14, "silver": 5, "large": 1, "quarantine": 3, "gold": 3}
    show(verdict)
    name = counted.pipeline.name
    assert f"\nverify: exact {name}/silver: 5 rows\nverify: exact {name}/large: 1 rows\n" in capsys.readouterr().out
    assert counted.verify().lake.rows == {"bronze": 14, "silver": 6, "large": 2, "quarantine": 3, "gold": 3}


def test_before_the_first_version_there_are_no_rows_but_those_of_a_batch_that_did_not_publish(stack: Stack) -> None:
    stack.send(event("1"), b"broken")
    stack.stream()
    stack.archive()

    verdict = stack.verify()

    assert (verdict.version, verdict.exact) == (0, True)
    assert verdict.lake.rows == {"bronze": 2, "silver": 0, "quarantine": 0}
    with pytest.raises(Killed):
        stack.batch(before_publish=kill)
    verdict = stack.verify()
    assert (verdict.version, verdict.exact) == (0, True)
    assert verdict.lake.rows == {"bronze": 2, "silver": 1, "quarantine": 1}


def test_a_batch_that_publishes_after_the_snapshot_changes_nothing(
    counted: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    _once_before(monkeypatch, verify, "wait_until_archived", counted.batch)
    verdict = counted.verify()
    assert (verdict.version, verdict.exact) == (2, True)
    assert verdict.lake.rows == {"bronze": 14, "silver": 6, "large": 2, "quarantine": 3, "gold": 3}

    _once_before(monkeypatch, verify, "wait_until_archived", lambda: counted.batch(full=True))
    verdict = counted.verify()
    assert (verdict.version, verdict.exact) == (3, True)
    assert verdict.lake.rows == {"bronze": 14, "silver": 6, "large": 2, "quarantine": 3, "gold": 3}
    assert counted.verify().version == 4


def test_a_batch_that_computes_everything_anew_may_be_before_or_after_its_publish(stack: Stack) -> None:
    place_a_duplicate_out_of_order(stack)
    assert stack.verify().exact
    with pytest.raises(Killed):
        stack.batch(before_publish=kill)
    assert stack.table("silver", "_partition") == [(0,)]  # the one that is below the published cut is gone
    assert (stack.verify().version, stack.verify().exact) == (1, True)
    found: list[bool] = []
    assert stack.batch(before_publish=lambda: found.append(stack.verify().exact)).version == 2
    assert found == [True]
    assert stack.verify().exact
    with stack.working(Role.BATCH) as ledger:
        assert Versions(ledger).rollback().version == 1
    assert (stack.verify().version, stack.verify().exact) == (1, True)


def test_a_batch_that_writes_one_table_after_the_other_is_no_damage(
    counted: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = lake.Lake._write
    found: list[dict[str, int]] = []

    def write_and_verify(self: lake.Lake, table: str, *arguments: Any) -> None:
        write(self, table, *arguments)
        verdict = counted.verify()
        assert verdict.exact
        found.append(verdict.lake.rows)

    monkeypatch.setattr(lake.Lake, "_write", write_and_verify)
    counted.batch()

    assert found[0] == {"bronze": 14, "silver": 6, "large": 1, "quarantine": 3, "gold": 3}
    assert found[1] == {"bronze": 14, "silver": 6, "large": 2, "quarantine": 3, "gold": 3}


def test_a_table_of_a_definition_that_is_not_published_is_refused(stack: Stack) -> None:
    stack.send(event("1"))
    stack.count_everything()
    other = stack.define(checks=())
    with pytest.raises(Killed):
        other.batch(full=True, before_publish=kill)
    expected = (
        f"silver of {stack.pipeline.name} was derived last by definition {other.pipeline.fingerprint}, expected "
        f"{stack.pipeline.fingerprint}"
    )
    with pytest.raises(LakeError, match=expected):
        stack.verify()
    stack.batch(full=True)
    assert stack.verify().exact


def _once_before(monkeypatch: pytest.MonkeyPatch, module: ModuleType, step: str, happens: Callable[[], Any]) -> None:
    """Makes something happen just before a step of the next verification."""
    does = getattr(module, step)
    left = [happens]

    def after(*arguments: Any) -> Any:
        if left:
            left.pop()()
        return does(*arguments)

    monkeypatch.setattr(module, step, after)
