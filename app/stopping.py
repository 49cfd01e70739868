"""What a signal tells a job or a producer: to stop."""

import signal
from queue import Empty, SimpleQueue


class Stop:
    """Set once, from any thread or by a signal; `wait` returns at once from then on.

    An Event of threading does not serve: a signal may interrupt the thread that holds the event's lock, and its
    handler, which sets the event, then waits for that lock for ever. A SimpleQueue can be put into at any moment.
    """

    def __init__(self) -> None:
        self._is_set = False
        self._told: SimpleQueue[None] = SimpleQueue()

    def set(self) -> None:
        self._is_set = True
        self._told.put(None)

    def is_set(self) -> bool:
        return self._is_set

    def wait(self, seconds: float) -> bool:
        """Whether it is set, after so many seconds at most."""
        if not self._is_set:
            try:
                self._told.get(timeout=seconds)
            except Empty:
                return self._is_set
            self._told.put(None)  # for whoever else waits
        return True


def asked_to_stop() -> Stop:
    """What SIGTERM and SIGINT set from now on."""
    stop = Stop()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop
