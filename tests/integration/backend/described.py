"""Asking an endpoint what its description allows, or what it does not."""

from typing import Any

import schemathesis
from flask import Flask
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode

EXAMPLES = 200  # of each endpoint and kind


def ask(app: Flask, path: str, mode: GenerationMode) -> None:
    operation = schemathesis.openapi.from_wsgi("/openapi.json", app)[path]["GET"]

    @given(operation.as_strategy(generation_mode=mode))
    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    def check(case: schemathesis.Case[Any]) -> None:
        case.call_and_validate()

    check()
