"""The limits of the gate: what they allow fits every store, and what is just beyond is refused."""

import re
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.events import MAX_MESSAGE_BYTES
from app.limits import (
    EPOCH,
    FIRST,
    KEY_BYTES,
    LAST,
    MICROSECOND,
    STATE_BYTES,
    STRING_BYTES,
    key_room,
    moments,
)  # fmt: skip
from app.settings import HOME
from app.views import MOST_KEYS, Sliding, Tumbling

TYPES = {"name": "string", "other": "string", "number": "bigint", "price": "decimal(38,2)", "window_start": "timestamp"}


def micros(moment: datetime) -> int:
    return (moment - EPOCH) // MICROSECOND


@given(st.integers(1, 999_999), st.integers(1, 100))
def test_the_first_and_the_last_moment_are_those_of_which_all_windows_are_in_the_years(slide: int, times: int) -> None:
    length = slide * times
    window = Sliding(f"{length} seconds", f"{slide} seconds") if length <= 999_999 else Tumbling(f"{slide} seconds")
    span = timedelta(seconds=length if length <= 999_999 else slide) // MICROSECOND
    step = slide * 1_000_000
    found = moments([window])

    def holds(moment: int) -> bool:
        last = moment // step * step
        return last - (span - step) >= micros(FIRST) and last + span <= micros(LAST)

    assert holds(found.first)
    assert holds(found.last)
    assert not holds(found.first - 1)
    assert not holds(found.last + 1)


def test_without_windows_all_moments_of_the_years_are_allowed() -> None:
    assert moments([]) == (micros(FIRST), micros(LAST))


def test_of_several_windows_the_narrowest_counts() -> None:
    week, second = moments([Tumbling("7 days")]), moments([Tumbling("1 second")])
    assert moments([Tumbling("7 days"), Tumbling("1 second")]) == (max(week.first, second.first), week.last)
    assert week.first > second.first
    assert week.last < second.last


@pytest.mark.parametrize(("keys", "room"), [(("name",), 1024), (("name", "other"), 1024), (("name", "number"), 1016),
                                           (("price", "name", "window_start"), 992)])  # fmt: skip
def test_the_strings_of_a_key_have_what_the_rest_leaves(keys: tuple[str, ...], room: int) -> None:
    assert key_room(TYPES, keys) == room


def test_the_table_of_limits_is_the_limits() -> None:
    """The excerpt's is held by tests/spark/test_gate.py."""
    rows = re.findall(
        r"^\| ([^|]+) \| ([^|]+) \| `?[a-z_<>]*`? ?\|$", (HOME / "docs/pipelines.md").read_text(), re.MULTILINE
    )
    stated = {what: int(found[0].replace(",", "")) for what, limit in rows if (found := re.findall(r"^[\d,]+", limit))}
    assert stated == {
        "a message": MAX_MESSAGE_BYTES,
        "all keys of a view together": KEY_BYTES,
        "a column that an index of a view shows": KEY_BYTES,
        "a string that an expression makes": STRING_BYTES,
        "the JSON that `Latest`, `TopN` or an alert keeps of n events": STATE_BYTES,
        "keys of a view, with those of its window": MOST_KEYS,
    }
