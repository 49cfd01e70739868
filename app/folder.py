"""Which files of a folder have changed: what the stream of dropped files is made of.

A file is known by its name, and what is remembered of it is what the file system says, not its content. Names that
begin with a dot or an underscore are those of files that are still being made, and are passed over, as are folders and
names that do not end in .json.
"""

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

RECENT = 2_000_000_000  # nanoseconds; within them a file system may give two changes the same time

Signature = tuple[int, ...]


class Seen(NamedTuple):
    """A file that changed; or one that is `settled`: it has not changed for the time that was waited for."""

    name: str
    settled: bool


@dataclass
class _Known:
    signature: Signature
    since: float
    recent: bool = True
    settled: bool = False


class Folder:
    """The files of a folder, between one look and the next."""

    def __init__(self, path: Path, wait: float) -> None:
        """`wait`: seconds without a change after which a file is settled."""
        self.path = path
        self._wait = wait
        self._known: dict[str, _Known] = {}

    def look(self, now: float) -> list[Seen]:
        """What changed since the last look, and what is settled since: each change once, by name; `now` in seconds.

        A file that changed a moment ago is named by the next look too, as it may have changed again unnoticed; so one
        that changed comes before the same as settled, be it in one look.

        Raises:
            OSError: the folder cannot be read.
        """
        seen: list[Seen] = []
        known: dict[str, _Known] = {}
        for name, signature in sorted(self._signatures().items()):
            file = self._known.get(name)
            if file is None or file.signature != signature:
                file = _Known(signature, now)
            if file.recent:
                file.recent, file.settled = _recent(signature), False
                seen.append(Seen(name, settled=False))
            if not file.settled and now - file.since >= self._wait:
                file.settled = True
                seen.append(Seen(name, settled=True))
            known[name] = file
        self._known = known
        return seen

    def _signatures(self) -> dict[str, Signature]:
        found: dict[str, Signature] = {}
        with os.scandir(self.path) as entries:
            for entry in entries:
                if entry.name.endswith(".json") and entry.name[0] not in "._" and entry.is_file():
                    try:
                        status = entry.stat()
                    except FileNotFoundError:  # taken away after it was listed
                        continue
                    found[entry.name] = (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        return found


def _recent(signature: Signature) -> bool:
    return abs(time.time_ns() - signature[-1]) < RECENT
