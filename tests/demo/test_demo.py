"""The demo as a newcomer runs it: a bounded run that proves itself, twice, and an orderly end."""

import re
import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import IO

import psutil
import pytest
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from app.settings import HOME
from embedded.process import free_port

SECONDS = 900


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """A data folder and ports of its own."""
    ports = [f"--{name}-port={free_port()}" for name in ("kafka", "postgres", "api", "dashboard")]
    return [f"--data={tmp_path_factory.mktemp('demo')}", *ports]


def demo(*options: str, cwd: Path, output: int | IO[str] = subprocess.PIPE) -> subprocess.Popen[str]:
    """The demo, started from any folder, in a session of its own."""
    return subprocess.Popen(
        [str(HOME / "scripts/demo"), *options],
        cwd=cwd,
        stdout=output,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def until(condition: Callable[[], bool], seconds: float) -> None:
    Retrying(stop=stop_after_delay(seconds), wait=wait_fixed(0.5), retry=retry_if_result(lambda done: not done))(
        condition
    )


def left_behind(data: str) -> list[list[str]]:
    """Command lines of processes that still work on a data folder."""
    folder = data.removeprefix("--data=")
    return [
        process.info["cmdline"]
        for process in psutil.process_iter(["cmdline", "environ"])
        if folder in (process.info["environ"] or {}).get("SECRETS_PATH", "")
        or any(folder in word for word in process.info["cmdline"] or [])
    ]


def test_a_bounded_demo_is_exact_and_goes_on_where_it_was(options: list[str], tmp_path: Path) -> None:
    totals = []
    for _ in range(2):
        run = demo("--once", "--events=2000", *options, cwd=tmp_path)
        printed, _ = run.communicate(timeout=SECONDS)
        assert run.returncode == 0, printed
        assert "verify: exact transactions.clients" in printed
        accepted = re.search(r"transactions: ([\d,]+) accepted", printed)
        assert accepted, printed
        totals.append(int(accepted[1].replace(",", "")))
    assert totals == [5_000 + 2_000, 5_000 + 4_000]
    assert left_behind(options[0]) == []


def test_ctrl_c_stops_everything(options: list[str], tmp_path: Path) -> None:
    output = tmp_path / "output"
    with output.open("w") as file:
        run = demo(*options, cwd=tmp_path, output=file)
    until(lambda: run.poll() is not None or "dashboard  http" in output.read_text(), SECONDS)
    run.send_signal(signal.SIGINT)
    assert run.wait(timeout=180) == 0, output.read_text()
    assert "dashboard  http" in output.read_text()
    assert left_behind(options[0]) == []


def test_a_taken_port_is_named_with_what_to_do(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        others = [f"--{name}-port={free_port()}" for name in ("kafka", "postgres", "dashboard")]
        run = demo(f"--api-port={port}", f"--data={tmp_path}", *others, cwd=tmp_path)
        printed, _ = run.communicate(timeout=120)
    assert run.returncode == 1
    assert f"{port}" in printed
    assert "--api-port" in printed
