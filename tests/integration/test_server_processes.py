"""Child processes: bounded starts and stops, ports, and no process that outlives its parent."""

import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from app.settings import HOME
from embedded.process import Server, ServerError, accepts_connections, free_port, require_port
from embedded.spark import SparkJob

pytestmark = pytest.mark.timeout(120)


def wait_until(condition: Callable[[], bool], seconds: float = 60) -> None:
    Retrying(stop=stop_after_delay(seconds), wait=wait_fixed(0.05), retry=retry_if_result(lambda done: not done))(
        condition
    )


def test_a_free_port_is_not_refused_and_not_given_out_twice() -> None:
    ports = [free_port() for _ in range(50)]

    assert len(set(ports)) == 50
    require_port("anything", ports[0], "--port")


def test_no_port_is_given_out_by_two_processes_at_once() -> None:
    script = (
        "import itertools, sys; from embedded import process; process._turns = itertools.count(); "
        "print(*(process.free_port() for _ in range(50)), flush=True); sys.stdin.read()"
    )
    given: list[int] = []
    with ExitStack() as exits:
        for _ in range(2):
            words = [sys.executable, "-c", script]
            other = exits.enter_context(subprocess.Popen(words, stdin=-1, stdout=-1, text=True, cwd=HOME))
            given += [int(port) for port in (other.stdout or ()).readline().split()]  # type: ignore[union-attr]

    assert len(set(given)) == len(given) == 100


def test_a_free_port_is_none_of_those_that_will_be_taken() -> None:
    first = free_port()

    assert free_port(range(first + 1, first + 9)) not in range(first, first + 9)


def test_the_system_gives_a_free_port_to_nobody_else_before_its_server_begins() -> None:
    lowest = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0]

    assert max(free_port() for _ in range(50)) < int(lowest)


def test_a_server_that_ends_at_once_shows_the_end_of_its_log(tmp_path: Path) -> None:
    server = Server("broken", tmp_path / "log", stop_signal=signal.SIGTERM, stop_seconds=1)

    with pytest.raises(ServerError, match=r"broken ended with code 3 before it was ready.*\n.*the reason"):
        server.start(["sh", "-c", "echo the reason; exit 3"], ready=lambda: False, seconds=60)


def test_a_server_that_is_never_ready_is_killed_within_the_bound(tmp_path: Path) -> None:
    server = Server("slow", tmp_path / "log", stop_signal=signal.SIGTERM, stop_seconds=1)

    with pytest.raises(ServerError, match=r"slow was not ready after 0\.5 s"):
        server.start(["sleep", "60"], ready=lambda: False, seconds=0.5)

    assert not server.running


def test_a_server_that_has_not_begun_is_not_waited_for(tmp_path: Path) -> None:
    server = Server("idle", tmp_path / "log", stop_signal=signal.SIGTERM, stop_seconds=1)

    with pytest.raises(ServerError, match="idle is not running; start it first"):
        server.until_ready(lambda: True, seconds=60)


def test_a_server_that_ignores_the_request_to_stop_is_killed_with_its_children(tmp_path: Path) -> None:
    server = Server("stubborn", tmp_path / "log", stop_signal=signal.SIGTERM, stop_seconds=0.3)
    command = ["sh", "-c", "trap '' TERM; sleep 60 & echo $!; wait; wait"]
    server.start(command, ready=lambda: bool((tmp_path / "log").read_text()), seconds=60)
    child = int((tmp_path / "log").read_text())

    server.stop()

    assert not server.running
    wait_until(lambda: not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE)


def test_a_job_is_stopped_by_its_python_process_whatever_else_below_it_has_ended(tmp_path: Path) -> None:
    script = tmp_path / "app/sql_server.py"
    script.parent.mkdir()
    script.write_text("import signal; print('python waits', flush=True); signal.sigwait({signal.SIGTERM})")
    # As Spark's Java: it does not wait for a shell that has ended, and ends when the script does.
    java = (
        f"import subprocess; shell = subprocess.Popen(['true']); subprocess.run([{sys.executable!r}, {str(script)!r}])"
    )
    job = SparkJob("sql", tmp_path / "log", stop_seconds=60)
    job.start([sys.executable, "-c", java], ready=lambda: "waits" in (tmp_path / "log").read_text(), seconds=60)
    try:
        first, *_ = psutil.Process(job.pid).children()
        wait_until(lambda: first.status() == psutil.STATUS_ZOMBIE)
        job.ask_to_stop()

        assert job.wait(60) == 0
    finally:
        job.kill()


def test_servers_end_when_the_process_that_started_them_is_killed(tmp_path: Path) -> None:
    ports = free_port(), free_port()
    program = (
        "import signal, sys; from pathlib import Path; from embedded.kafka import Kafka; from embedded.postgres import "
        "Postgres; root = Path(sys.argv[1]); Kafka(root / 'kafka', int(sys.argv[2])).start(); "
        "Postgres(root / 'postgres', int(sys.argv[3])).start(); print('ready', flush=True); "
        "signal.alarm(120); signal.pause()"
    )
    command = [sys.executable, "-c", program, str(tmp_path), *map(str, ports)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as parent:
        try:
            assert parent.stdout is not None
            assert parent.stdout.readline() == b"ready\n"
        finally:
            parent.kill()

    wait_until(lambda: not any(accepts_connections(port) for port in ports))
