"""Lines of a file: where they end, what is kept of them, and what can still become of the last one."""

import hashlib
import io
from codecs import BOM_UTF8

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.events import MAX_MESSAGE_BYTES
from app.lines import LIMIT, START, Content, Line, Place, is_of_documents, is_whole, lines, measured

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


OPEN = [b"{", b"[", b'{"a": 1,', b'{"a": [', b' [{"a": "]}"},', b'{"a": "\\"}"', b"[" + b"1," * LIMIT]
CLOSED = [b"{}", b"[1]", b"1", b'{"a": "', b'"{', b"}", b"a {", b'{"a": "{"}', b"[1]", b"[" + b"1," * LIMIT + b"1]"]


@pytest.mark.parametrize("before", [b"", BOM_UTF8, b"\n \r\n"])
@pytest.mark.parametrize("after", [b"", b"\n", b"\r\n]}"])
@pytest.mark.parametrize(("text", "expected"), [(text, text in OPEN) for text in OPEN + CLOSED])
def test_a_file_whose_first_line_opens_what_goes_on_is_of_documents(
    text: bytes, expected: bool, before: bytes, after: bytes
) -> None:
    assert is_of_documents(io.BytesIO(before + text + after)) is expected


@pytest.mark.parametrize("size", [100, LIMIT - 10, LIMIT, 3 * LIMIT])
@pytest.mark.parametrize("unit", [b"a", b'\\"', b"\\\\", b'\\\\\\"', b"{"])
def test_a_document_ends_with_its_brackets_wherever_its_strings_are_cut_to_be_read(size: int, unit: bytes) -> None:
    documents = [b'{\n"a": "' + b"b" * more + unit * (size // len(unit)) + b'"\n}' for more in range(3)]
    found = list(lines(io.BytesIO(b"\n".join(documents)), Content(), documents=True))
    assert [line.text for line in found] == [document[:LIMIT] for document in documents]
    assert [line.ended for line in found] == [True, True, False]


def test_what_stands_between_documents_are_lines_and_a_blank_one_is_none() -> None:
    content = b'{\n\n "a": 1 \n}\n\n[]\n12\n"x{"\n}\n[\n{},\n1]\n{\n'
    found = list(lines(io.BytesIO(content), Content(), documents=True))
    texts = [b'{\n\n "a": 1 \n}', b"[]", b"12", b'"x{"', b"}", b"[\n{},\n1]", b"{"]
    assert [line.text for line in found] == texts
    assert [line.ended for line in found] == [True] * 6 + [False]
    assert all(line.place == place(content[: line.place.position]) for line in found)


@pytest.mark.parametrize("rest", [b"", b"\n", b" \r\n\t\n"])
def test_a_byte_order_mark_is_content_and_no_text(rest: bytes) -> None:
    assert read(BOM_UTF8 + rest) == []
    content = BOM_UTF8 + rest + b"a\n" + BOM_UTF8 + b"b"
    end = len(BOM_UTF8 + rest) + 1
    assert read(content) == [
        Line(b"a", place(content[:end]), ended=True),
        Line(BOM_UTF8 + b"b", place(content), ended=False),
    ]
    assert read(content, place(content[:end])) == read(content)[1:]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_a_file_with_another_byte_order_mark_is_one_line(encoding: str) -> None:
    content = '\ufeff{"a": 1}\n{"a": 2}'.encode(encoding)
    assert read(content + b"\n\n") == [Line(content, place(content), ended=False)]
    (found,) = read(content + b"1" * LIMIT)
    assert found.text == (content + b"1" * LIMIT)[:LIMIT]


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
