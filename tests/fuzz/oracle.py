"""What must become of each message, in plain Python: accepted with which values, or quarantined for which reason.

Nothing of `app` is imported: this is the second account that the first is held to. The rules are those of the docs.
"""

import json
import re
import sys
from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import Any, NoReturn

from tests.fuzz.plain import Definition, Event, Expression, Field, Message, Row, View
from tests.fuzz.typed import FIRST, LAST, MICROS, UNFIT, Number, fits, typed

MESSAGE_BYTES = 1_048_576
DEPTH, NUMBER_CHARACTERS, NAME_CHARACTERS = 1_000, 1_000, 50_000
MARKS = ("736254098127465390", "736254098127465391")
KEY_BYTES = 1_024
STRING_BYTES = 1_048_576
KEPT_BYTES = 16 * 1_048_576
SIZES = {"int": 4, "bigint": 8, "boolean": 1, "date": 4, "timestamp": 8}  # of a key that is no string; decimals: 24
BRACKETS = re.compile(r'"(?:[^"\\]|\\.)*+"|[\[\]{}]', re.DOTALL)


def events(definition: Definition, messages: Iterable[Message]) -> list[Event]:
    """Every event of the messages, in their order."""
    return [event for message in messages for event in _events(definition, message)]


def firsts(definition: Definition, found: Iterable[Event]) -> list[Event]:
    """The accepted events without duplicates, in order of arrival."""
    accepted = sorted((event for event in found if event.reason is None), key=lambda event: (event.arrival, event.at))
    if definition.dedup is None:
        return accepted
    first: dict[Any, Event] = {}
    for event in accepted:
        first.setdefault(event.row[definition.dedup], event)
    return list(first.values())


def _events(definition: Definition, message: Message) -> Iterator[Event]:
    try:
        values = _values(message.value)
    except Refused as refused:
        values = [refused]
    for index, value in enumerate(values):
        try:
            row, reason = _accepted(definition, value, message.arrival), None
        except Refused as refused:
            row, reason = {field.name: None for field in definition.fields}, str(refused)
        yield Event((message.partition, message.offset, index), message.arrival, reason, row)


class Refused(Exception):
    """A message or an event is quarantined; the text is the reason."""


def _values(message: bytes | None) -> list[Any]:
    if message is None:
        raise Refused("null_value")
    if len(message) > MESSAGE_BYTES:
        raise Refused("too_large")
    try:
        text = message.decode()
    except UnicodeDecodeError:
        raise Refused("invalid_utf8") from None
    try:
        found = parsed(text)
    except ValueError:
        raise Refused("not_json_objects") from None
    values = found if isinstance(found, list) else [found]
    if not values or not all(value is None or isinstance(value, dict) for value in values):
        raise Refused("not_json_objects")
    return values


def parsed(text: str) -> Any:
    """The value of a JSON text by RFC 8259, numbers as they were sent; of equal names the last counts.

    Raises:
        ValueError: it is none, or more than a reader takes.
    """
    depth = deepest = 0
    for found in BRACKETS.finditer(text):
        depth += {"{": 1, "[": 1, "}": -1, "]": -1}.get(found[0], 0)
        deepest = max(deepest, depth)
    marked = any(mark in text for mark in MARKS) and text.find("}") != len(text) - 1
    if deepest > DEPTH or marked:
        raise ValueError("more than a reader takes")
    sys.setrecursionlimit(max(sys.getrecursionlimit(), 10 * DEPTH))
    return json.loads(text, parse_int=_number, parse_float=_number, parse_constant=_constant, object_pairs_hook=_object)


def _number(text: str) -> Number:
    if len(text) > NUMBER_CHARACTERS:
        raise ValueError("a long number")
    return Number(text)


def _constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not JSON")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if any(len(name) > NAME_CHARACTERS for name, _ in pairs):
        raise ValueError("a long name")
    return dict(pairs)


def _accepted(definition: Definition, value: Any, arrival: int) -> Row:
    if isinstance(value, Refused):
        raise value
    if not isinstance(value, dict):
        raise Refused("not_an_object")
    decoded: Row = {"arrival": arrival}
    for field in definition.sent:
        decoded[field.name] = _held(field, typed(value.get(field.name), field.kind))
    row = decoded | {field.name: _computed(field, field.clean, decoded) for field in definition.sent if field.clean}
    row |= {field.name: _computed(field, field.derived, row) for field in definition.fields if field.derived}
    for field in definition.fields:
        if field.required and row[field.name] is None and (field.clean or field.derived):
            raise Refused(f"missing_{field.name}")
    _gate(definition, row)
    for check in definition.checks:
        if check.condition.of(row) is not True:
            raise Refused(check.name)
    return {field.name: row[field.name] for field in definition.fields}


def _computed(field: Field, expression: Expression, row: Row) -> Any:
    value = fits(expression.of(row), field.kind)
    if value is UNFIT or _out_of_years(field, value):
        raise Refused(f"invalid_{field.name}")
    return value


def _held(field: Field, value: Any) -> Any:
    if value is None and field.required:
        raise Refused(f"missing_{field.name}")
    if value is UNFIT:
        raise Refused(f"invalid_{field.name}")
    return value


def _out_of_years(field: Field, value: Any) -> bool:
    if value is None or field.kind not in ("date", "timestamp"):
        return False
    unit = 86_400 * MICROS if field.kind == "date" else 1
    return not FIRST <= value * unit <= LAST


def _gate(definition: Definition, row: Row) -> None:
    """Refuses what some store could not hold."""
    for field in definition.fields:
        value = row[field.name]
        if isinstance(value, str) and "\0" in value:
            raise Refused(f"invalid_{field.name}")
    moment = row[definition.event_time]
    if any(start < FIRST or end > LAST for view in definition.views for start, end in windows(view, moment)):
        raise Refused(f"invalid_{definition.event_time}")
    for view in definition.views:
        _keys(definition, view.keys, view.window is not None, row)
    for alert in definition.alerts:
        _keys(definition, alert.keys, False, row)
    for name in (name for view in definition.views for name in _searched(view)):
        _limit(name, row[name], KEY_BYTES)
    for field in definition.fields:
        _limit(field.name, row[field.name], STRING_BYTES)
    for columns, n in _kept(definition):
        sizes = accumulate(_json_bytes(row[name]) for name in columns)
        passing = (name for name, size in zip(columns, sizes, strict=True) if size > KEPT_BYTES // n)
        for name in passing:
            raise Refused(f"too_long_{name}")


def _keys(definition: Definition, keys: tuple[str, ...], window: bool, row: Row) -> None:
    kinds = definition.kinds
    size = 16 if window else 0
    size += sum(SIZES.get(kinds[key], 24) for key in keys if kinds[key] != "string")
    for key in keys:
        if kinds[key] == "string":
            size += len(row[key].encode())
            if size > KEY_BYTES:
                raise Refused(f"too_long_{key}")


def _searched(view: View) -> Iterator[str]:
    """The columns whose values a view's indexes show."""
    for measure in view.measures:
        shown = measure.of if measure.op == "latest" else (measure.name,)
        if measure.op in ("min", "max", "latest"):
            yield from (of for name, of in zip(shown, measure.of, strict=True) if name in view.indexes)


def _kept(definition: Definition) -> Iterator[tuple[tuple[str, ...], int]]:
    for view in definition.views:
        yield from ((measure.of, measure.n) for measure in view.measures if measure.op in ("latest", "top"))
    yield from ((alert.columns, alert.readings) for alert in definition.alerts)


def _limit(name: str, value: Any, most: int) -> None:
    if isinstance(value, str) and len(value.encode()) > most:
        raise Refused(f"too_long_{name}")


def _json_bytes(value: Any) -> int:
    return len(json.dumps(value, ensure_ascii=False).encode()) if isinstance(value, str) else 30


def windows(view: View, moment: int) -> list[tuple[int, int]]:
    """Start and end of the windows that hold a moment, in microseconds."""
    if view.window is None:
        return []
    length, slide = (seconds * MICROS for seconds in view.window)
    last = moment // slide * slide
    return [(last - back, last - back + length) for back in range(0, length, slide)]
