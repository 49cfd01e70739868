"""Which lines of dropped files are new, and which files are not whole yet.

- A file of lines is taken up to its last newline. What follows it is taken when it is an object or array of JSON.
- A file whose first line opens an object or array that goes on in the next line is one of documents: each is a message,
  from its first line to the one that closes it, and so is each line between them.
- A byte order mark of UTF-8 at the start is passed over. A file that begins with one of UTF-16 or UTF-32 is one
  message, which is never whole.
- What is not whole waits; a file that has not changed for long enough is taken as it is.
- A file that grew gives its new lines. One that was changed otherwise gives all of its lines again: the master dataset
  says which of them it holds.
- A file whose whole content was once all that was taken of a file, under whatever name, gives nothing.
- So a new file whose first line is that of another may be a copy that is still being written, or of which the other is
  one: it waits until neither has changed for long enough.
"""

import logging
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from app.folder import Seen
from app.lines import START, Content, Place, is_of_documents, is_whole, lines, measured

logger = logging.getLogger(__name__)


class Message(NamedTuple):
    """A line or a document, and the SHA-256 of its file's content up to its end.

    `again`: lines of a file of this name were taken before, and this may be one of them.
    """

    name: str
    source: str
    value: bytes
    again: bool


class Taken(NamedTuple):
    """What was taken of a file at one time: the file's name, and the sources of the first and the last line."""

    name: str
    first: str
    last: str


class Dropped:
    """The files of a folder, and what is known of them."""

    def __init__(self, folder: Path, taken: Iterable[Taken]) -> None:
        self._folder = folder
        self._names: set[str] = set()
        self._ends: set[str] = set()
        self._firsts: dict[str, set[str]] = {}  # names of files by the source of the first line that was taken
        self._places: dict[str, Place] = {}  # of files, up to where they were taken for good
        self._waiting: set[str] = set()
        self._unsettled: set[str] = set()
        for one in taken:
            self._remember(one)

    def take(self, seen: Collection[Seen]) -> Iterator[Message]:
        """The messages of files that changed or are settled, each file's in their order.

        A file that is known comes before a new one, which may be a copy of what the known one has become. A file that
        is gone gives nothing, and one that nobody has allowed this process to read waits until somebody has.

        Raises:
            OSError: a file cannot be read.
        """
        changed = {name for name, settled in seen if not settled}
        self._unsettled |= changed
        self._unsettled -= {name for name, settled in seen if settled}
        names = changed | (self._waiting - self._unsettled)
        for name in sorted(names, key=lambda name: (name not in self._names, name)):
            try:
                file = (self._folder / name).open("rb")
            except FileNotFoundError:
                continue
            except PermissionError as error:
                self._waits(name, f"{error.strerror}", "let the streaming job read it")
                continue
            with file:
                yield from self._messages(name, name not in self._unsettled, file)

    def _messages(self, name: str, settled: bool, file: BinaryIO) -> Iterator[Message]:
        content, known = measured(file, self._places.get(name, START))
        if content.end.source in self._ends:
            self._nothing_waits(name)
            return
        again, first, last = name in self._names, None, None
        for text, last in self._texts(name, settled, file, known):
            first = first or last
            yield Message(name, last.source, text, again)
        if first is not None and last is not None:
            self._remember(Taken(name, first.source, last.source))

    def _remember(self, taken: Taken) -> None:
        self._names.add(taken.name)
        self._firsts.setdefault(taken.first, set()).add(taken.name)
        self._ends.add(taken.last)

    def _texts(self, name: str, settled: bool, file: BinaryIO, known: Content) -> Iterator[tuple[bytes, Place]]:
        """What is taken of a file: the texts after what is known of it, and where each ends."""
        first = known.end == START
        for line in lines(file, known, documents=is_of_documents(file)):
            if first and (others := self._unclear(name, settled, line.place.source)):
                self._waits(name, f"it begins as {min(others)} does, and one may become a copy of the other")
                return
            whole = line.ended or is_whole(line.text)
            if not whole and not settled:
                self._waits(name)
                return
            first = False
            yield line.text, line.place
            if whole:
                self._places[name] = line.place
        self._nothing_waits(name)

    def _unclear(self, name: str, settled: bool, first: str) -> set[str]:
        """Files that a new one begins as, while it or they may still grow: one of them may be a copy of the other."""
        others = self._firsts.get(first, set()) - {name} if name not in self._names else set()
        if not settled:
            return others
        return {other for other in others & self._unsettled if (self._folder / other).exists()}

    def _waits(
        self,
        name: str,
        why: str = "what it ends with is not whole",
        until: str = "unchanged for DROPS_WAIT seconds, it is taken as it is",
    ) -> None:
        if name not in self._waiting:
            self._waiting.add(name)
            logger.warning("%s waits: %s; %s", self._folder / name, why, until)

    def _nothing_waits(self, name: str) -> None:
        if name in self._waiting:
            self._waiting.remove(name)
            logger.warning("%s waits no longer: all of it is taken", self._folder / name)
