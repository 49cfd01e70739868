"""The cluster that the tests of this folder share: a project of its own, on ports that were free."""

import os
import subprocess
from collections.abc import Iterator

import pytest

from app.settings import HOME
from cluster.variables import PORTS
from embedded.process import free_port

PROJECT = "tidemark-test"
# Two processors are few for five streams and batches side by side, and what is counted soon is measured elsewhere.
SELDOM = {"SPEED_INTERVAL": "5", "BATCH_EVERY": "600"}
PROFILES = ("--profile", "jobs", "--profile", "tools", "--profile", "submit")


@pytest.fixture(scope="session")
def ports() -> dict[str, int]:
    """The port on this machine by the name of its variable."""
    return {name: free_port() for name in PORTS}


@pytest.fixture(scope="session")
def environment(ports: dict[str, int]) -> dict[str, str]:
    """What every command of these tests runs in."""
    own = {name: str(port) for name, port in ports.items()}
    # One port for two workers is too few.
    own["SPARK_WORKER_UI_PORTS"] = f"{ports['SPARK_WORKER_UI_PORTS']}-{ports['SPARK_WORKER_UI_PORTS'] + 9}"
    return os.environ | own | SELDOM | {"COMPOSE_PROJECT_NAME": PROJECT, "TIDEMARK_ON": ""}


@pytest.fixture(scope="session")
def clean(environment: dict[str, str]) -> Iterator[None]:
    """Nothing of an earlier run is there, and nothing is left behind."""

    def forget() -> None:
        command = ["docker", "compose", *PROFILES, "down", "--volumes", "--remove-orphans"]
        subprocess.run(command, cwd=HOME, env=environment, check=True, capture_output=True, timeout=300)

    forget()
    yield
    forget()
