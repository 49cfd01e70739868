"""What the tests of the producers make of a sequence of messages."""

import json
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Protocol

from producers.producing import Message

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


class Sequence(Protocol):
    def messages(self, numbers: Iterable[int], clock: Callable[[], datetime]) -> Iterator[Message]: ...


def messages(sequence: Sequence, count: int = 40) -> list[Message]:
    """The messages of so many events that all happen at noon."""
    return list(sequence.messages(range(count), lambda: NOON))


def event(message: Message) -> dict[str, Any]:
    decoded: dict[str, Any] = json.loads(message.value, parse_float=Decimal)
    return decoded
