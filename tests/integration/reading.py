"""Readers that look on while a test does something else."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def reading(read: Callable[[threading.Event], None], seconds: float) -> Iterator[None]:
    """`read` in a thread of its own while the block runs; it ends when the event is set, within `seconds`."""
    stop = threading.Event()
    thread = threading.Thread(target=read, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(timeout=seconds)
