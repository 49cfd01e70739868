"""Pauses between two tries."""

from app.pauses import Pauses


def test_pauses_double_up_to_five_minutes_and_begin_anew_after_a_success() -> None:
    pauses = Pauses()
    assert [pauses.next() for _ in range(8)] == [5, 10, 20, 40, 80, 160, 300, 300]
    pauses.reset()
    assert pauses.next() == 5


def test_a_pause_after_any_number_of_failures_is_a_number() -> None:
    assert Pauses(failures=10_000).next() == 300
