"""The scripts that work on the cluster, with a docker that only writes down what it is asked."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from app.settings import HOME

Docker = Callable[[str], Path]


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Docker:
    """Puts a docker on the PATH that runs a line of shell; gives the file of what it is asked, a command a line."""
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    def put(does: str) -> Path:
        asked = tmp_path / "asked"
        (tmp_path / "docker").write_text(f'#!/bin/sh\necho "$*" >>{asked}\n{does}\n')
        (tmp_path / "docker").chmod(0o755)
        return asked

    return put


def run(script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["bash", "-c", script], cwd=HOME, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(("option", "forgotten"), [("", []), (" --forget-data", ["--volumes"])])
def test_down_leaves_no_volume_without_a_name_behind(docker: Docker, option: str, forgotten: list[str]) -> None:
    asked = docker("true")

    done = run(f"./scripts/down{option}")

    assert done.returncode == 0, done.stderr
    remove, down = (line.split("--profile submit ")[1].split() for line in asked.read_text().splitlines())
    assert remove == ["rm", "--stop", "--force", "--volumes"]
    assert down == ["down", "--remove-orphans", *forgotten]
