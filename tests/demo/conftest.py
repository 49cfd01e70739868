"""A demo on a data folder that the tests share: each goes on where the one before has left it."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from embedded.process import free_port
from embedded.stack import Ports
from tests.browser import browser
from tests.demo.running import SECONDS, SERVERS, words


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="session")
def ports() -> Ports:
    return Ports(*(free_port() for _ in SERVERS))


@pytest.fixture(scope="session")
def options(data: Path, ports: Ports) -> list[str]:
    """A data folder and ports of its own."""
    return [f"--data={data}", *(f"--{name}-port={getattr(ports, name)}" for name in SERVERS)]


@pytest.fixture(scope="session")
def bounded(options: list[str], tmp_path_factory: pytest.TempPathFactory) -> str:
    """What a bounded demo prints, run from any folder on an empty one."""
    command = words("./scripts/demo", "--once", "--events=2000", *options)
    done = subprocess.run(
        command, cwd=tmp_path_factory.mktemp("any"), stdout=-1, stderr=-2, text=True, timeout=SECONDS, check=False
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="session")
def opened() -> Iterator[Browser]:
    with browser() as made:
        yield made
