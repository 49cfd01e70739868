"""What a look at a folder of dropped files finds: each change once, no file that is still being made, no folder."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import app.folder
from app.folder import Folder, Seen

WAIT = 600.0


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path, WAIT)


@pytest.fixture
def aged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every change was made long ago."""
    monkeypatch.setattr(app.folder, "RECENT", 0)


@pytest.mark.usefixtures("aged")
def test_a_new_file_a_changed_one_and_one_that_was_put_in_its_place_are_seen(folder: Folder, tmp_path: Path) -> None:
    one, other = tmp_path / "b.json", tmp_path / "a.json"
    one.write_text("1")
    assert folder.look(0) == [Seen("b.json", False)]
    other.write_text("1")
    assert folder.look(1) == [Seen("a.json", False)]
    assert folder.look(2) == []
    with one.open("a") as file:
        file.write("2")
    assert folder.look(3) == [Seen("b.json", False)]
    other.rename(one)
    assert folder.look(4) == [Seen("b.json", False)]


@pytest.mark.usefixtures("aged")
def test_a_file_with_the_size_and_the_time_that_it_had_has_changed_all_the_same(folder: Folder, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("1")
    folder.look(0)
    before = path.stat()
    while path.stat().st_ctime_ns == before.st_ctime_ns:
        path.write_text("2")
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert folder.look(1) == [Seen("a.json", False)]
    assert folder.look(2) == []


def test_a_change_right_after_a_look_is_not_missed(folder: Folder, tmp_path: Path) -> None:
    """The clock of a file system may stand still for milliseconds: what has just changed is named again."""
    (tmp_path / "a.json").write_text("1")
    assert folder.look(0) == [Seen("a.json", False)]
    assert folder.look(1) == [Seen("a.json", False)]


def test_a_file_that_is_taken_away_while_the_folder_is_listed_is_passed_over(
    folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def scandir(path: Path) -> Iterator[list[os.DirEntry[str]]]:
        with scan(path) as entries:
            found = list(entries)
        (tmp_path / "a.json").unlink()
        yield found

    scan = os.scandir
    monkeypatch.setattr(os, "scandir", scandir)
    for name in ("a.json", "b.json"):
        (tmp_path / name).write_text("1")
    assert folder.look(0) == [Seen("b.json", False)]


def test_names_of_files_that_are_being_made_other_names_and_folders_are_passed_over(
    folder: Folder, tmp_path: Path
) -> None:
    for name in (".a.json", "_a.json", "a.json.tmp", "a.txt", "json"):
        (tmp_path / name).write_text("1")
    (tmp_path / "deeper.json").mkdir()
    (tmp_path / "deeper.json" / "a.json").write_text("1")
    (tmp_path / "broken.json").symlink_to(tmp_path / "nowhere")
    assert folder.look(0) == []
    (tmp_path / ".a.json").rename(tmp_path / "a.json")
    assert folder.look(1) == [Seen("a.json", False)]


@pytest.mark.usefixtures("aged")
def test_a_file_is_settled_once_when_it_has_not_changed_for_long_enough(folder: Folder, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("1")
    assert folder.look(10) == [Seen("a.json", False)]
    assert folder.look(10 + WAIT - 1) == []
    assert folder.look(10 + WAIT) == [Seen("a.json", True)]
    assert folder.look(10 + 9 * WAIT) == []
    path.write_text("12")
    assert folder.look(10 + 10 * WAIT) == [Seen("a.json", False)]
    assert folder.look(10 + 11 * WAIT) == [Seen("a.json", True)]


@pytest.mark.usefixtures("aged")
def test_a_file_that_is_gone_and_comes_back_is_seen_again(folder: Folder, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("1")
    folder.look(0)
    path.rename(tmp_path / ".a")
    assert folder.look(1) == []
    (tmp_path / ".a").rename(path)
    assert Seen("a.json", False) in folder.look(2)


def test_a_folder_that_is_gone_is_an_error_that_names_it(folder: Folder, tmp_path: Path) -> None:
    tmp_path.rmdir()
    with pytest.raises(FileNotFoundError, match=str(tmp_path)):
        folder.look(0)
