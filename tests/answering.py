"""An API that answers what a test tells it to, for the pages of the dashboard."""

import json
import threading
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

from app.settings import settings

PIPELINES = [
    {
        "name": "parcels",
        "description": "Parcels on their way.",
        "topic": "parcel-scans",
        "views": [{"name": "depots", "description": ""}, {"name": "quarantine", "description": ""}],
    }
]
META = {
    "pipeline": "parcels",
    "version": 3,
    "mode": "incremental",
    "published_at": "2026-06-01T12:00:00Z",
    "cut": {"-1": 50, "0": 100},
    "offsets": {"0": 1250},
    "freshness_seconds": 0.8,
    "columns": {"depot": "string", "count": "bigint", "mean": "decimal", "heaviest": "json"},
    "limit": 1000,
    "truncated": False,
}
ROWS = [
    {"depot": "east", "count": 2, "mean": "10.25", "heaviest": [{"kilograms": "12.50"}]},
    {"depot": "west", "count": 1, "mean": "9.00", "heaviest": None},
]


class Server:
    """An HTTP server whose answers a test sets: path → (status, body)."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, Any]] = {"/pipelines": (200, PIPELINES)}
        self._server = make_server("127.0.0.1", 0, self._answer)
        self.port = self._server.port
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def _answer(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        status, body = self.answers[Request(environ).path]
        return Response(body if isinstance(body, str) else json.dumps(body), status)(environ, start_response)

    def serve(self, view: str, status: int, body: Any) -> None:
        self.answers[f"/pipelines/parcels/views/{view}"] = (status, body)

    def close(self) -> None:
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """The server that the settings name as the API."""
    made = Server()
    monkeypatch.setenv("API_HOST", "127.0.0.1")
    monkeypatch.setenv("API_PORT", str(made.port))
    settings.cache_clear()
    yield made
    made.close()
    settings.cache_clear()
