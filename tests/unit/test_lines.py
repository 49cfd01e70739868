"""Lines of a file: where they end, what is kept of them, and what can still become of the last one."""

import hashlib
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.events import MAX_MESSAGE_BYTES
from app.lines import LIMIT, START, Line, Place, is_open, is_whole, lines, measured

PIECES = st.lists(st.sampled_from([b"a", b"bc", b" ", b"\t", b"\r\n", b"\n", b'{"x": 1}']), max_size=30)


def read(content: bytes, place: Place = START) -> list[Line]:
    file = io.BytesIO(content)
    return list(lines(file, measured(file, place)[1]))


def place(content: bytes) -> Place:
    return Place(len(content), hashlib.sha256(content).hexdigest())


def test_a_line_has_no_white_space_at_its_end_and_a_blank_one_is_none() -> None:
    content = b"\n  a \r\n\t\n\nb\n c  "
    assert read(content) == [
        Line(b"  a", place(content[:4]), ended=True),
        Line(b"b", place(content[:11]), ended=True),
        Line(b" c", place(content[:14]), ended=False),
    ]


@given(PIECES)
def test_the_source_of_a_line_is_the_digest_of_all_before_its_end(pieces: list[bytes]) -> None:
    content = b"".join(pieces)
    found = read(content)
    assert [line.text for line in found] == [line.rstrip() for line in content.split(b"\n") if line.strip()]
    assert all(line.place == place(content[: line.place.position]) for line in found)
    assert all(content[: line.place.position].endswith(line.text) for line in found)


@given(PIECES, st.data())
def test_from_a_place_on_come_the_lines_after_it(pieces: list[bytes], data: st.DataObject) -> None:
    content = b"".join(pieces)
    found = read(content)
    if found:
        known = data.draw(st.integers(0, len(found) - 1))
        assert read(content, found[known].place) == found[known + 1 :]


@given(PIECES, PIECES)
def test_the_end_of_a_content_is_that_of_its_last_line_whatever_is_known_of_it(
    pieces: list[bytes], other: list[bytes]
) -> None:
    content, before = b"".join(pieces), b"".join(other).rstrip()
    whole, known = measured(io.BytesIO(content), place(before))
    last = read(content)[-1:]
    assert whole.end == (last[0].place if last else START)
    assert known.end == (place(before) if content.startswith(before) else START)


@pytest.mark.parametrize("changed", [b"x\nb\n", b"a\nx\n", b"a", b""])
def test_a_content_that_changed_before_a_place_is_read_from_its_start(changed: bytes) -> None:
    assert read(changed, place(b"a\nb")) == read(changed)


@pytest.mark.parametrize("size", [MAX_MESSAGE_BYTES, LIMIT, LIMIT + 1, 3 * LIMIT])
@pytest.mark.parametrize("end", [b"", b"\n", b" " * LIMIT + b"\n"])
def test_of_a_line_that_is_too_long_only_the_start_is_kept(size: int, end: bytes) -> None:
    content = b"a" * size
    first, *others = read(content + end + b"\nb\n")
    assert first == Line(content[:LIMIT], place(content), ended=True)
    assert [line.text for line in others] == [b"b"]


@pytest.mark.parametrize("text", [b"{", b"[", b'{"a": 1,', b'{"a": [', b' [{"a": "]}"},', b'{"a": "\\"}"'])
def test_a_line_that_opens_what_goes_on_is_open(text: bytes) -> None:
    assert is_open(text)


@pytest.mark.parametrize("text", [b"{}", b"[1]", b"1", b'{"a": "', b'"{', b"}", b"a {", b'{"a": "{"}', b"[1] ["[:3]])
def test_any_other_line_is_not(text: bytes) -> None:
    assert not is_open(text)


@pytest.mark.parametrize("text", [b"{}", b" [1]", '{"a": "é"}'.encode(), b"[" + b"9" * 5_000 + b"]", b'{\n"a": 1\n}'])
def test_an_object_or_array_is_whole(text: bytes) -> None:
    assert is_whole(text)


@pytest.mark.parametrize(
    "text", [b"{", b'{"a": 1', b"1", b"true", b'"a"', b"{} {}", b'{"a": "\xff"}', b"[" * 100_000, b"[" + b" " * LIMIT]
)
def test_what_can_become_more_or_is_broken_is_not_whole(text: bytes) -> None:
    assert not is_whole(text)


def test_what_is_longer_than_a_message_may_be_is_not_parsed() -> None:
    assert is_whole(b"[" + b" " * (MAX_MESSAGE_BYTES - 2) + b"]")
    assert not is_whole(b"[" + b" " * (MAX_MESSAGE_BYTES - 1) + b"]")
