"""The runs of a job, and what it does side by side."""

import os
import signal
from itertools import islice
from threading import Barrier, Event
from unittest.mock import MagicMock

import pytest
from py4j.protocol import Py4JNetworkError

from app.job import repeated, side_by_side
from app.session import SparkEnded
from app.stopping import Stop
from app.supervisor import Supervisor

pytestmark = pytest.mark.usefixtures("default_signals")


def test_a_job_that_is_not_repeated_has_one_run() -> None:
    assert [stop.is_set() for stop in repeated(None)] == [False]


def test_a_repeated_job_goes_on_until_a_signal_which_its_run_is_told_of() -> None:
    told = []
    for run, stop in enumerate(repeated(every=1)):
        if run == 1:
            os.kill(os.getpid(), signal.SIGTERM)
        told.append(stop.wait(0.05))

    assert told == [False, True]


def test_as_many_items_are_worked_on_at_once_as_allowed_and_their_results_come_in_order() -> None:
    met = Barrier(2, timeout=60)  # which breaks unless two come at once

    assert list(side_by_side(2, lambda item: (item, met.wait() >= 0), range(6))) == [(n, True) for n in range(6)]


def test_no_more_items_are_worked_on_at_once_than_allowed() -> None:
    now, most, other = [], [], Event()

    def work(item: int) -> int:
        now.append(item)
        other.wait(0.05)
        most.append(len(now))
        now.remove(item)
        return item

    assert list(side_by_side(2, work, range(6))) == list(range(6))
    assert max(most) <= 2


def test_an_error_spares_the_others_and_is_raised_when_all_have_ended(caplog: pytest.LogCaptureFixture) -> None:
    def work(item: int) -> int:
        if item in (0, 2):
            raise ValueError(f"of {item}")
        return item

    results = side_by_side(2, work, range(4))
    assert list(islice(results, 2)) == [1, 3]
    with pytest.raises(ValueError, match="of 0"):
        next(results)
    assert caplog.messages == ["of 2"]


def test_what_has_not_begun_when_a_job_is_stopped_is_left_out() -> None:
    stop = Stop()

    def work(item: int) -> int:
        if item == 2:
            stop.set()
        return item

    assert list(side_by_side(1, work, range(6), stop)) == [0, 1, 2]


@pytest.mark.parametrize("stopped", [True, Py4JNetworkError("the connection was refused"), ConnectionRefusedError()])
def test_a_job_whose_spark_has_ended_ends_and_blames_no_pipeline(stopped: bool | Exception) -> None:
    spark, failures = MagicMock(), MagicMock()
    spark._jsc.sc.return_value.isStopped.side_effect = [stopped] * 9
    streams = MagicMock(start=MagicMock(side_effect=Py4JNetworkError("the answer is empty")))
    with pytest.raises(SparkEnded, match="has ended"):
        Supervisor(spark, failures, [streams]).run(Stop())
    failures.record.assert_not_called()
