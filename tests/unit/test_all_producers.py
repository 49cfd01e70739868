"""The producers of several pipelines as one command."""

import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner

from app.model import Pipeline
from producers import __main__ as producers

ENDS = "raise SystemExit(0)"
FAILS = "raise SystemExit(3)"
STAYS = "import threading; threading.Event().wait(60)"


@pytest.fixture
def programs(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The program of the producer of each pipeline; STAYS where none is given."""
    given: dict[str, str] = {}

    def commands(pipeline: Pipeline, _: Path, __: Mapping[str, object]) -> dict[str, list[str]]:
        return {"producer": [sys.executable, "-c", given.get(pipeline.name, STAYS)]}

    monkeypatch.setattr(producers, "commands", commands)
    return given


@pytest.mark.usefixtures("default_signals")
def test_one_that_fails_ends_all_and_is_named(programs: dict[str, str]) -> None:
    programs["space"] = FAILS

    done = CliRunner().invoke(producers.main, ["space", "sensors"])

    assert done.exit_code == 1
    assert "the producer of space failed" in done.output


@pytest.mark.usefixtures("default_signals")
def test_with_a_count_all_end_and_so_does_the_command(programs: dict[str, str]) -> None:
    programs |= {"space": ENDS, "housing": ENDS}

    assert CliRunner().invoke(producers.main, ["space", "housing", "--count", "5"]).exit_code == 0


def test_a_pipeline_that_there_is_not_is_named() -> None:
    done = CliRunner().invoke(producers.main, ["weather"])

    assert done.exit_code != 0
    assert "weather" in done.output


def test_asked_to_stop_it_stops_all(tmp_path: Path) -> None:
    script = (
        "import sys; from producers import __main__ as p\n"
        f"p.commands = lambda *_: {{'producer': [sys.executable, '-c', 'import os; os.write(1, b\".\"); {STAYS}']}}\n"
        "p.main(['space', 'housing'])"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, cwd=tmp_path) as run:
        assert run.stdout is not None
        assert run.stdout.read(2) == b".."  # both run
        run.send_signal(signal.SIGTERM)

        assert run.wait(30) == 0
        assert run.stdout.read() == b""  # ends when the last of them has
