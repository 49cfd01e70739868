"""The lines of a file that may still be growing, each with the SHA-256 of the file's content up to its end.

A line ends at its last character that is no white space, so a line that was taken before its newline came is the same
line afterwards. Files are read piece by piece, and of a line no more is kept than what shows that it is too long.

A byte order mark of UTF-8 at the start is part of the content, and of no line. A file that begins with one of UTF-16
or UTF-32 has no lines of UTF-8: all of it is one, which can become longer.
"""

import codecs
import copy
import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO, NamedTuple, TypeVar

from app.events import MAX_MESSAGE_BYTES

LIMIT = MAX_MESSAGE_BYTES + 1  # bytes: a message that is cut to them is still too long
WHITESPACE = b" \t\r\n"
BRACKETS = (b"{", b"[")
STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+("?)', re.DOTALL)  # never looked through twice; the last may lack its end
WIDE_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)  # that of UTF-32 LE begins as the first
DECODER = json.JSONDecoder(parse_int=str, parse_float=str)
Item = TypeVar("Item")


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


class Depth:
    """How many objects and arrays of JSON are open. A string ends with its line at the latest."""

    def __init__(self) -> None:
        self.open = 0
        self.in_string = False
        self._string = b""  # the start of one that goes on in the next piece

    def add(self, piece: bytes) -> None:
        """`piece`: more of a line, up to its newline or not."""
        bare, quote, rest = STRING.sub(_unended, self._string + piece).partition(b'"')
        self.open += sum(map(bare.count, (b"{", b"["))) - sum(map(bare.count, (b"}", b"]")))
        self.in_string = bool(quote)
        self._string = b"" if piece.endswith(b"\n") else quote + rest


def _unended(string: re.Match[bytes]) -> bytes:
    return b"" if string[1] else b'"'


def is_of_documents(file: BinaryIO) -> bool:
    """Whether the first line of a file opens an object or array of JSON that goes on in the next line."""
    file.seek(len(_mark(file)))
    text, depth = b"", Depth()
    while piece := file.readline(LIMIT):
        text = text or piece.lstrip(WHITESPACE)
        depth.add(piece)
        if text and piece.endswith(b"\n"):
            break
    return text.startswith(BRACKETS) and depth.open > 0 and not depth.in_string


def lines(file: BinaryIO, content: Content, *, documents: bool = False) -> Iterator[Line]:
    """The lines of a file after `content`, up to what there is now, and adds them to `content`.

    `documents`: an object or array that goes on over several lines is one, which ends with the line that closes it.
    """
    if content.position == 0:
        content.add(_mark(file))
    wide = is_wide(file)
    file.seek(content.position)
    text, start, depth, goes_on = bytearray(), content.position, Depth(), False
    while piece := file.readline(LIMIT):
        content.add(piece)
        text += piece[: LIMIT - len(text)]
        if documents:
            depth.add(piece)
        if wide or not piece.endswith(b"\n"):
            continue
        goes_on = depth.open > 0 and (goes_on or (_is_container(text) and not depth.in_string))
        if not goes_on:
            if content.end.position > start:
                yield Line(bytes(text[: content.end.position - start]), content.end, ended=True)
            text, start, depth = bytearray(), content.position, Depth()
    if content.end.position > start:
        yield Line(bytes(text[: content.end.position - start]), content.end, ended=False)


def _mark(file: BinaryIO) -> bytes:
    file.seek(0)
    return codecs.BOM_UTF8 if file.read(len(codecs.BOM_UTF8)) == codecs.BOM_UTF8 else b""


def is_wide(file: BinaryIO) -> bool:
    """Whether a file begins with a byte order mark of UTF-16 or UTF-32."""
    file.seek(0)
    return file.read(max(map(len, WIDE_MARKS))).startswith(WIDE_MARKS)


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


def _is_container(text: bytes | bytearray) -> bool:
    return text.lstrip(WHITESPACE).startswith(BRACKETS)


def lots(items: Iterable[Item], size: Callable[[Item], int], most: int) -> Iterator[list[Item]]:
    """The items in lists that each take `most`, and less than one item more; the last may take less."""
    lot: list[Item] = []
    taken = 0
    for item in items:
        lot.append(item)
        taken += size(item)
        if taken >= most:
            yield lot
            lot, taken = [], 0
    if lot:
        yield lot
