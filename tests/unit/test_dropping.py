"""Files in a folder that somebody watches: whole when they can be seen, but for those that are asked to be half."""

import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from producers.dropping import MOST, Files, messages_per_file
from producers.producing import Message, ProduceError, deliver


def lines(count: int) -> list[Message]:
    """Messages of many lengths."""
    return [Message(b"key", b'{"number": %d}' % 10 ** (number % 7)) for number in range(count)]


def seen(folder: Path) -> dict[str, bytes]:
    """What a reader sees: the files by name, but those that readers pass over."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name[0] not in "._"}


def watched(folder: Path, outlet: Files, messages: list[Message]) -> Iterator[dict[str, bytes]]:
    """What a reader sees after each message and at the end."""
    for message in messages:
        outlet.send(message)
        yield seen(folder)
    outlet.flush()
    yield seen(folder)


def content(messages: list[Message]) -> bytes:
    return b"".join(message.value + b"\n" for message in messages)


@pytest.mark.parametrize("count", [0, 1, 9, 10, 11, 35])
def test_the_files_hold_all_messages_in_their_order_a_line_each(tmp_path: Path, count: int) -> None:
    outlet, messages = Files(tmp_path / "made/for/it", 10), lines(count)
    deliver(messages, outlet)
    found = seen(tmp_path / "made/for/it")

    assert len(found) == outlet.files == -(-count // 10)
    assert b"".join(found[name] for name in sorted(found)) == content(messages)
    assert all(file.count(b"\n") <= 10 for file in found.values())
    assert outlet.dropped == count


def test_a_file_is_whole_and_final_when_it_can_be_seen_and_comes_once(tmp_path: Path) -> None:
    messages = lines(95)
    looks = list(watched(tmp_path, Files(tmp_path, 10, seed=1), messages))

    for before, after in itertools.pairwise(looks):
        assert before.items() <= after.items()
    assert set(looks[-1].values()) == {content(messages[at : at + 10]) for at in range(0, 95, 10)}
    assert list(tmp_path.glob(".*")) == []


def test_a_file_takes_its_name_when_all_of_it_is_written_under_one_that_readers_pass_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    renamed: list[tuple[str, bytes, Path]] = []
    rename = Path.rename

    def look(hidden: Path, target: Path) -> Path:
        renamed.append((hidden.name, hidden.read_bytes(), target))
        return rename(hidden, target)

    monkeypatch.setattr(Path, "rename", look)
    messages = lines(20)
    deliver(messages, Files(tmp_path, 10))

    assert [whole for _, whole, _ in renamed] == [content(messages[:10]), content(messages[10:])]
    assert all(hidden.startswith(".") and target.parent == tmp_path for hidden, _, target in renamed)


def test_a_file_that_comes_twice_comes_later_under_another_name_with_the_same_bytes(tmp_path: Path) -> None:
    outlet = Files(tmp_path, 5, twice=100)
    looks = list(watched(tmp_path, outlet, lines(20)))

    assert len(looks[-1]) == 8
    assert outlet.files == outlet.again == 4
    for name in [name for name in looks[-1] if "again" not in name]:
        again = name.replace(".json", "-again.json")
        assert looks[-1][again] == looks[-1][name]
        first = next(look for look in looks if name in look)
        assert again not in first


def test_a_half_written_file_breaks_off_in_a_line_and_is_completed_before_the_next_one_comes(tmp_path: Path) -> None:
    outlet, messages = Files(tmp_path, 10, half_written=100), lines(30)
    looks = list(watched(tmp_path, outlet, messages))

    for number in range(3):
        whole = content(messages[10 * number : 10 * number + 10])
        name = sorted(looks[-1])[number]
        half = next(look[name] for look in looks if name in look)
        assert 0 < len(half) < len(whole)
        assert whole.startswith(half)
        assert not half.endswith(b"\n")
        assert looks[-1][name] == whole
    assert all(sum(not file.endswith(b"\n") for file in look.values()) <= 1 for look in looks)
    assert outlet.halves == 3


@pytest.mark.parametrize("value", [b"1", b"12"])
def test_half_of_the_smallest_file_breaks_off_in_a_line_too(tmp_path: Path, value: bytes) -> None:
    outlet = Files(tmp_path, 2, half_written=100)
    outlet.send(Message(b"", value))
    outlet.send(Message(b"", value))
    (half,) = seen(tmp_path).values()

    assert re.fullmatch(rb"(\d+\n)?\d+", half)


def test_a_seed_chooses_the_same_files_again_and_the_shares_are_those_that_were_asked_for(tmp_path: Path) -> None:
    counts = set()
    for folder in ("one", "other"):
        outlet = Files(tmp_path / folder, 1, twice=20, half_written=30, seed=4)
        deliver(lines(400), outlet)
        again = [int(name[-17:-11]) for name in seen(tmp_path / folder) if "again" in name]
        counts.add((outlet.halves, outlet.again, tuple(sorted(again))))

    ((halves, again_count, _),) = counts
    assert halves / 4 == pytest.approx(30, abs=8)
    assert again_count / 4 == pytest.approx(20, abs=8)


def test_two_runs_never_use_the_same_names(tmp_path: Path) -> None:
    for _ in range(3):
        deliver(lines(5), Files(tmp_path, 1, seed=1))

    assert len(seen(tmp_path)) == 15


def test_the_totals_say_what_was_dropped(tmp_path: Path) -> None:
    outlet = Files(tmp_path, 10, twice=100, half_written=100)
    deliver([*lines(24), Message(b"", b"{}", "bad")], outlet)

    expected = r"dropped 3 files, 3 of them again, 3 half-written at first, with 25 messages in .* \(1 bad, 24 new\)"
    assert re.fullmatch(expected, str(outlet))


def test_a_folder_that_cannot_be_written_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(ProduceError, match=rf"{tmp_path}/file/below cannot be written: Not a directory; give --files"):
        Files(tmp_path / "file/below", 1)


def test_a_folder_that_goes_away_is_an_error(tmp_path: Path) -> None:
    outlet = Files(tmp_path / "gone", 1)
    (tmp_path / "gone").rmdir()

    with pytest.raises(ProduceError, match=r"gone/.*\.json cannot be written: No such file or directory"):
        outlet.send(Message(b"", b"{}"))


def test_a_file_holds_what_comes_in_a_second_within_bounds() -> None:
    assert [messages_per_file(rate) for rate in (0.1, 1, 50, 50.6, 1e6, 0)] == [1, 1, 50, 51, MOST, MOST]
