"""The lines of a file that may still be growing, each with the SHA-256 of the file's content up to its end.

A line ends at its last character that is no white space, so a line that was taken before its newline came is the same
line afterwards. Files are read piece by piece, and of a line no more is kept than what shows that it is too long.
"""

import copy
import hashlib
import json
import re
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from app.events import MAX_MESSAGE_BYTES

LIMIT = MAX_MESSAGE_BYTES + 1  # bytes: a message that is cut to them is still too long
WHITESPACE = b" \t\r\n"
BRACKETS = (b"{", b"[")
STRING = re.compile(rb'"(?:[^"\\]|\\.)*"')
DECODER = json.JSONDecoder(parse_int=str, parse_float=str)


class Place(NamedTuple):
    """The end of a line: how many bytes of the file are before it, and their SHA-256 in hex digits."""

    position: int
    source: str


START = Place(0, hashlib.sha256().hexdigest())


class Line(NamedTuple):
    """A line that is not blank: its text, of at most LIMIT bytes, where that ends, and whether a newline follows."""

    text: bytes
    place: Place
    ended: bool


class Content:
    """What was read of a file: up to where, and where the last text in it ends."""

    def __init__(self) -> None:
        self.position = 0
        self.end = START
        self._digest = hashlib.sha256()

    def add(self, piece: bytes) -> None:
        text = piece.rstrip(WHITESPACE)
        self._digest.update(text)
        if text:
            self.end = Place(self.position + len(text), self._digest.hexdigest())
        self._digest.update(piece[len(text) :])
        self.position += len(piece)

    def copy(self) -> "Content":
        other = copy.copy(self)
        other._digest = self._digest.copy()
        return other


def measured(file: BinaryIO, place: Place) -> tuple[Content, Content]:
    """All content of a file, and its content up to `place`; up to the start, if it is not what it was there."""
    content, start = Content(), Content()
    while content.position < place.position and (piece := file.read(min(LIMIT, place.position - content.position))):
        content.add(piece)
    known = content.copy() if content.end == place else start
    while piece := file.read(LIMIT):
        content.add(piece)
    return content, known


def lines(file: BinaryIO, content: Content) -> Iterator[Line]:
    """The lines of a file after `content`, up to what there is now, and adds them to `content`."""
    file.seek(content.position)
    text, start = b"", content.position
    while piece := file.readline(LIMIT):
        content.add(piece)
        text += piece[: LIMIT - len(text)]
        if piece.endswith(b"\n"):
            if content.end.position > start:
                yield Line(text[: content.end.position - start], content.end, ended=True)
            text, start = b"", content.position
    if content.end.position > start:
        yield Line(text[: content.end.position - start], content.end, ended=False)


def is_open(text: bytes) -> bool:
    """Whether a line begins an object or array of JSON that goes on in the next line."""
    bare = STRING.sub(b"", text)
    depth = sum(map(bare.count, (b"{", b"["))) - sum(map(bare.count, (b"}", b"]")))
    return _is_container(text) and depth > 0 and b'"' not in bare


def is_whole(text: bytes) -> bool:
    """Whether a text is an object or array of JSON. A number is not whole, as more of its digits may come.

    Nor is what is longer than a message may be, which is not parsed.
    """
    if len(text) > MAX_MESSAGE_BYTES or not _is_container(text):
        return False
    try:
        DECODER.decode(text.decode())
    except (ValueError, RecursionError):
        return False
    return True


def _is_container(text: bytes) -> bool:
    return text.lstrip(WHITESPACE).startswith(BRACKETS)
