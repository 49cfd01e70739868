"""Halves messages that fail to the fewest, and shrinks a message to the least that still fails."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from tests.fuzz.oracle import parsed
from tests.fuzz.plain import Definition, Message
from tests.fuzz.run import Difference, Layers
from tests.fuzz.typed import Number

ROUNDS = 40
MOST = 10  # differences that are printed
SMALL = 300  # bytes of a message that every single byte is taken out of


def report(
    layers: Layers,
    definition: Definition,
    messages: Sequence[Message],
    differences: Sequence[Difference],
    seconds: float,
) -> str:
    """What differs, the definition, and the fewest messages with which it still does."""
    few = minimal(layers, definition, messages, seconds)
    left = layers.differences(definition, few) or differences
    lines = [f"{len(differences)} differences, of {len(messages)} messages; with the fewest that show one:"]
    lines += [f"  {message.value!r} at ({message.partition}, {message.offset})" for message in few]
    lines += [f"definition {definition.name}:"]
    for field in definition.fields:
        sql = [f"{name} {one.sql}" for name, one in (("clean", field.clean), ("derived", field.derived)) if one]
        lines.append(f"  {field.name} {field.kind}{'' if field.required else ', optional'} {''.join(sql)}")
    lines += [f"  check {check.name}: {check.condition.sql}" for check in definition.checks]
    return "\n".join([*lines, *map(str, left[:MOST])])


def minimal(layers: Layers, definition: Definition, messages: Sequence[Message], seconds: float) -> list[Message]:
    """The fewest messages of a failing run that still fail, each as short as can be, within some seconds."""
    until = time.monotonic() + seconds
    found = layers.of_events(definition, messages)
    if found and found[0].at:
        smallest = min((one for one in found if one.at), key=lambda one: len(_at(messages, one).value or b""))
        return [_shrunk(layers, definition, _at(messages, smallest), smallest, until)]

    def fails(some: Sequence[Message]) -> bool:
        return bool(layers.differences(definition, some))

    few = halved(messages, fails, until)
    for position, message in enumerate(few):
        shortest = message
        for value in _smaller(message.value or b""):
            changed = [*few[:position], replace(message, value=value), *few[position + 1 :]]
            if len(value) < len(shortest.value or b"") and time.monotonic() < until and fails(changed):
                few, shortest = changed, changed[position]
    return few


def halved(
    messages: Sequence[Message], fails: Callable[[Sequence[Message]], bool], until: float = float("inf")
) -> list[Message]:
    """The fewest messages that still fail: parts are left out, halves at first, then smaller ones."""
    few, parts = list(messages), 2
    while len(few) > 1 and parts <= len(few) and time.monotonic() < until:
        size = -(-len(few) // parts)
        without = [few[:start] + few[start + size :] for start in range(0, len(few), size)]
        smaller = next((some for some in without if time.monotonic() < until and fails(some)), None)
        if smaller is not None:
            few, parts = smaller, max(2, parts - 1)
        elif size == 1:
            break
        else:
            parts = min(2 * parts, len(few))
    return few


def _at(messages: Sequence[Message], difference: Difference) -> Message:
    assert difference.at is not None
    return next(message for message in messages if (message.partition, message.offset) == difference.at[:2])


def _shrunk(layers: Layers, definition: Definition, message: Message, found: Difference, until: float) -> Message:
    """All smaller forms of a message are tried in one run; the smallest that differs in the same way goes on."""
    for _ in range(ROUNDS):
        tried = [
            replace(message, partition=0, offset=offset, value=value)
            for offset, value in enumerate(dict.fromkeys(_smaller(message.value or b"")))
        ]
        if not tried or time.monotonic() > until:
            break
        failing = [one for one in layers.of_events(definition, tried) if one.at and _alike(one, found)]
        smaller = min((_at(tried, one) for one in failing), key=lambda one: len(one.value or b""), default=None)
        if smaller is None or len(smaller.value or b"") >= len(message.value or b""):
            break
        message = replace(message, value=smaller.value)
    return message


def _alike(one: Difference, other: Difference) -> bool:
    reasons = [[side and side[0] for side in (found.expected, found.actual)] for found in (one, other)]
    return reasons[0] == reasons[1]


def _smaller(value: bytes) -> Iterator[bytes]:
    with suppress(ValueError):
        yield from (written(found).encode() for found in _fewer(parsed(value.decode())))
    size = len(value) // 2
    while size and (size > len(value) // 64 or len(value) <= SMALL):
        yield from (value[:start] + value[start + size :] for start in range(0, len(value), size))
        size //= 2


def _fewer(found: Any) -> Iterator[Any]:
    """A JSON value without one of its parts, or with a shorter one."""
    if isinstance(found, list):
        yield from ([one] for one in found)
        yield from ([*found[:n], fewer, *found[n + 1 :]] for n, one in enumerate(found) for fewer in _fewer(one))
    elif isinstance(found, dict):
        yield from ({name: one for name, one in found.items() if name != left_out} for left_out in found)
        yield from (found | {name: fewer} for name, one in found.items() for fewer in _fewer(one))
    elif isinstance(found, str) and len(found) > 1:
        yield from (type(found)(part) for part in (found[: len(found) // 2], found[1:], found[:-1]))


def written(found: Any) -> str:
    """JSON, with numbers as they were sent."""
    if isinstance(found, list):
        return f"[{','.join(map(written, found))}]"
    if isinstance(found, dict):
        return "{" + ",".join(f"{json.dumps(name)}:{written(one)}" for name, one in found.items()) + "}"
    return str(found) if isinstance(found, Number) else json.dumps(found)
