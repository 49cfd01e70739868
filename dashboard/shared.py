"""What is read from elsewhere, once for all viewers. When a reading fails, what was read last stays, with its age."""

import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

AGE = 1.0  # seconds that a reading serves all who ask
RETRY = 2.0  # seconds after a failure before it is tried again
KEPT = 200  # readings


class Reading(NamedTuple):
    """What was read last (None: nothing yet), how many seconds ago, and why nothing was since, if so."""

    value: Any
    seconds: float
    error: str | None


@dataclass
class _Held:
    lock: threading.Lock = field(default_factory=threading.Lock)
    value: Any = None
    read_at: float = 0.0
    tried_at: float = float("-inf")
    error: str | None = None


class Shared:
    """Readings by name. One who asks while another reads waits for that reading, and shares it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._lock = threading.Lock()
        self._held: dict[Hashable, _Held] = {}

    def read(self, name: Hashable, read: Callable[[], Any], *failures: type[Exception], age: float = AGE) -> Reading:
        """What `read` gives, or gave not longer than `age` seconds ago; an exception among `failures` is told of."""
        held = self._of(name)
        with held.lock:
            if self.clock() - held.tried_at >= (RETRY if held.error else age):
                try:
                    held.value, held.error = read(), None
                    held.read_at = self.clock()
                except failures as error:
                    held.error = str(error)
                held.tried_at = self.clock()
            return Reading(held.value, self.clock() - held.read_at, held.error)

    def holds(self, name: Hashable) -> bool:
        """Whether something was read of this, be it long ago."""
        held = self._held.get(name)
        return held is not None and held.value is not None

    def _of(self, name: Hashable) -> _Held:
        with self._lock:
            held = self._held.pop(name, None) or _Held()
            self._held[name] = held  # the one that was asked for last is the last to go
            while len(self._held) > KEPT:
                del self._held[next(iter(self._held))]
            return held
