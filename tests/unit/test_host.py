"""What stands in the way of the containers on this machine is said before anything is started."""

import errno
import json
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest

from app.settings import HOME
from cluster import host as machine

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
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Puts a docker that answers what it is told to on the PATH."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    def put(  # noqa: PLR0913
        *,
        info: dict[str, Any] | None = None,
        version: str = "2.26.1",
        published: str = "1",
        running: int = 0,
        address: str = "127.0.0.1",
        built: bool = True,
    ) -> None:
        ports = [{"host_ip": address, "published": published, "target": 9092}]
        publisher = {"URL": "127.0.0.1", "TargetPort": 9092, "PublishedPort": running}
        answers = {
            "info": json.dumps(INFO | (info or {})),
            "version": version,
            "config": json.dumps({"services": {"kafka": {"image": "tidemark/kafka", "ports": ports}}}),
            "ps": json.dumps({"Service": "kafka", "Publishers": [publisher]}),
        }
        cases = "\n".join(f"*' {word} '*) cat {tmp_path / word} ;;" for word in answers)
        for word, answer in answers.items():
            (tmp_path / word).write_text(answer)
        program = tmp_path / "docker"
        images = f"*' image inspect tidemark/kafka '*) exit {0 if built else 1} ;;"
        program.write_text(f'#!/bin/sh\ncase " $* " in\n{cases}\n{images}\nesac\n')
        program.chmod(0o755)

    return put


@pytest.fixture
def host(docker: Callable[..., None]) -> Host:
    """Runs the command with such a docker."""

    def call(what: str, **answers: Any) -> subprocess.CompletedProcess[str]:
        docker(**answers)
        return subprocess.run(
            [sys.executable, "-P", str(HOME / "cluster/host.py"), what, "docker", "compose"],
            capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip

    return call


def test_a_machine_that_is_fit_gives_no_reason(host: Host, free: int) -> None:
    done = host("preflight", published=str(free))

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"info": {"MemTotal": 2 * GIB}}, r"Docker has 2\.0 GiB of memory; expected 8 GiB"),
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


def test_an_address_that_is_not_of_this_machine_is_told_from_a_port_that_is_taken(host: Host, free: int) -> None:
    done = host("preflight", published=str(free), address="192.0.2.1")

    assert done.returncode == 1
    assert f"port {free} of kafka cannot be published at 192.0.2.1: " in done.stderr
    assert "BIND_ADDR" in done.stderr


def test_a_port_that_only_the_engine_may_open_is_no_obstacle(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = MagicMock(**{"return_value.bind.side_effect": PermissionError(errno.EACCES, "Permission denied")})
    monkeypatch.setattr(socket, "socket", refused)

    assert machine._obstacle("127.0.0.1", 80) is None


@pytest.mark.parametrize(
    ("built", "room", "expected"), [(False, 11, 12), (False, 13, None), (True, 3, None), (True, 1, 2)]
)
def test_room_for_the_images_is_expected_until_they_are_there(
    docker: Callable[..., None], monkeypatch: pytest.MonkeyPatch, built: bool, room: int, expected: int | None
) -> None:
    docker(built=built)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: MagicMock(free=room * GIB))

    with nullcontext() if expected is None else pytest.raises(machine.Unfit, match=f"expected {expected} GiB"):
        machine.preflight(["docker", "compose"])


def test_the_readme_says_what_is_expected() -> None:
    readme = " ".join((HOME / "README.md").read_text().split())

    assert f"{machine.MEMORY // GIB} GiB of memory and {machine.DISK // GIB} GiB of free disk" in readme


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
