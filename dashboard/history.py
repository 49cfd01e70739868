"""What the pages have seen of each pipeline since they were first opened: for rates, and for how fresh it was."""

import threading
from collections import deque
from typing import Any, NamedTuple

SECONDS = 1800  # that are remembered
RATE_OVER = 60  # seconds at least, where as much has been seen: several micro-batches


class Seen(NamedTuple):
    """A pipeline at a moment (seconds since 1970): messages in Kafka, counted, written for Hive; how fresh it was."""

    at: float
    sent: int | None
    counted: int
    written: int | None
    freshness: float | None


class History:
    """What was seen, by pipeline."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: dict[str, deque[Seen]] = {}

    def add(self, name: str, status: dict[str, Any], sent: int | None, at: float) -> None:
        """Keeps what is new, and no more than a second apart."""
        counted = sum(status["offsets"].values())
        written = None if status["written"] is None else sum(status["written"].values())
        with self._lock:
            seen = self._seen.setdefault(name, deque())
            if seen and at - seen[-1].at < 1:
                return
            seen.append(Seen(at, sent, counted, written, status["freshness_seconds"]))
            while at - seen[0].at > SECONDS:
                seen.popleft()

    def of(self, name: str) -> list[Seen]:
        with self._lock:
            return list(self._seen.get(name, ()))

    def rate(self, name: str, field: str) -> float | None:
        """Messages a second by which `sent`, `counted` or `written` has grown lately; None until that was seen."""
        seen = [one for one in self.of(name) if getattr(one, field) is not None]
        if not seen:
            return None
        last = seen[-1]
        before = next((one for one in reversed(seen) if last.at - one.at >= RATE_OVER), seen[0])
        if last.at - before.at < 1:
            return None
        return max(0.0, float(getattr(last, field) - getattr(before, field)) / (last.at - before.at))

    def sent_at(self, name: str) -> float | None:
        """When a message was last seen to have come to Kafka; None where none was."""
        seen = [one for one in self.of(name) if one.sent is not None]
        newer = zip(reversed(seen), reversed(seen[:-1]), strict=False)
        return next((one.at for one, before in newer if one.sent != before.sent), None)
