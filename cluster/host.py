"""What a script asks of the machine that runs the containers. The standard library is all it needs.

python3 cluster/host.py preflight docker compose …    fails unless this machine can run them
python3 cluster/host.py addresses docker compose …    where each service that runs is reached
"""

import errno
import json
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any

GIB = 1024**3
MEMORY = 8 * GIB  # of the machine; with jobs and producers the stack was seen to use 6 GiB
KEPT = 0.1  # of the memory of a machine, which its kernel keeps to itself
DISK = 12 * GIB  # images, and room for data
DATA = 2 * GIB  # room for data, where the images are there
COMPOSE = (2, 20)
SECONDS = 60
# What a port is for, by the port inside its container.
TITLES = {
    5550: "API                 http://{}/pipelines",
    8501: "dashboard           http://{}",
    10000: "SQL (HiveServer2)   hive2://tidemark_sql@{}",
    5432: "Postgres            postgresql://tidemark_read@{}/tidemark",
    9092: "Kafka               {}",
    8080: "Spark master        http://{}",
    8081: "Spark worker        http://{}",
    18080: "Spark history       http://{}",
    9870: "HDFS namenode       http://{}",
    5050: "pgAdmin             http://{}",
}


class Unfit(Exception):
    """This machine cannot run the containers; the message says why, what is expected, and what to do."""


def preflight(compose: Sequence[str]) -> None:
    """Raises Unfit for the first thing that is missing."""
    if shutil.which("docker") is None:
        raise Unfit("the command docker is not there; expected Docker with its compose plugin: install it")
    engine = _engine()
    version = _said([*compose, "version", "--short"])
    if tuple(int(part) for part in version.lstrip("v").split(".")[:2]) < COMPOSE:
        raise Unfit(
            f"docker compose is {version}; expected {'.'.join(map(str, COMPOSE))} or newer: bring it up to date"
        )
    if engine["MemTotal"] < MEMORY * (1 - KEPT):
        raise Unfit(
            f"Docker has {engine['MemTotal'] / GIB:.1f} GiB of memory; expected {MEMORY // GIB} GiB: give it more, "
            "or use ./scripts/demo, which needs less"
        )
    services = json.loads(_said([*compose, "config", "--format", "json"]))["services"]
    _require_disk(engine["DockerRootDir"], DATA if _built(services) else DISK)
    _require_ports(compose, services)


def _engine() -> Any:
    done = subprocess.run(
        ["docker", "info", "--format", "{{json .}}"], check=False, capture_output=True, text=True, timeout=SECONDS
    )
    info = json.loads(done.stdout) if done.stdout.startswith("{") else {}
    if done.returncode or info.get("ServerErrors") or not info.get("MemTotal"):
        reason = "; ".join(info.get("ServerErrors") or []) or done.stderr.strip() or "it gave no answer"
        raise Unfit(f"the Docker engine does not answer: {reason}; expected one that runs and that you may use")
    return info


def _built(services: Any) -> bool:
    """Whether every image is there; to build it anew after a change takes little room."""
    images = {service["image"] for service in services.values()}
    done = subprocess.run(
        ["docker", "image", "inspect", *sorted(images)], check=False, capture_output=True, timeout=SECONDS
    )
    return done.returncode == 0


def _require_disk(folder: str, room: int) -> None:
    try:
        free = shutil.disk_usage(folder).free
    except OSError:
        return  # the engine runs on another machine, or in one of its own
    if free < room:
        raise Unfit(f"{folder} has {free / GIB:.1f} GiB free; expected {room // GIB} GiB: make room (docker system df)")


def _require_ports(compose: Sequence[str], services: Any) -> None:
    """Every port is free, or one of the range; or it is this stack that holds it."""
    held = {int(port["PublishedPort"]) for _, port in _published(compose)}
    for service, port in ((name, port) for name, about in services.items() for port in about.get("ports", [])):
        first, _, last = str(port["published"]).partition("-")
        wanted = range(int(first), int(last or first) + 1)
        obstacles = [None if number in held else _obstacle(port.get("host_ip", ""), number) for number in wanted]
        if None not in obstacles:
            raise Unfit(f"port {port['published']} of {service} {obstacles[0]}")


def _obstacle(host: str, number: int) -> str | None:
    """Why a port cannot be published at an address of this machine, and what to do; None where nothing says so."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with closing(socket.socket(family, socket.SOCK_STREAM)) as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind((host, number))
        except PermissionError:
            return None  # it is the engine that publishes, and it may do more than whoever asks it
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return (
                    "is taken by another program; stop that one, or choose another port in .env (.env.example lists "
                    "the names)"
                )
            return (
                f"cannot be published at {host}: {error.strerror}; expected an address of this machine (ip address): "
                "set BIND_ADDR to one in .env"
            )
    return None


def addresses(compose: Sequence[str]) -> None:
    """Prints where each service that runs is reached from this machine."""
    lines = {
        TITLES.get(port["TargetPort"], service + " {}").format(f"{port['URL'] or '127.0.0.1'}:{port['PublishedPort']}")
        for service, port in _published(compose)
    }
    order = {title[:12]: at for at, title in enumerate(TITLES.values())}
    for line in sorted(lines, key=lambda line: (order.get(line[:12], len(order)), line)):
        print(f"  {line}")


def _published(compose: Sequence[str]) -> Iterator[tuple[str, Any]]:
    for line in _said([*compose, "ps", "--format", "json"]).splitlines():
        found = json.loads(line)
        for container in found if isinstance(found, list) else [found]:
            for port in container.get("Publishers") or []:
                if port["PublishedPort"]:
                    yield container["Service"], port


def _said(command: Sequence[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    if done.returncode:
        raise Unfit(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout.strip()


def main() -> None:
    try:
        {"preflight": preflight, "addresses": addresses}[sys.argv[1]](sys.argv[2:])
    except Unfit as error:
        sys.exit(f"tidemark: error: {error}")


if __name__ == "__main__":
    main()
