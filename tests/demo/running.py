"""The demo as a newcomer runs it."""

import json
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import psutil
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from app.settings import HOME
from embedded.stack import Ports

SECONDS = 900
SERVERS = ("kafka", "postgres", "metastore", "sql", "api", "dashboard")


def words(command: str, *options: str, home: Path = HOME) -> list[str]:
    """A command of the documentation, with more options."""
    script, *arguments = command.split()
    return [str(home / script), *arguments, *options]


@contextmanager
def demo(command: Sequence[str], folder: Path) -> Iterator[Callable[[], str]]:
    """The demo from when it shows its dashboard until Ctrl-C. Gives what it has printed."""
    output = folder / "output"
    with output.open("w") as file:
        run = subprocess.Popen(command, cwd=folder, stdout=file, stderr=file, start_new_session=True)
    try:
        until(lambda: run.poll() is not None or "dashboard  http" in output.read_text(), SECONDS)
        assert run.poll() is None, output.read_text()
        yield output.read_text
        run.send_signal(signal.SIGINT)
        assert run.wait(timeout=180) == 0, output.read_text()
    finally:
        run.kill()
        run.wait()


def until(condition: Callable[[], bool], seconds: float) -> None:
    Retrying(stop=stop_after_delay(seconds), wait=wait_fixed(0.5), retry=retry_if_result(lambda done: not done))(
        condition
    )


def ask(ports: Ports, path: str) -> Any:
    """What the API answers."""
    with urlopen(f"http://127.0.0.1:{ports.api}{path}", timeout=10) as answer:
        return json.load(answer)


def at_work(data: Path) -> dict[int, list[str]]:
    """The command lines of the processes that work on a data folder, by process id."""
    folder = str(data)
    return {
        process.pid: process.info["cmdline"] or []
        for process in psutil.process_iter(["cmdline", "environ"])
        if folder in (process.info["environ"] or {}).get("SECRETS_PATH", "")
        or any(folder in word for word in process.info["cmdline"] or [])
    }
