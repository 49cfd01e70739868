"""An API that answers what a test tells it to, for the pages of the dashboard."""

import json
import threading
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
import streamlit as st
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

from app.settings import settings

COLUMNS = {"depot": "string", "count": "bigint", "mean": "decimal", "heaviest": "json"}
BARS = {
    "kind": "bars", "view": "depots", "x": "depot", "y": "count", "order": [], "colours": [], "share": False,
    "most": 20, "title": "",
}  # fmt: skip
PIPELINES = [
    {
        "name": "parcels",
        "description": "Parcels on their way.",
        "topic": "parcel-scans",
        "partitions": 1,
        "views": [
            {
                "name": "depots", "description": "One row a depot", "keys": ["depot"], "asked_by": ["depot"],
                "columns": COLUMNS, "sums": ["count"], "limits": {},
            },
            {
                "name": "totals", "description": "All depots", "keys": [], "asked_by": [],
                "columns": {"count": "bigint", "mean": "decimal", "heaviest": "json"}, "sums": ["count"], "limits": {},
            },
            {
                "name": "quarantine", "description": "", "keys": ["reason"], "asked_by": ["reason"],
                "columns": {"reason": "string", "events": "bigint"}, "sums": ["events"], "limits": {},
            },
        ],
        "endpoints": [],
        "charts": [BARS],
    }
]  # fmt: skip
STATUS = {
    "pipeline": "parcels",
    "fingerprint": "0123456789ab",
    "version": 3,
    "mode": "incremental",
    "accepted": 149,
    "duplicates": 1,
    "quarantined": 0,
    "seconds": 4.2,
    "open_segment": 5,
    "published_at": "2026-06-01T12:00:00Z",
    "cut": {"-1": 50, "0": 100},
    "offsets": {"0": 1250},
    "freshness": "ok",
    "freshness_seconds": 0.8,
    "fresh_within": 60.0,
    "batch_seconds": 90.0,
    "batch_within": 3600.0,
    "batch_late": False,
    "written": None,
    "written_seconds": None,
    "failures": [],
}
FAILED = {
    "pipeline": "parcels", "job": "streaming", "since": "2026-06-01T10:00:00Z", "seconds": 7_200.0,
    "failed_at": "2026-06-01T11:59:00Z", "times": 3, "reason": "the *disk* is full", "help": "./scripts/topics",
    "decision": None, "retry_at": "2026-06-01T12:01:00Z",
}  # fmt: skip
META = STATUS | {"view": "depots", "layer": "merged", "columns": COLUMNS, "limit": 1000}
ROWS = [
    {"depot": "east", "count": 2, "mean": "10.25", "heaviest": [{"kilograms": "12.50"}]},
    {"depot": "west", "count": 1, "mean": "9.00", "heaviest": None},
]
BATCH_ROWS = [{"depot": "east", "count": 1, "mean": "8.00", "heaviest": None}]
VERSIONS = [
    {
        "version": version, "current": version == 3, "cut": {"-1": 50, "0": cut}, "mode": mode, "accepted": 49 + cut,
        "duplicates": 1, "quarantined": 0, "seconds": 4.2, "published_at": f"2026-06-01T1{version}:00:00Z",
        "withdrawn_at": None, "pruned_at": None,
    }
    for version, cut, mode in ((3, 100, "incremental"), (2, 70, "incremental"), (1, 10, "full"))
]  # fmt: skip


def rows(found: list[dict[str, Any]], **meta: Any) -> dict[str, Any]:
    """An answer of rows, each with columns of the view of depots or of another."""
    columns = {name: COLUMNS.get(name, "string") for name in found[0]} if found else COLUMNS
    return {"meta": META | {"columns": columns} | meta, "rows": found, "next": None}


def versions(found: list[dict[str, Any]]) -> dict[str, Any]:
    """What the API says of versions."""
    return {"meta": STATUS, "rows": found}


def quarantined(*found: dict[str, Any]) -> dict[str, Any]:
    """What the API says of the quarantine."""
    return {"meta": [STATUS], "rows": found, "not_counted": []}


def metrics(answers: int) -> str:
    """What the API says of its answers: of every ten, nine within 5 ms, the others within 50 ms."""
    buckets = {"0.005": answers * 9 // 10, "0.05": answers, "+Inf": answers}
    lines = [
        f'tidemark_api_seconds_bucket{{endpoint="pipelines",le="{le}",status="200"}} {count}.0'
        for le, count in buckets.items()
    ]
    return "\n".join(["# TYPE tidemark_api_seconds histogram", *lines, "tidemark_postgres_up 1.0", ""])


NO_POSTGRES = ["/pipelines", "/metrics"]  # what the API answers to without it
SILENT = "Postgres does not answer; start it, then ask again"


class Server:
    """An HTTP server whose answers a test sets: path → (status, body). `?layer=batch` is a path of its own."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, Any]] = {
            "/pipelines": (200, PIPELINES),
            "/freshness": (200, [{"pipeline": "parcels", "freshness": "ok", "failures": []}]),
            "/pipelines/parcels": (200, STATUS),
            "/pipelines/parcels/versions": (200, versions(VERSIONS)),
            "/metrics": (200, metrics(0)),
            "/quarantine": (200, quarantined({"pipeline": "parcels", "reason": "weight_missing", "events": 4})),
        }
        self.serve("depots", 200, rows(ROWS))
        self.serve("depots", 200, rows(BATCH_ROWS, layer="batch"), layer="batch")
        self.serve("totals", 200, rows([{"count": 3, "mean": "9.50", "heaviest": [{"kilograms": "12.50"}]}]))
        self.serve("quarantine", 200, rows([{"reason": "weight_missing", "events": 4}]))
        self.asked: list[str] = []
        self.queries: dict[str, list[str]] = {}  # of what was asked, by path
        self._server = make_server("127.0.0.1", 0, self._answer)
        self.port = self._server.port
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def _answer(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        request = Request(environ)
        batch = "?layer=batch" if request.args.get("layer") == "batch" else ""
        self.asked.append(request.path + batch)
        self.queries.setdefault(request.path + batch, []).append(request.query_string.decode())
        status, body = self.answers[request.path + batch]
        return Response(body if isinstance(body, str) else json.dumps(body), status)(environ, start_response)

    def serve(self, view: str, status: int, body: Any, layer: str = "merged") -> None:
        batch = "?layer=batch" if layer == "batch" else ""
        self.answers[f"/pipelines/parcels/views/{view}{batch}"] = (status, body)

    def fail(self, status: int, detail: str, but: Iterable[str] = ()) -> None:
        """From now on everything is answered with an error, `but` what is asked for at these paths."""
        kept = {path: self.answers[path] for path in but}
        self.answers = dict.fromkeys(self.answers, (status, {"detail": detail})) | kept

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
    st.cache_resource.clear()  # what was read of an earlier server, which may have had the same port
    yield made
    made.close()
    settings.cache_clear()
