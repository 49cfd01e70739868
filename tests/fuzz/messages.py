"""Draws messages from a seed: good ones, random bytes, nearly right JSON, and values at the edges of what is allowed.

Events are written by hand, name by name, so that a number, a name or an escape is sent as it is meant.
"""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from random import Random

from tests.fuzz.oracle import MARKS, MESSAGE_BYTES
from tests.fuzz.plain import Definition, Field, Message
from tests.fuzz.typed import MICROS
from tests.fuzz.values import (
    BROKEN_TEXTS,
    CLIENTS,
    DATES,
    ESCAPES,
    NAMES,
    NEARLY_NUMBERS,
    NOT_OBJECTS,
    NUMBERS,
    OTHERS,
    TEXTS,
    TIMES,
    WHOLE,
)  # fmt: skip

Members = list[tuple[str, str]]  # names, and the JSON of their values
START = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp()) * MICROS


def drawn(definition: Definition, seed: int, many: int) -> list[Message]:
    """So many messages in two partitions, in order of arrival."""
    random = Random(seed)  # noqa: S311
    draw = Draw(definition, random)
    found: list[Message] = []
    ends = [0, 0]
    for number in range(many):
        partition = random.randrange(2)
        repeated = random.choice(found).value if found and random.random() < 0.05 else None
        value = repeated or draw.message(number)
        found.append(Message(partition, ends[partition], START + number * 1000 * 997, value))
        ends[partition] += 1
    return found


class Draw:
    """Draws what a message of a definition may hold."""

    def __init__(self, definition: Definition, random: Random) -> None:
        self.definition = definition
        self.random = random

    def message(self, number: int) -> bytes | None:
        if number % 300 == 299:
            return self._large()
        form = self.random.random()
        if form < 0.6:
            return self._event().encode("utf-8", "surrogatepass")
        if form < 0.7:
            return self._array(self.random.randint(2, 5))
        if form < 0.9:
            return self._mutated(self.random.choice([self._event().encode(), self._array(2)]))
        if form < 0.93:
            return self.random.choice([self.random.randbytes(self.random.randint(0, 40)), None])
        return self._odd()

    def _event(self, good: float = 0.97) -> str:
        return _written(self._members(good))

    def _members(self, good: float) -> Members:
        members = []
        for field in self.definition.sent:
            drawn = self._good(field) if self.random.random() < good else self._bad(field)
            if drawn is not None:
                members.append((field.name, drawn))
        if self.random.random() < 0.05:
            members.append((self.random.choice(NAMES), self._any()))
        if self.random.random() < 0.06:
            field = self.random.choice(self.definition.sent)
            members.insert(self.random.randrange(len(members) + 1), (field.name, self._any()))
        if self.random.random() < 0.1:
            self.random.shuffle(members)
        return members

    def _good(self, field: Field) -> str | None:
        random = self.random
        if not field.required and random.random() < 0.15:
            return random.choice([None, "null"])
        if field.name == "client":
            return json.dumps(random.choice(CLIENTS), ensure_ascii=random.random() < 0.3)
        if field.name == "id":
            return f'"{random.randrange(10**6)}"' if random.random() < 0.9 else str(random.randrange(10**6))
        return self._typed(field.kind)

    def _typed(self, kind: str) -> str:
        random = self.random
        if kind in ("date", "timestamp"):
            return self._time(kind)
        if kind == "string":
            return json.dumps("".join(random.choices("abcé 😀1", k=random.randint(0, 12))))
        if kind == "boolean":
            return random.choice(["true", "false"])
        if kind in ("int", "bigint"):
            return str(random.randint(-5, 40))
        text = f"{random.randint(-5, 40)}.{random.randint(0, 99):02}"
        return f'"{text}"' if random.random() < 0.5 else text

    def _time(self, kind: str) -> str:
        random = self.random
        day = f"2026-01-{random.randint(1, 9):02}"
        clock = f"T{random.randint(0, 2):02}:{random.randint(0, 59):02}:{random.randint(0, 59):02}"
        zone = random.choice(["Z", "+00:00", "", "+02:00", f".{random.randint(0, 999999)}Z", ".123+00:00"])
        return f'"{day}"' if kind == "date" else f'"{day}{clock}{zone}"'

    def _bad(self, field: Field) -> str | None:
        """A value of the wrong kind, at an edge or of an odd form; None: it is missing."""
        form = self.random.random()
        if form < 0.1:
            return None
        if form < 0.25 and field.kind == "string":
            return self._long()
        if form < 0.55 and field.kind in ("date", "timestamp"):
            return json.dumps(self.random.choice(DATES if field.kind == "date" else TIMES))
        return self._any()

    def _any(self) -> str:
        random = self.random
        forms: list[Callable[[], str]] = [
            lambda: random.choice(NUMBERS),
            lambda: f'"{random.choice(NUMBERS)}"',
            lambda: json.dumps(random.choice(TEXTS), ensure_ascii=random.random() < 0.5),
            lambda: f'"{random.choice(ESCAPES)}"',
            lambda: json.dumps(random.choice(TIMES + DATES)),
            lambda: random.choice(OTHERS),
            lambda: random.choice(NEARLY_NUMBERS if random.random() < 0.1 else NUMBERS),
        ]
        return random.choice(forms)()

    def _long(self) -> str:
        """A text whose bytes are at a limit of a key or an index, for one, two or three parts."""
        size = self.random.choice([1_023, 1_024, 1_025]) // self.random.choice([1, 1, 2, 3])
        size -= self.random.choice([0, 0, 4, 8, 16, 24])
        character = self.random.choice(["x", "é", "€", "😀"])
        whole, rest = divmod(max(size, 0), len(character.encode()))
        return json.dumps(character * whole + "x" * rest, ensure_ascii=False)

    def _array(self, many: int) -> bytes:
        tiny = [self.random.choice(NOT_OBJECTS) if self.random.random() < 0.15 else self._event() for _ in range(many)]
        space = self.random.choice(["", " ", "\n"])
        return f"{space}[{f',{space}'.join(tiny)}]{space}".encode("utf-8", "surrogatepass")

    def _mutated(self, value: bytes) -> bytes:
        """A message with a part cut out, doubled, swapped or replaced, mostly where its structure is."""
        random = self.random
        places = [n for n, byte in enumerate(value) if byte in b'{}[]",:.-\\'] or [0]
        at = random.choice(places) if random.random() < 0.7 else random.randrange(len(value))
        length = random.choice([1, 1, 1, 2, 8])
        part, rest = value[at : at + length], value[at + length :]
        return random.choice(
            [
                value[:at] + rest,
                value[:at] + part + part + rest,
                value[:at] + rest[:1] + part + rest[1:],
                value[:at] + random.randbytes(1) + rest,
                value[:at] + random.choice(b'{}[]",:0 \\').to_bytes() + value[at:],
                value[:at],
                value + value[at:],
                value[:at] + random.choice(BROKEN_TEXTS) + rest,
            ]
        )

    def _odd(self) -> bytes:
        random = self.random
        event = self._event(1)
        mark = random.choice(MARKS)
        forms: list[Callable[[], bytes]] = [
            lambda: random.choice(WHOLE),
            lambda: b"\xef\xbb\xbf" + event.encode(),
            lambda: event.encode("utf-16"),
            lambda: event.encode() + random.choice(WHOLE),
            lambda: random.choice(WHOLE) + event.encode(),
            lambda: event.replace('"', "'").encode(),
            lambda: b"[" + b",".join([b"{}"] * random.randint(2, 60)) + b"]",
            lambda: self._nested(random.choice([2, 60, 900, 950, 1_050, 1_500])),
            lambda: event.replace("{", f'{{"mark": {mark}, ', 1).encode(),
            lambda: b"[%b, {%b}]" % (event.encode(), f'"_end": {mark}'.encode()),
            lambda: f'[{event}, {event[:-1]}, "more": {self._any()}}}]'.encode("utf-8", "surrogatepass"),
        ]
        return random.choice(forms)()

    def _nested(self, depth: int) -> bytes:
        inner = self.random.choice(["[" * depth + "]" * depth, '{"a":' * depth + "1" + "}" * depth])
        event = self._event(1)
        return self.random.choice([f'{event[:-1]}, "deep": {inner}}}', inner, f"[{event}, {inner}]"]).encode()

    def _large(self) -> bytes:
        """A message of about a MiB: padded with spaces, a long name or text that no column has, or one that has."""
        event = self._event(1)
        size = MESSAGE_BYTES + self.random.choice([-1, 0, 1])
        name = self.random.choice([field.name for field in self.definition.sent if field.kind == "string"])
        before, after = self.random.choice(
            [(event, ""), (f'{event[:-1]}, "else": "', '"}'), (f'{event[:-1]}, "{name}": "', '"}'), ("", event)]
        )
        filling = self.random.choice([" ", "é"]) if before.endswith('"') else " "
        room = size - len((before + after).encode())
        width = len(filling.encode())
        return (before + filling * (room // width) + " " * (room % width) + after).encode()


def _written(members: Members) -> str:
    return "{" + ", ".join(f"{json.dumps(name)}: {value}" for name, value in members) + "}"
