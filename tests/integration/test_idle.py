"""A batch layer that runs again and again: it counts whatever has come, and nothing twice over."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from app import history
from app.idle import IDLE_SECONDS, Latest
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
def latest(stack: Stack, clock: Clock) -> Iterator[Latest]:
    """That of a process which has published what there is."""
    with stack.working(Role.BATCH) as ledger:
        found = Latest(stack.lake, ledger, clock)
        version = stack.count_everything()
        assert not found.counts_all()  # another process may have died before it wrote all that belongs to its version
        found.published(version)
        assert found.counts_all()
        yield found


def test_what_has_come_is_counted(stack: Stack, latest: Latest, tmp_path: Path) -> None:
    def count() -> None:
        assert not latest.counts_all()
        latest.published(stack.batch())
        assert latest.counts_all()

    stack.send(event("2"))
    stack.archive()
    assert latest.counts_all()  # a batch that ran now would not count it: the ledger is where it was
    stack.stream()
    count()
    (stack.drops / "a.json").write_text(f"{json.dumps(event('d1'))}\n")
    stack.take_drops()
    count()
    (tmp_path / "b.json").write_text((tmp_path / "a.json").read_text())
    assert latest.counts_all()  # a file is known by its content
    (tmp_path / "b.json").write_text(json.dumps(event("h2")))
    count()
    assert stack.totals()["ada"][0] == 5


def test_a_version_that_readers_do_not_see_is_not_what_counts(stack: Stack, latest: Latest) -> None:
    latest.published(stack.batch())
    assert latest.counts_all()
    with stack.working(Role.BATCH) as ledger:
        Versions(ledger).rollback()
    assert not latest.counts_all()


def test_one_that_a_newer_definition_replaced_is_not_either(stack: Stack, latest: Latest) -> None:
    stack.define(max_quarantined_percent=7, batch_within="10 minutes", views=stack.pipeline.views[:1]).batch()
    assert not latest.counts_all()  # so that the run refuses it


@pytest.mark.parametrize(("target", "seconds"), [("1 hour", IDLE_SECONDS), ("1 day", IDLE_SECONDS), ("4 minutes", 120)])
def test_a_version_is_published_anew_before_it_is_older_than_its_target(
    new_stack: NewStack, clock: Clock, target: str, seconds: int
) -> None:
    stack = new_stack(batch_within=target)
    with stack.working(Role.BATCH) as ledger:
        latest = Latest(stack.lake, ledger, clock)
        latest.published(stack.batch())
        clock.now = seconds - 1
        assert latest.counts_all()
        clock.now = seconds
        assert not latest.counts_all()
