"""The server process: it answers, it ends cleanly, and it says what keeps it from starting."""

import os
import signal
import socket
import subprocess
import sys
from contextlib import closing
from http.client import HTTPConnection

import pytest

from app.settings import HOME, Settings
from embedded.process import free_port


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_server_answers_and_ends_at_a_signal_with_exit_code_0(database: Settings, number: signal.Signals) -> None:
    port = free_port()
    changed = {"API_PORT": str(port), "PG_URL": database.pg_url, "SECRETS_PATH": str(database.secrets_path)}
    with subprocess.Popen(
        [sys.executable, "-m", "backend"], cwd=HOME, env=os.environ | changed, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        try:
            assert any("listening on" in line for line in process.stderr)
            with closing(HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
                connection.request("GET", "/readyz")
                status = connection.getresponse().status
            process.send_signal(number)
            _, log = process.communicate(timeout=60)
        finally:
            process.kill()

    assert (status, process.returncode) == (200, 0), log
    assert log.endswith("stopped\n")


def test_a_port_that_is_taken_is_an_error_that_names_the_settings(database: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        changed = {"API_PORT": str(taken.getsockname()[1]), "PG_URL": database.pg_url}
        done = subprocess.run(
            [sys.executable, "-m", "backend"],
            cwd=HOME, env=os.environ | changed, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    assert done.returncode == 1
    assert "cannot listen on 127.0.0.1" in done.stderr
    assert "set API_HOST and API_PORT" in done.stderr
