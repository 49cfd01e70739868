"""A batch layer that runs again and again: it counts whatever has come, and nothing twice over."""

import json
from pathlib import Path

import pytest

from app import history
from app.batch import run_unless_idle
from app.idle import IDLE_SECONDS, Latest
from app.ledger import DefinitionReplaced
from app.postgres import Role
from app.versions import Versions
from tests.integration.conftest import NewStack, Stack, event


class Clock:
    """A clock that the test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def stack(new_stack: NewStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stack:
    """A pipeline with a history file, dropped files and a message."""
    monkeypatch.setattr(history, "HOME", tmp_path)
    (tmp_path / "a.json").write_text(json.dumps(event("h1")))
    made = new_stack(history=("*.json",), drops=True)
    made.send(event("1"))
    return made


@pytest.fixture
def latest(stack: Stack, clock: Clock) -> Latest:
    """That of a process which has published what there is."""
    found = Latest(stack.lake, clock)
    stack.count_everything()  # by a process which may have died before it wrote all that belongs to its version
    assert again(stack, found) == 2
    assert again(stack, found) is None
    return found


def again(stack: Stack, latest: Latest, full: bool = False) -> int | None:
    """The version that another run publishes; None: none."""
    with stack.working(Role.BATCH) as ledger:
        version = run_unless_idle(latest, ledger, stack.settings, full)
    return version.version if version else None


def test_what_has_come_is_counted_once(stack: Stack, latest: Latest, tmp_path: Path) -> None:
    stack.send(event("2"))
    stack.archive()
    assert again(stack, latest) is None  # a batch would not count it yet: the ledger is where it was
    stack.stream()
    assert [again(stack, latest), again(stack, latest)] == [3, None]
    (stack.drops / "a.json").write_text(f"{json.dumps(event('d1'))}\n")
    stack.take_drops()
    assert [again(stack, latest), again(stack, latest)] == [4, None]
    (tmp_path / "b.json").write_text((tmp_path / "a.json").read_text())
    assert again(stack, latest) is None  # a file is known by its content
    (tmp_path / "b.json").write_text(json.dumps(event("h2")))
    assert [again(stack, latest), again(stack, latest)] == [5, None]
    assert again(stack, latest, full=True) == 6
    assert stack.totals()["ada"][0] == 5


def test_a_version_that_readers_do_not_see_is_not_what_counts(stack: Stack, latest: Latest) -> None:
    with stack.working(Role.BATCH) as ledger:
        Versions(ledger).rollback()
    assert again(stack, latest) == 3


def test_one_that_a_newer_definition_replaced_is_refused(stack: Stack, latest: Latest) -> None:
    stack.define(checks=()).batch(full=True)
    with pytest.raises(DefinitionReplaced):
        again(stack, latest)


@pytest.mark.parametrize(("target", "seconds"), [("1 hour", IDLE_SECONDS), ("1 day", IDLE_SECONDS), ("4 minutes", 120)])
def test_a_version_is_published_anew_before_it_is_older_than_its_target(
    new_stack: NewStack, clock: Clock, target: str, seconds: int
) -> None:
    stack = new_stack(batch_within=target)
    latest = Latest(stack.lake, clock)
    assert again(stack, latest) == 1
    clock.now = seconds - 1
    assert again(stack, latest) is None
    clock.now = seconds
    assert again(stack, latest) == 2
