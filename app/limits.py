"""What every store can hold of an event: the limits of the gate (see `app.gate`) and of definitions.

All are of UTF-8 bytes, before anything is compressed.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from app.durations import span
from app.events import MAX_MESSAGE_BYTES
from app.measures import State
from app.views import Sliding, Tumbling

# Of all keys of a view together, and of a column that readers search by: an index of Postgres takes 2,704 bytes.
KEY_BYTES = 1024
STRING_BYTES = MAX_MESSAGE_BYTES  # of a string: what an expression makes is no longer than what a message may bring
STATE_BYTES = 16 * 1024 * 1024  # of the JSON that n events add to a key: a jsonb of Postgres takes 255 MiB
# Of the values that are no strings: in an index, and in JSON.
WIDTHS = {"int": (4, 11), "bigint": (8, 20), "boolean": (1, 5), "date": (4, 12), "timestamp": (8, 34)}
DECIMAL_WIDTHS = (24, 42)
ESCAPED = 6  # bytes that JSON may make of one: \\u0001
BESIDE = 100  # bytes of JSON around a row that is kept
FIRST = datetime(1, 1, 1, tzinfo=UTC)  # of the moments that Postgres, Python and JSON have in common
LAST = datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


class Moments(NamedTuple):
    """The first and the last moment that are allowed, in microseconds since 1970."""

    first: int
    last: int


def widths(column_type: str) -> tuple[int, int] | None:
    """Bytes of a value in an index and in JSON, at most; None: a string, which may have any number."""
    return None if column_type == "string" else WIDTHS.get(column_type, DECIMAL_WIDTHS)


def key_room(types: Mapping[str, str], keys: Iterable[str]) -> int:
    """Bytes that the strings among the keys of a view may have together."""
    return KEY_BYTES - sum(found[0] for key in keys if (found := widths(types[key])))


def state_room(types: Mapping[str, str], state: State) -> int:
    """Bytes of JSON that the strings of a row may have which a state keeps whole."""
    fixed = sum(len(name) + (found[1] if (found := widths(types[name])) else 2) + 4 for name in state.of)
    return STATE_BYTES // max(state.n, 1) - BESIDE - fixed


def moments(windows: Iterable[Tumbling | Sliding]) -> Moments:
    """Between which moments all windows that hold one begin and end in the years 1 to 9999."""
    first, last = ((end - EPOCH) // MICROSECOND for end in (FIRST, LAST))
    allowed = [(first, last)]
    for window in windows:
        length, slide = (span(text) // MICROSECOND for text in (window.length, window.slide))
        # The last window that holds a moment starts at the multiple of the slide before it, the first so much earlier.
        allowed.append((-((slide - length - first) // slide) * slide, (last - length) // slide * slide + slide - 1))
    return Moments(max(one[0] for one in allowed), min(one[1] for one in allowed))
