"""The inventory counts what the tests consist of, and fails where a count has become smaller."""

import sys
from pathlib import Path

import pytest

from tests import inventory

TESTS = """
import signal

import pytest
from hypothesis import given, settings, strategies as st

FEW = 7

@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_killed_by(number):
    assert number

@pytest.mark.parametrize("script", ["a_killed_here.py", "b_killed_there.py"])
def test_killed(script):
    with pytest.raises(ValueError):
        raise ValueError(script, "b_killed_there.py", "c_killed_nowhere.py")

class TestLaws:
    @settings(max_examples=5)
    @given(st.integers())
    def test_law(self, number):
        assert number == number

@given(st.integers())
def test_by_default(number):
    def helper():
        @settings(max_examples=FEW)
        @given(st.booleans())
        def check(value):
            assert value in (True, False)
        check()
"""


@pytest.fixture(scope="module")
def counts(tmp_path_factory: pytest.TempPathFactory) -> inventory.Counts:
    folder = tmp_path_factory.mktemp("tree")
    for name in ("a_killed_here", "b_killed_there"):
        (folder / f"tests/faults/{name}.py").parent.mkdir(parents=True, exist_ok=True)
        (folder / f"tests/faults/{name}.py").touch()
    for package in ("tests", "tests/unit"):
        (folder / package).mkdir(exist_ok=True)
        (folder / package / "__init__.py").touch()
    (folder / "tests/unit/test_it.py").write_text(TESTS)
    return inventory.count(folder)


def test_each_thing_that_tests_consist_of_is_counted(counts: inventory.Counts) -> None:
    # Kill points: one signal; of the two scripts first both, then the one that is named too.
    assert counts == {"ids": 6, "asserts": 4, "examples": 5 + 100 + 7, "kill points": 1 + 2 + 1}


@pytest.mark.parametrize("name", ["ids", "asserts", "examples", "kill points"])
def test_what_has_become_fewer_fails(
    counts: inventory.Counts, name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["inventory", "main"])
    monkeypatch.setattr(inventory, "count", lambda _: counts)
    for before, code in ((0, 0), (1, 1)):
        monkeypatch.setattr(inventory, "count_revision", lambda _, more=before: counts | {name: counts[name] + more})
        with pytest.raises(SystemExit) as ended:
            inventory.main()
        assert ended.value.code == code
        assert capsys.readouterr().out.count("fewer") == code


def test_tests_that_cannot_be_collected_say_why(tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests/test_it.py").write_text("import nothing_of_this_name")
    with pytest.raises(RuntimeError, match="nothing_of_this_name"):
        inventory.count(tmp_path)
