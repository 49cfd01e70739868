"""Asking an endpoint what its description allows, and what it does not."""

import csv
import io
import json
from http import HTTPStatus
from typing import Any

import schemathesis
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode

EXAMPLES = 200  # of each endpoint
INJECTED = (
    "'", "' OR '1'='1", "'; DROP TABLE tidemark.ledger; --", '" OR 1=1 --', "1) OR (1=1", "\\' OR 1=1 --", "0 OR 1=1",
    "' UNION SELECT version() --", "1; SELECT pg_sleep(9)", "%s", "%(limit)s", ":limit", "{0}", "${limit}", "$1", "*",
)  # fmt: skip


def ask(app: Flask, path: str) -> None:
    """Asks what is described, which is answered in each form as it says, and what is not, which is refused."""
    operation = schemathesis.openapi.from_wsgi("/openapi.json", app)[path]["GET"]
    described = app.api_doc["paths"][path]["get"]  # type: ignore[attr-defined]
    forms = described["responses"]["200"]["content"]
    modes = list(GenerationMode) if "parameters" in described else [GenerationMode.POSITIVE]
    answered = set()

    @given(st.one_of(*(operation.as_strategy(generation_mode=mode) for mode in modes)), st.sampled_from(list(forms)))
    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    def check(case: schemathesis.Case[Any], form: str) -> None:
        response = case.call_and_validate(headers={"Accept": form})
        if response.status_code == HTTPStatus.OK:
            answered.add(form)
            assert response.headers["content-type"][0].startswith(form)
            if form == "text/csv":
                names, *rows = csv.reader(io.StringIO(response.text))
                assert names == list(json.loads(response.headers["tidemark-meta"][0])["columns"])
                assert {len(row) for row in rows} <= {len(names)}

    check()
    assert answered == set(forms)


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
