"""How many answers the API gives, and how fast, of its metrics."""

import pytest

from dashboard.answers import Answers, Pace, counted, pace
from tests.answering import metrics


def test_answers_between_two_moments_have_a_rate_and_a_middle() -> None:
    before, now = counted(metrics(100), 10.0), counted(metrics(150), 20.0)

    assert pace(before, now) == Pace(5.0, 0.005)


def test_what_took_longer_moves_the_middle() -> None:
    slow = metrics(100).replace('"0.005",status="200"} 90.0', '"0.005",status="200"} 49.0')

    assert pace(None, counted(slow, 10.0)) == Pace(None, 0.05)


@pytest.mark.parametrize("before", [None, counted(metrics(200), 5.0)], ids=["first look", "began anew"])
def test_without_an_earlier_look_at_the_same_api_there_is_no_rate(before: Answers | None) -> None:
    assert pace(before, counted(metrics(100), 10.0)) == Pace(None, 0.005)


def test_where_nothing_was_answered_there_is_no_middle() -> None:
    assert pace(counted(metrics(100), 5.0), counted(metrics(100), 10.0)) == Pace(0.0, None)
    assert pace(None, counted("", 10.0)) == Pace(None, None)
