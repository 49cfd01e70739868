"""Dropping: messages as files of JSON lines in a folder that somebody watches.

A file is written under a name that begins with a dot, which readers pass over, and takes its own when all of it is on
the disk. Two things go wrong on request, as they do where others drop the files: one comes once more under another
name, and one is written under its own name, so that half of it can be seen.
"""

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from random import Random
from uuid import uuid4

from producers.disorder import now
from producers.producing import Message, ProduceError, totals

MOST = 1_000  # messages in a file


def messages_per_file(rate: float) -> int:
    """As many as come in a second."""
    return max(1, min(MOST, round(rate))) if rate else MOST


class Files:
    """Messages on their way into files of one folder, counted.

    `twice` and `half_written` are percentages of the files. What they leave to be done is done before the next file is
    dropped, or at the end.
    """

    def __init__(
        self, folder: Path, messages_each: int, twice: float = 0, half_written: float = 0, seed: int | None = None
    ) -> None:
        """Makes the folder where there is none. Raises ProduceError when that cannot be."""
        self._folder = folder
        self._messages_each = messages_each
        self._twice = twice
        self._half_written = half_written
        self._random = Random(seed)  # noqa: S311 - a sequence that can be repeated is what is wanted
        self._run = f"{now():%Y%m%dT%H%M%SZ}-{uuid4().hex[:8]}"
        self._lines: list[bytes] = []
        self._left: list[Callable[[], None]] = []
        self._started = time.monotonic()
        self.kinds: Counter[str] = Counter()
        self.files = self.again = self.halves = self.dropped = 0
        with _on_disk(folder):
            folder.mkdir(parents=True, exist_ok=True)

    def send(self, message: Message) -> None:
        """Puts a message into the next file, and drops that when it is full.

        Raises:
            ProduceError: a file cannot be written.
        """
        self._lines.append(message.value + b"\n")
        self.kinds[message.kind] += 1
        if len(self._lines) == self._messages_each:
            self._drop()

    def flush(self) -> None:
        """Drops the file that is not full, and leaves nothing half-written or undone.

        Raises:
            ProduceError: a file cannot be written.
        """
        if self._lines:
            self._drop()
        self._do_what_is_left()

    def _drop(self) -> None:
        self._do_what_is_left()
        content, name = b"".join(self._lines), f"{self._run}-{self.files:06d}"
        path = self._folder / f"{name}.json"
        if self._happens(self._half_written):
            half = _half(content)
            _append(path, content[:half])
            self._left.append(partial(_append, path, content[half:]))
            self.halves += 1
        else:
            _place(path, content)
        if self._happens(self._twice):
            self._left.append(partial(_place, self._folder / f"{name}-again.json", content))
            self.again += 1
        self.files += 1
        self.dropped += len(self._lines)
        self._lines.clear()

    def _do_what_is_left(self) -> None:
        while self._left:
            self._left.pop(0)()

    def _happens(self, percent: float) -> bool:
        return self._random.random() * 100 < percent

    def __str__(self) -> str:
        counts = f"dropped {self.files:,} files, {self.again:,} of them again, {self.halves:,} half-written at first, "
        counts += f"with {self.dropped:,} messages"
        return totals(counts, self.dropped, time.monotonic() - self._started, self.kinds)


def _place(path: Path, content: bytes) -> None:
    """Shows a file to readers with all its content, or not at all."""
    with _on_disk(path):
        hidden = path.with_name(f".{path.name}.tmp")
        with hidden.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        hidden.rename(path)


def _append(path: Path, content: bytes) -> None:
    with _on_disk(path), path.open("ab") as file:
        file.write(content)


def _half(content: bytes) -> int:
    """A place about in the middle, and in the middle of a line."""
    half = len(content) // 2
    return half + 1 if content[half - 1 : half] == b"\n" else half


@contextmanager
def _on_disk(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ProduceError(f"{path} cannot be written: {error.strerror}; give --files a folder that can") from error
