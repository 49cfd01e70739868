"""What happens to events on their way: some come late, and some come again."""

import heapq
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from random import Random

from producers.producing import Message

SENT_AGAIN_WITHIN = 200  # events
LATE_SECONDS = (60, 3 * 86_400)


def now() -> datetime:
    return datetime.now(UTC)


def happened(arrives: datetime, late: float, random: Random) -> tuple[datetime, str]:
    """When an event that arrives now has happened, and its kind: `late` percent did up to three days ago."""
    if random.random() * 100 < late:
        return arrives - timedelta(seconds=random.uniform(*LATE_SECONDS)), "late"
    return arrives, "new"


def repeated(messages: Iterable[Message], duplicates: float, random: Random) -> Iterator[Message]:
    """The messages, and `duplicates` percent of them once more, unchanged, a little later. What is bad comes once."""
    again: list[tuple[int, Message]] = []
    for number, message in enumerate(messages):
        while again and again[0][0] <= number:
            yield heapq.heappop(again)[1]
        yield message
        if message.kind != "bad" and random.random() * 100 < duplicates:
            due = number + random.randint(1, SENT_AGAIN_WITHIN)
            heapq.heappush(again, (due, message._replace(kind="duplicate")))
    for _, message in sorted(again):
        yield message
