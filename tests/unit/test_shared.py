"""What all viewers share: one reading at a time, kept when the next one fails; and what is remembered of it."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from dashboard.history import RATE_OVER, SECONDS, History
from dashboard.shared import KEPT, RETRY, Reading, Shared


class Source:
    """Gives numbers one after the other, or fails."""

    def __init__(self) -> None:
        self.numbers: Iterator[int] = iter(range(1_000_000))
        self.fails = False

    def __call__(self) -> int:
        if self.fails:
            raise OSError("it is gone")
        return next(self.numbers)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def shared(clock: Clock) -> Shared:
    return Shared(clock)


def test_a_reading_serves_until_it_is_old(shared: Shared, clock: Clock) -> None:
    source = Source()
    found = []
    for clock.now in (0.0, 4.9, 5.0):
        found.append(shared.read("it", source, age=5))

    assert found == [Reading(0, 0.0, None), Reading(0, 4.9, None), Reading(1, 0.0, None)]


def test_what_was_read_last_stays_with_its_age_and_is_tried_again(shared: Shared, clock: Clock) -> None:
    source = Source()
    shared.read("it", source, OSError, age=1)
    source.fails, clock.now = True, 10.0
    assert shared.read("it", source, OSError, age=1) == Reading(0, 10.0, "it is gone")

    source.fails, clock.now = False, 10.0 + RETRY / 2
    assert shared.read("it", source, OSError, age=1).error == "it is gone"
    clock.now = 10.0 + RETRY
    assert shared.read("it", source, OSError, age=1) == Reading(1, 0.0, None)


def test_what_is_read_once_is_tried_again_after_a_failure(shared: Shared, clock: Clock) -> None:
    source = Source()
    source.fails = True
    assert shared.read("it", source, OSError, age=float("inf")) == Reading(None, 0.0, "it is gone")

    source.fails, clock.now = False, RETRY
    assert shared.read("it", source, OSError, age=float("inf")).value == 0


def test_a_failure_that_nobody_expects_is_raised(shared: Shared) -> None:
    source = Source()
    source.fails = True

    with pytest.raises(OSError, match="gone"):
        shared.read("it", source, ValueError)


def test_all_who_ask_at_once_get_one_reading(shared: Shared) -> None:
    source, entered = Source(), threading.Barrier(8)

    def ask() -> Reading:
        entered.wait(60)
        return shared.read("it", source, age=5)

    with ThreadPoolExecutor(8) as pool:
        found = [task.result(60) for task in [pool.submit(ask) for _ in range(8)]]
    assert {one.value for one in found} == {0}


def test_what_was_asked_for_long_ago_is_forgotten(shared: Shared) -> None:
    source = Source()
    for name in range(KEPT):
        shared.read(name, source, age=1000)
    shared.read(0, source, age=1000)
    shared.read("one more", source, age=1000)

    assert shared.read(0, source, age=1000).value == 0
    assert shared.read(1, source, age=1000).value == KEPT + 1


def status(counted: int, freshness: float | None = 1.0) -> dict[str, Any]:
    return {"offsets": {"0": counted}, "freshness_seconds": freshness, "written": None}


def test_a_rate_is_of_the_last_seconds() -> None:
    history = History()
    history.add("one", status(0), None, 100.0)
    assert history.rate("one", "counted") is None
    history.add("one", status(1_000), None, 110.0)
    assert history.rate("one", "counted") == 100.0
    history.add("one", status(1_000 + 2 * RATE_OVER), None, 110.0 + RATE_OVER)

    assert history.rate("one", "counted") == 2.0
    assert history.rate("one", "sent") is None
    assert history.rate("another", "counted") is None


def test_a_log_that_was_made_anew_has_no_negative_rate() -> None:
    history = History()
    history.add("one", status(1_000), 2_000, 100.0)
    history.add("one", status(0), 10, 110.0)

    assert (history.rate("one", "counted"), history.rate("one", "sent")) == (0.0, 0.0)


def test_when_a_message_came_last_is_remembered() -> None:
    history = History()
    for second, sent in ((100, 5), (102, 7), (104, None), (106, 7), (108, 7)):
        history.add("one", status(0), sent, float(second))

    assert history.sent_at("one") == 102.0
    assert history.sent_at("another") is None


def test_a_log_that_only_stood_still_has_no_last_message() -> None:
    history = History()
    for second in (100, 102):
        history.add("one", status(0), 5, float(second))

    assert history.sent_at("one") is None


def test_what_is_remembered_has_an_end() -> None:
    history = History()
    for second in range(0, SECONDS * 2, 10):
        history.add("one", status(second), None, float(second))
        history.add("one", status(second), None, second + 0.5)

    seen = history.of("one")
    assert len(seen) == SECONDS // 10 + 1
    assert seen[-1].at - seen[0].at == SECONDS
