"""Asking an endpoint what its description allows, or what it does not."""

from typing import Any

import schemathesis
from flask import Flask
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode

EXAMPLES = 200  # of each endpoint and kind
INJECTED = (
    "'", "' OR '1'='1", "'; DROP TABLE tidemark.ledger; --", '" OR 1=1 --', "1) OR (1=1", "\\' OR 1=1 --", "0 OR 1=1",
    "' UNION SELECT version() --", "1; SELECT pg_sleep(9)", "%s", "%(limit)s", ":limit", "{0}", "${limit}", "$1", "*",
)  # fmt: skip


def ask(app: Flask, path: str, mode: GenerationMode) -> None:
    operation = schemathesis.openapi.from_wsgi("/openapi.json", app)[path]["GET"]

    @given(operation.as_strategy(generation_mode=mode))
    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    def check(case: schemathesis.Case[Any]) -> None:
        case.call_and_validate()

    check()


def inject(app: Flask, path: str, **needed: str) -> None:
    """Gives each parameter SQL for a value: no error of the server, no row that is not there without, and none lost."""
    client = app.test_client()

    def rows(**asked: str) -> list[Any]:
        answer = client.get(path, query_string=needed | asked)
        assert answer.status_code in (200, 400, 404), (asked, answer.text)
        found: Any = answer.json if answer.status_code == 200 else []
        return list(found["rows"] if isinstance(found, dict) else found)

    before = rows()
    for parameter in app.api_doc["paths"][path]["get"]["parameters"]:  # type: ignore[attr-defined]
        for text in INJECTED:
            found = rows(**{parameter["name"]: text})
            assert all(row in before for row in found), (parameter["name"], text)
            assert len(found) < max(len(before), 1), (parameter["name"], text)
    assert rows() == before
