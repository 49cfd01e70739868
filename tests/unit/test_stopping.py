"""A signal may come at any moment of what it stops."""

import signal
from collections.abc import Iterator
from threading import Thread, Timer

import pytest

from app.stopping import Stop, asked_to_stop


@pytest.fixture
def alarm() -> Iterator[None]:
    """Lets a test set its own handler of SIGALRM."""
    before = signal.getsignal(signal.SIGALRM)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.usefixtures("alarm")
@pytest.mark.timeout(30, method="thread")  # the other method is a SIGALRM, too
def test_a_signal_while_waiting_begins_or_ends_stops_the_wait() -> None:
    for _ in range(200):
        stop = Stop()
        signal.signal(signal.SIGALRM, lambda *_, stop=stop: stop.set())
        signal.setitimer(signal.ITIMER_REAL, 0.001)
        while not stop.wait(1e-6):
            pass


def test_all_who_wait_are_told_and_whoever_comes_later() -> None:
    stop, told = Stop(), list[bool]()
    waiting = [Thread(target=lambda: told.append(stop.wait(30))) for _ in range(3)]
    for thread in waiting:
        thread.start()
    Timer(0.01, stop.set).start()
    for thread in waiting:
        thread.join(30)

    assert (told, stop.wait(30), stop.is_set()) == ([True] * 3, True, True)


def test_it_is_not_set_until_then() -> None:
    stop = Stop()

    assert (stop.wait(0), stop.wait(0.001), stop.is_set()) == (False, False, False)


@pytest.mark.usefixtures("default_signals")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_either_signal_asks_to_stop(number: signal.Signals) -> None:
    stop = asked_to_stop()
    signal.raise_signal(number)

    assert stop.is_set()
