"""The health checks of services that nobody asks over HTTP, against real servers."""

import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest
import requests
from werkzeug.serving import make_server

from app import pipelines
from app.settings import Settings
from backend import close, create_app
from cluster.health import Unhealthy, dashboard, kafka, producers
from dashboard.api import ApiError
from embedded.process import Server, accepts_connections, free_port
from tests.integration.conftest import Stack, event


def test_the_producers_are_healthy_while_what_they_send_arrives(
    stack: Stack, kafka_bootstrap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = Settings(kafka_bootstrap_servers=kafka_bootstrap)
    kafka.check(at)
    monkeypatch.setattr(pipelines, "select", lambda _: [stack.pipeline])
    with pytest.raises(Unhealthy, match="no topic has taken a message since"):
        producers.check(at)

    stack.send(event("1"))

    producers.check(at)
    monkeypatch.setattr(producers, "OLD", 0)
    with pytest.raises(Unhealthy):
        producers.check(at)


@pytest.fixture
def silent() -> Iterator[int]:
    """A port that takes connections, where nobody answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield int(listening.getsockname()[1])


def test_the_dashboard_is_healthy_while_it_serves_and_the_api_answers_it_whatever_postgres_does(
    database: Settings, tmp_path: Path, silent: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dashboard, "SECONDS", 5)  # less than the API waits for Postgres
    api = create_app(database.model_copy(update={"pg_url": f"postgresql://127.0.0.1:{silent}/tidemark"}))
    answering = make_server("127.0.0.1", 0, api, threaded=True)
    thread = Thread(target=answering.serve_forever, daemon=True)
    at = database.model_copy(update={"api_port": answering.port, "dashboard_port": free_port()})
    shown = Server("the dashboard", tmp_path / "dashboard", stop_signal=signal.SIGTERM, stop_seconds=10)
    own = {"API_PORT": str(at.api_port), "DASHBOARD_PORT": str(at.dashboard_port)}
    shown.begin([sys.executable, "-P", "-m", "dashboard"], os.environ | own)
    try:
        thread.start()
        shown.until_ready(lambda: accepts_connections(at.dashboard_port), 60)
        dashboard.check(at)
        answering.shutdown()
        thread.join()
        answering.server_close()
        with pytest.raises(ApiError, match="does not answer"):
            dashboard.check(at)
    finally:
        shown.stop()
        close(api)
    with pytest.raises(requests.ConnectionError):
        dashboard.check(at)
