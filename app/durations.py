"""Durations of a definition, such as '10 minutes'."""

import re
from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator

UNITS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
LONGEST = timedelta(days=3660)  # ten years: a horizon is looked up in Kafka, which knows no time before 1970


def span(duration: str) -> timedelta:
    """The length of a duration such as '10 minutes'.

    Raises:
        ValueError: it is not one, or longer than LONGEST.
    """
    found = re.fullmatch(r"([1-9]\d{0,5}) (second|minute|hour|day)s?", duration)
    length = timedelta(seconds=int(found[1]) * UNITS[found[2]]) if found else None
    if length is None:
        raise ValueError(
            f"{duration!r} is not a duration; write a whole number of at most 999999 and one of {', '.join(UNITS)}: "
            "'1 day'"
        )
    if length > LONGEST:
        raise ValueError(f"{duration!r} is too long; allowed: at most {LONGEST.days} days, which are ten years")
    return length


def _duration(value: str) -> str:
    span(value)
    return value


Duration = Annotated[str, AfterValidator(_duration)]
