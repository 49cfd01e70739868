"""Each line of a dropped file is taken once: however it is written, however often it is dropped, whoever restarts."""

import errno
import json
import logging
from codecs import BOM_UTF8
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.dropped import Dropped, Taken
from app.events import MAX_MESSAGE_BYTES
from app.folder import Folder, Seen

WAIT = 600.0
MARKS = [b"", BOM_UTF8]
LINES = st.one_of(
    st.dictionaries(st.sampled_from(["a", "é", '"', "{"]), st.sampled_from([1, "}", "\n", [2, {}]])).map(json.dumps),
    st.sampled_from(['{"n": 1}', '[{"n": 1}, {"n": 2}]', "broken", "12", "", "  "]),
)
DOCUMENTS = st.recursive(
    st.sampled_from([1, "]", "\n", None]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner, max_size=3),
).filter(lambda found: bool(found) and isinstance(found, list | dict))


class Reader:
    """A folder, what was taken of it, and a process that can be killed and started again."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.now = 0.0
        self.held: list[
            tuple[str, str, bytes]
        ] = []  # name, source and value of each line, as the master dataset has it
        self.taken: list[Taken] = []
        self.start()

    def start(self) -> None:
        self.folder, self.dropped = Folder(self.path, WAIT), Dropped(self.path, self.taken)

    def look(self, wait: float = 1) -> list[str]:
        """What is taken after some time, killed or not before the next look."""
        self.now += wait
        before, sources = len(self.held), dict[str, list[str]]()
        for name, source, value, again in self.dropped.take(self.folder.look(self.now)):
            known = [(name, source) for name, source, _ in self.held]
            assert again or (name, source) not in known
            if (name, source) not in known:
                self.held.append((name, source, value))
                sources.setdefault(name, []).append(source)
        self.taken += [Taken(name, found[0], found[-1]) for name, found in sources.items()]
        return [value.decode() for _, _, value in self.held[before:]]

    def write(self, name: str, text: str) -> None:
        (self.path / name).write_text(text)

    def append(self, name: str, text: str) -> None:
        with (self.path / name).open("a", newline="") as file:
            file.write(text)

    @property
    def values(self) -> list[str]:
        return [value.decode() for _, _, value in self.held]


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    return Reader(tmp_path)


@contextmanager
def new_reader() -> Iterator[Reader]:
    with TemporaryDirectory() as path:
        yield Reader(Path(path))


def pieces(data: st.DataObject, content: bytes) -> Iterator[bytes]:
    """A content in pieces, each with whether and how the reader looks after it."""
    cuts = sorted(data.draw(st.sets(st.integers(0, len(content)), max_size=8)))
    for start, end in zip([0, *cuts], [*cuts, len(content)], strict=True):
        yield content[start:end]


def written_in_pieces(reader: Reader, data: st.DataObject, name: str, content: bytes) -> None:
    """Appends a content piece by piece, and looks, or starts again, or does neither, in between."""
    for piece in pieces(data, content):
        with (reader.path / name).open("ab") as file:
            file.write(piece)
        what = data.draw(st.sampled_from(["look", "start again", "go on"]))
        if what == "start again":
            reader.start()
        if what != "go on":
            reader.look()
    reader.look()


@given(
    st.lists(LINES, max_size=6),
    st.sampled_from(["\n", "\r\n", " \n"]),
    st.booleans(),
    st.sampled_from(MARKS),
    st.data(),
)
@settings(deadline=None)
def test_however_lines_are_written_each_is_taken_once_in_order(
    texts: list[str], newline: str, ended: bool, mark: bytes, data: st.DataObject
) -> None:
    content = newline.join([*texts, '{"last": 1}']) + newline * ended
    with new_reader() as reader:
        written_in_pieces(reader, data, "a.json", mark + content.encode())
        assert reader.values == [*(text for text in texts if text.strip()), '{"last": 1}']
        reader.start()
        assert reader.look() == []


@given(st.lists(DOCUMENTS, min_size=1, max_size=3), st.sampled_from(["", "\n"]), st.sampled_from(MARKS), st.data())
@settings(deadline=None)
def test_however_documents_are_written_each_is_taken_once_and_whole(
    documents: list[object], end: str, mark: bytes, data: st.DataObject
) -> None:
    texts = [json.dumps(document, indent=1) for document in documents]
    with new_reader() as reader:
        written_in_pieces(reader, data, "a.json", mark + ("\n".join(texts) + end).encode())
        assert reader.values == texts
        reader.start()
        assert reader.look() == []


@given(st.lists(LINES, min_size=1, max_size=5), st.lists(LINES, min_size=1, max_size=5), st.data())
@settings(deadline=None)
def test_an_edited_file_gives_what_follows_the_first_change(
    before: list[str], after: list[str], data: st.DataObject
) -> None:
    same = 0
    while same < min(len(before), len(after)) and before[same] == after[same]:
        same += 1
    with new_reader() as reader:
        reader.write("a.json", "".join(f"{line}\n" for line in before))
        reader.look()
        if data.draw(st.booleans()):
            reader.start()
        reader.write("a.json", "".join(f"{line}\n" for line in after))
        assert reader.look() == [line for line in after[same:] if line.strip()]


def test_a_copy_gives_nothing_also_of_what_a_file_was_before_it_grew(reader: Reader) -> None:
    reader.write("b.json", '{"n": 1}\n')
    assert reader.look() == ['{"n": 1}']
    reader.write("a.json", '{"n": 1}\n')
    reader.write("c.json", '{"n": 1}')
    assert reader.look() == []
    reader.append("b.json", '{"n": 2}\n')
    assert reader.look() == ['{"n": 2}']
    reader.start()
    assert reader.look() == []
    (reader.path / "b.json").rename(reader.path / "d.json")
    assert reader.look() == []


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("copy", ["a.json", "c.json"])
def test_a_copy_beside_the_whole_of_a_file_that_was_half_written_gives_nothing(
    reader: Reader, copy: str, restarted: bool
) -> None:
    reader.write("b.json", "1\n2\n3")
    assert reader.look() == ["1", "2"]
    if restarted:
        reader.start()
    reader.append("b.json", "\n4\n")
    reader.write(copy, "1\n2\n3\n4\n")
    assert reader.look() == ["3", "4"]


@given(
    st.lists(LINES, max_size=6) | st.lists(DOCUMENTS.map(partial(json.dumps, indent=1)), max_size=4),
    st.booleans(),
    st.data(),
)
@settings(deadline=None)
def test_however_two_copies_of_a_file_are_written_at_a_time_each_message_is_taken_once(
    texts: list[str], ended: bool, data: st.DataObject
) -> None:
    content = "\n".join([*texts, '{"last": 1}']) + "\n" * ended
    with new_reader() as reader:
        left = {name: list(pieces(data, content.encode())) for name in ("a.json", "b.json")}
        while names := [name for name, found in left.items() if found]:
            name = data.draw(st.sampled_from(names))
            with (reader.path / name).open("ab") as file:
                file.write(left[name].pop(0))
            if data.draw(st.booleans()):
                reader.start()
            reader.look()
        for _ in range(3):
            reader.look(WAIT)
        assert reader.values == [*(text for text in texts if text.strip()), '{"last": 1}']


def test_a_whole_copy_waits_for_the_file_that_is_still_being_written(
    reader: Reader, caplog: pytest.LogCaptureFixture
) -> None:
    reader.write("b.json", "1\n2\n")
    assert reader.look() == ["1", "2"]
    reader.write("a.json", "1\n2\n3\n4\n")
    assert reader.look() == []
    assert caplog.messages == [
        f"{reader.path}/a.json waits: it begins as b.json does, and one may become a copy of the other; unchanged for "
        "DROPS_WAIT seconds, it is taken as it is"
    ]
    reader.look(WAIT - 10)
    reader.append("b.json", "3\n")
    assert (reader.look(), reader.look(20)) == (["3"], [])
    reader.append("b.json", "4\n")
    assert (reader.look(), reader.look(WAIT)) == (["4"], [])
    assert caplog.messages[1:] == [f"{reader.path}/a.json waits no longer: all of it is taken"]


@pytest.mark.parametrize("gone", [False, True])
def test_a_file_that_only_begins_as_another_is_taken_when_neither_changes(reader: Reader, gone: bool) -> None:
    reader.write("a.json", "1\n2\n")
    reader.look()
    reader.write("b.json", "1\n3\n")
    assert reader.look() == []
    reader.append("a.json", "4\n")
    assert reader.look(WAIT - 10) == ["4"]
    if gone:
        (reader.path / "a.json").unlink()
    assert reader.look(10) == (["1", "3"] if gone else [])
    assert reader.look(WAIT) == ([] if gone else ["1", "3"])


def test_a_copy_that_becomes_another_file_gives_all_of_its_lines(reader: Reader) -> None:
    reader.write("a.json", "start\n")
    reader.write("b.json", "start\n")
    assert reader.look() == ["start"]
    reader.append("b.json", "more\n")
    assert reader.look() == []
    assert reader.look(WAIT) == ["start", "more"]


def test_of_a_file_that_grew_only_the_new_lines_are_looked_up(reader: Reader) -> None:
    reader.write("a.json", "1\n2\n")
    reader.look()
    reader.append("a.json", "3\n")
    assert [(found.value, found.again) for found in reader.dropped.take(reader.folder.look(2))] == [(b"3", True)]


def test_a_file_that_is_settled_and_waits_for_nothing_is_not_read_again(reader: Reader) -> None:
    reader.write("a.json", "1\n")
    reader.look()
    (reader.path / "a.json").unlink()
    (reader.path / "a.json").mkdir()
    assert list(reader.dropped.take([Seen("a.json", settled=True)])) == []


def test_only_the_first_line_begins_a_document(reader: Reader) -> None:
    reader.write("a.json", "1\n{\n2\n")
    assert reader.look() == ["1", "{", "2"]


def test_files_that_begin_alike_and_lines_that_are_alike_are_all_taken(reader: Reader) -> None:
    reader.write("a.json", "1\n1\n")
    reader.write("b.json", "1\n1\n1\n")
    assert reader.look() == ["1"] * 2
    assert reader.look(WAIT) == ["1"] * 3
    assert reader.look(WAIT) == []


@pytest.mark.parametrize(
    ("content", "taken"),
    [
        ("1\n{", ["1", "{"]),
        ("12", ["12"]),
        ("{\n1,\n", ["{\n1,"]),
        ('[{"n": 1},\n{"n"', ['[{"n": 1},\n{"n"']),
    ],
)
def test_what_is_not_whole_waits_is_named_once_and_is_taken_as_it_is_when_nothing_changes(
    reader: Reader, content: str, taken: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    reader.write("a.json", content)
    for _ in range(3):
        reader.look()
    assert reader.values == taken[:-1]
    assert [record.message.split(": ")[0] for record in caplog.records] == [f"{reader.path}/a.json waits"]
    reader.look(WAIT)
    assert reader.values == taken
    assert caplog.messages[1:] == [f"{reader.path}/a.json waits no longer: all of it is taken"]
    assert (reader.look(WAIT), reader.look(WAIT)) == ([], [])
    reader.start()
    assert (reader.look(), reader.look(WAIT)) == ([], [])
    assert len(caplog.records) == 2


def test_a_file_that_changes_goes_on_waiting(reader: Reader) -> None:
    reader.write("a.json", "{")
    reader.look()
    reader.look(WAIT - 10)
    reader.append("a.json", '"n": ')
    assert (reader.look(), reader.look(WAIT - 10)) == ([], [])
    reader.append("a.json", "1}")
    assert reader.look() == ['{"n": 1}']


def test_what_was_taken_as_it_was_and_is_completed_is_taken_whole(reader: Reader) -> None:
    reader.write("a.json", '[{"n": 1},')
    reader.look()
    assert reader.look(WAIT) == ['[{"n": 1},']
    reader.append("a.json", '\n{"n": 2}]\n')
    assert reader.look() == ['[{"n": 1},\n{"n": 2}]']


def test_a_file_that_is_whole_is_said_to_be_when_it_was_said_to_wait(
    reader: Reader, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    reader.write("a.json", "{")
    reader.look()
    reader.append("a.json", "}")
    reader.write("b.json", "{}")
    assert reader.look() == ["{}"]
    assert [message.removeprefix(f"{reader.path}/").split(": ")[0] for message in caplog.messages] == [
        "a.json waits",
        "a.json waits no longer",
    ]


def test_a_file_that_waits_no_longer_as_it_has_become_a_copy_is_said_to(
    reader: Reader, caplog: pytest.LogCaptureFixture
) -> None:
    reader.write("a.json", "1\n")
    reader.write("b.json", "1")
    reader.write("c.json", "[")
    assert reader.look() == ["1"]
    reader.write("c.json", "1\n")
    assert reader.look() == []
    assert [message.removeprefix(f"{reader.path}/").split(": ")[0] for message in caplog.messages] == [
        "c.json waits",
        "c.json waits no longer",
    ]


def test_a_file_that_is_gone_before_it_is_read_gives_nothing_and_stops_nothing(reader: Reader) -> None:
    reader.write("a.json", "1\n")
    reader.write("b.json", "2\n")
    seen = reader.folder.look(1)
    (reader.path / "a.json").unlink()
    assert [message.value for message in reader.dropped.take(seen)] == [b"2"]


def test_a_file_that_may_not_be_read_waits_until_it_may_and_stops_no_other(
    reader: Reader, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    reader.write("a.json", "1\n")
    reader.write("b.json", "2\n")
    opened = Path.open

    def refused(path: Path, *arguments: str) -> IO[bytes]:
        if path.name == "a.json":
            raise PermissionError(errno.EACCES, "Permission denied")
        return opened(path, *arguments)  # type: ignore[call-overload, no-any-return]

    with monkeypatch.context() as patched:  # whoever runs the tests may read everything
        patched.setattr(Path, "open", refused)
        assert (reader.look(), reader.look()) == (["2"], [])
    assert caplog.messages == [f"{reader.path}/a.json waits: Permission denied; let the streaming job read it"]
    assert reader.look(WAIT) == ["1"]


def test_a_file_that_cannot_be_read_is_an_error_that_names_it(reader: Reader) -> None:
    reader.write("a.json", "1\n")
    seen = reader.folder.look(1)
    (reader.path / "a.json").unlink()
    (reader.path / "a.json").mkdir()
    with pytest.raises(IsADirectoryError, match=r"a\.json"):
        list(reader.dropped.take(seen))


@pytest.mark.parametrize("end", ["\n", "", "\n]"])
def test_a_document_that_is_too_long_waits_and_is_cut_to_what_shows_it(reader: Reader, end: str) -> None:
    reader.write("a.json", '[\n"' + "a" * MAX_MESSAGE_BYTES + '"' + end)
    assert reader.look() == []
    (found,) = reader.look(WAIT)
    assert found == '[\n"' + "a" * (MAX_MESSAGE_BYTES - 2)


@pytest.mark.parametrize("grown", [False, True])
def test_of_several_documents_those_that_are_whole_are_taken_and_the_last_waits(reader: Reader, grown: bool) -> None:
    documents = [json.dumps({"n": number}, indent=2) for number in range(4)]
    reader.write("a.json", f"{documents[0]}\n{documents[1]}\n{documents[2][:-3]}")
    assert reader.look() == documents[:2]
    reader.start()
    if grown:
        reader.append("a.json", f"{documents[2][-3:]}\n{documents[3]}")
        assert reader.look() == documents[2:]
    else:
        assert (reader.look(), reader.look(WAIT)) == ([], [documents[2][:-3].rstrip()])
        reader.append("a.json", documents[2][-3:])
        assert reader.look() == [documents[2]]


def test_a_broken_document_costs_only_itself(reader: Reader) -> None:
    documents = ['{\n "n": 1\n}', '{\n "n": oops\n}', "{}", '[\n"x' + "y" * MAX_MESSAGE_BYTES + '"]', '{\n "n": 2\n}']
    reader.write("a.json", "\n".join(documents))
    assert reader.look() == [document[: MAX_MESSAGE_BYTES + 1] for document in documents]


@pytest.mark.parametrize("text", ['{"n": 1}\n{"n": 2}', '[\n{"n": 1},\n{"n": 2}\n]'])
def test_a_file_with_a_mark_and_one_without_are_two(reader: Reader, text: str) -> None:
    reader.write("a.json", f"{text}\n")
    expected = reader.look()
    reader.write("b.json", f"\ufeff{text}\n")
    assert reader.look() == expected
    assert [len({source for _, source, _ in reader.held}), len(reader.held)] == [2 * len(expected)] * 2
    reader.write("c.json", f"\ufeff{text}\n")
    reader.start()
    assert (reader.look(), reader.look(WAIT)) == ([], [])


def test_a_document_of_the_most_bytes_that_a_message_may_have_is_whole_with_a_mark_too(reader: Reader) -> None:
    document = '[\n"' + "a" * (MAX_MESSAGE_BYTES - 5) + '"]'
    reader.write("a.json", f"\ufeff{document}")
    assert reader.look() == [document]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_a_file_of_utf_16_is_one_message_once_it_does_not_change(reader: Reader, encoding: str) -> None:
    content = '\ufeff{"n": 1}\n{"n": 2}\n'.encode(encoding)
    (reader.path / "a.json").write_bytes(content[:20])
    reader.look()
    (reader.path / "a.json").write_bytes(content)
    reader.look()
    reader.now += WAIT
    (taken,) = reader.dropped.take(reader.folder.look(reader.now))
    assert (taken.name, taken.value) == ("a.json", content.rstrip())


def test_an_empty_file_and_a_blank_one_give_nothing_until_there_is_a_line(reader: Reader) -> None:
    reader.write("a.json", "")
    reader.write("b.json", " \n\r\n\n")
    assert (reader.look(), reader.look(WAIT)) == ([], [])
    reader.append("a.json", "1\n")
    reader.append("b.json", "2\n")
    assert reader.look() == ["1", "2"]
