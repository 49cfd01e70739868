"""What the description of the API allows is answered as it says, and what it does not allow is refused."""

from collections.abc import Iterator

import pytest
from flask import Flask
from schemathesis import GenerationMode

from app.settings import Settings
from backend import create_app
from tests.integration.backend.conftest import Layers
from tests.integration.backend.described import ask

LAKE = ("/objects", "/alerts", "/quarantine/samples")  # read through HiveServer2
DESCRIBED = create_app(Settings()).api_doc["paths"]
PATHS = [path for path in DESCRIBED if path not in LAKE]
ASKED = [path for path in PATHS if "parameters" in DESCRIBED[path]["get"]]


@pytest.fixture(scope="module")
def unlimited(database: Settings, layers: Layers) -> Iterator[Flask]:
    """An API over a view of some twenty rows that anyone may ask at will."""
    for number in range(20):
        layers.add(1, **{f"client {number}": (1, "1.00")})
    made = create_app(database.model_copy(update={"api_rate_limit": 0}))
    yield made
    made.extensions["engine"].dispose()


@pytest.mark.parametrize("path", PATHS)
def test_what_the_description_allows_is_answered_as_it_says(unlimited: Flask, path: str) -> None:
    ask(unlimited, path, GenerationMode.POSITIVE)


@pytest.mark.parametrize("path", ASKED)
def test_what_it_does_not_allow_is_refused(unlimited: Flask, path: str) -> None:
    ask(unlimited, path, GenerationMode.NEGATIVE)
