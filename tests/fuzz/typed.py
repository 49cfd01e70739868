"""From the JSON value of a field to the value of its column, in plain Python. Nothing of `app` is imported.

The rules are those of docs/pipelines.md; the grammar of a timestamp is that of Spark's cast of a string.
"""

import re
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal, InvalidOperation
from typing import Any

UNFIT: Any = object()  # what is not of the type
EXACT = Context(prec=2_500)
MICROS = 1_000_000
EPOCH_DAY = date(1970, 1, 1).toordinal()
FIRST_DAY, LAST_DAY = date(1, 1, 1).toordinal() - EPOCH_DAY, date(9999, 12, 31).toordinal() - EPOCH_DAY
FIRST, LAST = FIRST_DAY * 86_400 * MICROS, (LAST_DAY + 1) * 86_400 * MICROS - 1
NUMBER_BYTES = 100  # of the text of a number
WHOLE = {"int": 31, "bigint": 63}  # bits
BLANK = "".join(map(chr, range(33))) + "\x7f"  # what Spark trims before it casts
TRUE, FALSE = {"true", "t", "yes", "y", "1"}, {"false", "f", "no", "n", "0"}
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
LONG_EXPONENT = re.compile(r"[eE][+-]?[0-9]{4}")
TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d?)(?:[ T](\d\d?)(?::(\d\d?)(?::(\d\d?)(?:\.(\d*))?([^\d.].*)?)?)?)?", re.ASCII | re.DOTALL
)
OFFSET = re.compile(r"(?:UTC|GMT|UT)?([+-])(?:(\d\d?)(?::(\d\d?)(?::(\d\d))?)?|(\d\d)(\d\d)(\d\d)?)", re.ASCII)


class Number(str):
    """A JSON number, as it was sent."""

    __slots__ = ()


def typed(value: Any, kind: str) -> Any:
    """The value of a column; None for null, UNFIT for what is not of the type. `value`: as `oracle` reads JSON."""
    if value is None:
        return None
    if isinstance(value, bool):
        return value if kind == "boolean" else UNFIT
    if not isinstance(value, str):
        return UNFIT  # an object or array
    if any("\ud800" <= character <= "\udfff" for character in value):
        return UNFIT
    if kind == "string":
        return UNFIT if "\0" in value else str(value)
    return _read(value, kind)


def _read(text: str, kind: str) -> Any:
    if kind in WHOLE:
        return _whole(text, kind)
    if kind == "boolean":
        word = "0" if isinstance(text, Number) and text == "-0" else text.strip(BLANK).lower()  # as JSON readers do
        return True if word in TRUE else False if word in FALSE else UNFIT
    if kind == "date":
        return _day(text)
    if kind == "timestamp":
        return _moment(text)
    return _decimal(text, kind)


def digits(kind: str) -> tuple[int, int]:
    """Precision and scale of a decimal type."""
    precision, scale = re.findall(r"\d+", kind)
    return int(precision), int(scale)


def rounded(value: Decimal, scale: int) -> Decimal:
    return value.quantize(Decimal(1).scaleb(-scale), ROUND_HALF_UP, EXACT)


def fits(value: Any, kind: str) -> Any:
    """A computed value, cast to a type."""
    if value is None:
        return None
    if kind in WHOLE:
        return int(value) if -(2 ** WHOLE[kind]) <= value < 2 ** WHOLE[kind] else UNFIT
    if kind.startswith("decimal"):
        precision, scale = digits(kind)
        found = rounded(Decimal(value), scale)
        return found if abs(found) < Decimal(10) ** (precision - scale) else UNFIT
    return value


def _whole(text: str, kind: str) -> Any:
    trimmed = text.strip(BLANK)
    if len(text.encode()) <= NUMBER_BYTES and re.fullmatch(r"[+-]?[0-9]+", trimmed):
        return fits(int(trimmed), kind)
    number = _number(_as_read(text))
    if number is None or number != number.to_integral_value() or abs(number) >= 2**53:
        return UNFIT
    return fits(int(number), kind)


def _decimal(text: str, kind: str) -> Any:
    precision, scale = digits(kind)
    sent = _number(_as_read(text) if precision <= 15 or scale == 0 else text)
    return UNFIT if sent is None else fits(sent, kind)


def _as_read(text: str) -> str:
    """A JSON number with a fraction goes through a double, as JSON readers do."""
    return repr(float(text)) if isinstance(text, Number) and not text.lstrip("-").isdigit() else text


def _number(text: str) -> Decimal | None:
    trimmed = text.strip("".join(map(chr, range(33))))
    if len(text.encode()) > NUMBER_BYTES or not NUMBER.fullmatch(trimmed):
        return None
    if LONG_EXPONENT.search(text) and not isinstance(text, Number):
        return None
    try:
        return Decimal(trimmed)
    except InvalidOperation:
        return None


def _day(text: str) -> Any:
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        return UNFIT
    try:
        return date.fromisoformat(text).toordinal() - EPOCH_DAY
    except ValueError:
        return UNFIT


def _moment(text: str) -> Any:
    found = TIME.fullmatch(text.rstrip(BLANK))
    if not found or text[:1] in BLANK:
        return UNFIT
    year, month, day, hour, minute, second = (int(part or 0) for part in found.groups()[:6])
    offset = _offset(found[8])
    if offset is None or year == 0:
        return UNFIT
    try:
        at = datetime(year, month, day, hour, minute, second)  # noqa: DTZ001 - the offset is subtracted below
    except ValueError:
        return UNFIT
    micros = int((found[7] or "")[:6].ljust(6, "0"))
    moment = (at - datetime(1970, 1, 1)) // timedelta(seconds=1) * MICROS + micros - offset * MICROS  # noqa: DTZ001
    return moment if FIRST <= moment <= LAST else UNFIT


def _offset(zone: str | None) -> int | None:
    """Seconds of a zone; None where there is no such zone. Of names only those of UTC are known here."""
    zone = (zone or "Z").strip()
    if zone in ("Z", "UTC", "GMT", "UT"):
        return 0
    found = OFFSET.fullmatch(zone)
    if not found:
        return None
    hours, minutes, seconds = (int(part or 0) for part in (found.groups()[1:4] if found[2] else found.groups()[4:]))
    total = hours * 3600 + minutes * 60 + seconds
    if minutes > 59 or seconds > 59 or total > 18 * 3600:
        return None
    return -total if found[1] == "-" else total
