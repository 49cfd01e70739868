"""What a request may say, read and refused in one way."""

import re
from datetime import date

from flask import request
from werkzeug.exceptions import BadRequest

MAX_LIMIT = 10_000


def limit(default: int) -> int:
    """How many rows at most: the parameter `limit`.

    Raises:
        BadRequest: it is not from 1 to MAX_LIMIT.
    """
    given = request.args.get("limit", str(default))
    if not re.fullmatch("[0-9]{1,9}", given) or not 1 <= int(given) <= MAX_LIMIT:
        raise BadRequest(f"limit is {given!r}; expected a whole number from 1 to {MAX_LIMIT}")
    return int(given)


def day() -> date | None:
    """A date: the parameter `date`; None where it is not given.

    Raises:
        BadRequest: it is not one.
    """
    given = request.args.get("date")
    if given is None:
        return None
    try:
        if not re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", given):
            raise ValueError(given)
        return date.fromisoformat(given)
    except ValueError:
        raise BadRequest(f"date is {given!r}; expected one such as 2026-12-31") from None
