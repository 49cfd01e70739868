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


WHERE = """
    . ./scripts/lib/environment.sh && . ./scripts/lib/cluster.sh
    TIDEMARK_HOME=$HOME
    if tidemark_on_cluster; then echo cluster; else echo here; fi
"""


@pytest.fixture
def where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Asks whether a command is meant for the cluster, with a file `.env` and variables of the environment."""
    for name in ("TIDEMARK_ON", "SPARK_MASTER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))

    def call(file: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        (tmp_path / ".env").write_text(file)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        return run(WHERE)

    return call


@pytest.mark.parametrize(
    ("runs", "given", "expected"),
    [
        ("echo 1a2b", {}, "cluster"),
        ("true", {}, "here"),
        ("echo 1a2b", {"SPARK_MASTER": "spark://master.example:7077"}, "here"),
        ("echo 1a2b", {"file": "SPARK_MASTER=yarn\n"}, "here"),
        ("echo 1a2b", {"file": "#SPARK_MASTER=local[*]\n"}, "cluster"),
        ("echo 1a2b", {"TIDEMARK_ON": "here"}, "here"),
        ("true", {"TIDEMARK_ON": "cluster"}, "cluster"),
        ("true", {"TIDEMARK_ON": "cluster", "SPARK_MASTER": "yarn"}, "cluster"),
    ],
)
def test_a_command_is_for_the_cluster_that_runs_unless_another_is_meant(
    docker: Docker,
    where: Callable[..., subprocess.CompletedProcess[str]],
    runs: str,
    given: dict[str, str],
    expected: str,
) -> None:
    docker(runs)

    assert where(**given).stdout == f"{expected}\n"


def test_docker_that_does_not_answer_is_said_with_its_reason(
    docker: Docker, where: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    docker("echo permission denied >&2; exit 1")

    done = where()

    assert done.stdout == "here\n"
    assert done.stderr == "permission denied\ntidemark: on this machine, as Docker does not answer\n"
