"""Durations of a definition, such as '10 minutes'."""

import re
from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator

UNITS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}


def span(duration: str) -> timedelta:
    """The length of a duration such as '10 minutes'.

    Raises:
        ValueError: it is not one.
    """
    found = re.fullmatch(r"([1-9]\d{0,5}) (second|minute|hour|day)s?", duration)
    if not found:
        raise ValueError(
            f"{duration!r} is not a duration; write a whole number of at most 999999 and one of {', '.join(UNITS)}: "
            "'1 day'"
        )
    return timedelta(seconds=int(found[1]) * UNITS[found[2]])


def _duration(value: str) -> str:
    span(value)
    return value


Duration = Annotated[str, AfterValidator(_duration)]
