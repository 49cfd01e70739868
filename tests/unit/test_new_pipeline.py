"""A pipeline is written by one command, works as it stands, and is gone with its one file."""

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from pydantic import ValidationError

import app.model
from app import new_pipeline, pipelines
from app.naming import DATABASES, PAGES
from app.new_pipeline import NOT_PRODUCERS, main
from app.pipelines.transactions import PIPELINE

m: Any = app.model  # without its types, which refuse most of this too
HOME = Path(__file__).resolve().parents[2]
LONGEST = "a" * 24
REQUIRED = ("name", "description", "topic", "columns", "event_time", "views")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A copy of what the command and the pipelines need."""
    without_caches = shutil.ignore_patterns("__pycache__")
    for name in ("app", "scripts", "requirements", "jars"):
        shutil.copytree(HOME / name, tmp_path / name, ignore=without_caches)
    shutil.copy(HOME / "pyproject.toml", tmp_path)
    return tmp_path


class Result(NamedTuple):
    """What a command said."""

    exit_code: Any
    stdout: str
    stderr: str


@pytest.fixture
def written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Result]:
    """Calls the command with arguments; it writes into a folder of its own."""
    monkeypatch.setattr(new_pipeline, "FOLDER", tmp_path)

    def call(*arguments: str) -> Result:
        monkeypatch.setattr(sys, "argv", ["new-pipeline", *arguments])
        code: Any = 0
        try:
            main()
        except SystemExit as end:
            code = end.code
        return Result(code, *capsys.readouterr())

    return call


def run(home: Path, *command: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(home), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        command, cwd=cwd or home, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def tool(home: Path, name: str, *arguments: str | Path) -> None:
    """Runs a checker on the copy; what it complains of is the assertion's message."""
    done = run(home, Path(sys.executable).with_name(name), *arguments)
    assert done.returncode == 0, done.stdout + done.stderr


def names(home: Path) -> list[str]:
    """The pipelines that the copy has, each of them loaded."""
    program = "from app import pipelines\nfor one in pipelines.select([]): print(one.name)"
    done = run(home, sys.executable, "-c", program)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_the_script_writes_a_pipeline_that_is_found_and_is_gone_with_its_file(home: Path) -> None:
    before = names(home)
    done = run(home, home / "scripts/new-pipeline", "orders")

    assert done.returncode == 0, done.stderr
    assert names(home) == sorted([*before, "orders"])
    (home / "app/pipelines/orders.py").unlink()
    assert names(home) == before == pipelines.names()


def test_the_script_is_not_led_astray_by_what_is_in_the_folder_it_is_called_from(home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    (folder / "app").mkdir(parents=True)
    (folder / "app/__init__.py").write_text("raise AssertionError('this is another app')")
    done = run(home, home / "scripts/new-pipeline", "orders", cwd=folder)

    assert done.returncode == 0, done.stderr
    assert (home / "app/pipelines/orders.py").exists()


def test_the_script_can_be_run_and_says_what_was_written_and_what_comes_next(
    written: Callable[..., Result],
) -> None:
    done = written("orders")

    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.startswith("wrote app/pipelines/orders.py")
    commands = ["edit app/pipelines/orders.py", "./scripts/test tests/spark/test_pipelines.py -k orders"]
    for command in [*commands, "./scripts/demo orders"]:
        assert f"  {command}\n" in done.stdout
    assert (HOME / "tests/spark/test_pipelines.py").exists()
    assert (HOME / "scripts/new-pipeline").stat().st_mode & stat.S_IXUSR


@pytest.mark.parametrize("name", ["a", "orders", LONGEST])
def test_what_is_written_is_formatted_and_without_complaint(home: Path, name: str) -> None:
    path = new_pipeline.write(name, home / "app/pipelines")

    tool(home, "ruff", "format", "--check", path)
    tool(home, "ruff", "check", path)


def test_what_is_written_is_typed_strictly(home: Path) -> None:
    new_pipeline.write("orders", home / "app/pipelines")

    tool(home, "mypy", "--strict", "-m", "app.pipelines.orders")


def test_what_is_written_shows_each_part_that_a_pipeline_has(home: Path) -> None:
    text = new_pipeline.write("orders", home / "app/pipelines").read_text()
    space: dict[str, Any] = {}
    exec(text, space)  # noqa: S102 - it is the template
    pipeline = space["PIPELINE"]

    assert (pipeline.name, pipeline.topic.name) == ("orders", "orders")
    assert [view.key_names for view in pipeline.views] == [("kind",), ("window_start", "window_end")]
    assert [check.name for check in pipeline.checks] == ["amount_negative"]
    assert {example.reason for example in pipeline.examples} > {None, "amount_negative"}
    assert text.count("    # ") >= 8


@pytest.mark.parametrize(
    "name",
    ["", "Orders", "1st", "_a", "two words", "a-b", "a.b", "../a", "/a", "ü", "a\n", LONGEST + "a", "-x", "class",
     *NOT_PRODUCERS, *PAGES, *DATABASES],
)  # fmt: skip
def test_a_bad_name_is_refused_and_nothing_is_written(
    written: Callable[..., Result], tmp_path: Path, name: str
) -> None:
    done = written("--", name)

    assert done.exit_code == 2
    assert f"{name!r} cannot be the name of a pipeline" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_no_pipeline_can_be_called_like_a_module_of_the_producers_that_is_not_of_a_pipeline() -> None:
    modules = {path.stem for path in (HOME / "producers").glob("[!_]*.py")}

    assert modules - set(pipelines.names()) == set(NOT_PRODUCERS)


def test_a_file_that_exists_stays_as_it_is(written: Callable[..., Result], tmp_path: Path) -> None:
    (tmp_path / "orders.py").write_text("mine")
    done = written("orders")

    assert done.exit_code == "Error: app/pipelines/orders.py exists and stays as it is; choose another name, or edit it"
    assert (tmp_path / "orders.py").read_text() == "mine"


def test_a_name_is_demanded(written: Callable[..., Result]) -> None:
    assert written().exit_code == 2


def test_examples_take_no_part_in_the_fingerprint() -> None:
    others = [replace(PIPELINE, examples=examples) for examples in ((), (m.Example("{}", "missing_event_id"),))]

    assert {other.fingerprint for other in others} == {PIPELINE.fingerprint}


@pytest.mark.parametrize(
    ("arguments", "named", "field"),
    [
        (("",), {}, "message"),
        ((None,), {}, "message"),
        (({"a": 1},), {}, "message"),
        ((b"{}",), {}, "message"),
        (("{}", ""), {}, "reason"),
        (("{}",), {"arrival": "now"}, "arrival"),
        ((), {}, "message"),
    ],
)
def test_an_example_that_is_none_is_refused_by_its_field(
    arguments: tuple[Any, ...], named: dict[str, Any], field: str
) -> None:
    with pytest.raises(ValidationError) as refused:
        m.Example(*arguments, **named)

    assert [error["loc"][0] for error in refused.value.errors()] in ([field], [0 if field == "message" else 1])


def test_what_is_not_an_example_is_refused() -> None:
    with pytest.raises(ValidationError, match="examples"):
        m.Pipeline(**{name: getattr(PIPELINE, name) for name in REQUIRED}, examples=("{}",))
