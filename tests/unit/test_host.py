"""What stands in the way of the containers on this machine is said before anything is started."""

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from app.settings import HOME

GIB = 1024**3
INFO = {"MemTotal": 16 * GIB, "DockerRootDir": "/"}
Host = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that another program listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        one.listen()
        yield one.getsockname()[1]


@pytest.fixture
def free() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """Runs the command with a docker that answers what it is told to."""

    def call(
        what: str, info: dict[str, Any] | None = None, version: str = "2.26.1", published: str = "1", running: int = 0
    ) -> subprocess.CompletedProcess[str]:
        config = {"services": {"kafka": {"ports": [{"host_ip": "127.0.0.1", "published": published, "target": 9092}]}}}
        publisher = {"URL": "127.0.0.1", "TargetPort": 9092, "PublishedPort": running}
        answers = {
            "info": json.dumps(INFO | (info or {})),
            "version": version,
            "config": json.dumps(config),
            "ps": json.dumps({"Service": "kafka", "Publishers": [publisher]}),
        }
        cases = "\n".join(f"*' {word} '*) cat {tmp_path / word} ;;" for word in answers)
        for word, answer in answers.items():
            (tmp_path / word).write_text(answer)
        docker = tmp_path / "docker"
        docker.write_text(f'#!/bin/sh\ncase " $* " in\n{cases}\nesac\n')
        docker.chmod(0o755)
        return subprocess.run(
            [sys.executable, "-P", str(HOME / "cluster/host.py"), what, "docker", "compose"],
            env=os.environ | {"PATH": f"{tmp_path}:/usr/bin:/bin"},
            capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip

    return call


def test_a_machine_that_is_fit_gives_no_reason(host: Host, free: int) -> None:
    done = host("preflight", published=str(free))

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"info": {"MemTotal": 2 * GIB}}, r"Docker has 2\.0 GiB of memory; expected 6 GiB"),
        ({"info": {"ServerErrors": ["Cannot connect"], "MemTotal": 0}}, r"engine does not answer: Cannot connect"),
        ({"version": "2.5.0"}, r"docker compose is 2\.5\.0; expected 2\.20 or newer"),
    ],
)
def test_what_is_missing_is_said_with_what_is_expected(host: Host, given: dict[str, Any], said: str) -> None:
    done = host("preflight", **given)

    assert done.returncode == 1
    assert re.search(said, done.stderr)


def test_a_port_that_is_taken_is_named_with_its_service(host: Host, taken: int) -> None:
    done = host("preflight", published=str(taken))

    assert done.returncode == 1
    assert f"port {taken} of kafka is taken by another program" in done.stderr
    assert ".env" in done.stderr


def test_a_port_that_the_stack_itself_holds_is_no_obstacle(host: Host, taken: int) -> None:
    assert host("preflight", published=str(taken), running=taken).returncode == 0


def test_of_a_range_one_free_port_is_enough(host: Host, taken: int) -> None:
    assert host("preflight", published=f"{taken}-{taken + 20}").returncode == 0


def test_a_machine_without_docker_is_told_what_to_install(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-P", str(HOME / "cluster/host.py"), "preflight", "docker", "compose"],
        env={"PATH": str(tmp_path)}, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip

    assert done.returncode == 1
    assert "the command docker is not there" in done.stderr


def test_addresses_are_those_of_the_containers_that_run(host: Host) -> None:
    assert host("addresses", running=19092).stdout == "  Kafka               127.0.0.1:19092\n"
