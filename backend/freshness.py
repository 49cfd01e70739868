"""How fresh each pipeline is, against the targets that its definition names."""

from datetime import datetime
from typing import Any, Literal

from flask import Response
from flask_openapi3 import APIBlueprint, Tag
from pydantic import BaseModel, Field, RootModel

from app.pipelines import names
from backend import answers, routes
from backend.database import snapshot
from backend.failures import Failure, failures, refused_since
from backend.routes import Endpoint
from backend.status import Standing, standings

TAG = Tag(name="state", description="How the stack is doing")


class Fresh(BaseModel):
    """How fresh one pipeline is. Times are seconds."""

    pipeline: str
    freshness: Standing | Literal["unknown"] = Field(
        description="ok up to the target, warn up to three times as much, error beyond; unknown: it is not served yet"
    )
    freshness_seconds: float | None = Field(description="null: nothing is counted yet")
    fresh_within: float | None
    open_since: datetime | None = Field(description="Since when a Kafka transaction is open; null: none is")
    version: int | None
    cut: dict[str, int] | None
    offsets: dict[str, int] | None
    batch_late: bool | None
    batch_seconds: float | None
    batch_within: float | None
    version_refused_since: datetime | None = Field(
        description="Since when the quality rule has refused the next version; null: it does not"
    )
    failures: list[Failure] = Field(description="The jobs that have stopped it; empty: none")


UNKNOWN: dict[str, Any] = dict.fromkeys(Fresh.model_fields) | {"freshness": "unknown"}


class Freshness(RootModel[list[Fresh]]):
    """All pipelines."""


def blueprint() -> APIBlueprint:
    return routes.blueprint("freshness", TAG, Endpoint("/freshness", _freshness, Freshness))


def _freshness() -> Response:
    """How fresh each pipeline is, against its targets, and which jobs have stopped it."""
    with snapshot() as connection:
        stands, failed = standings(connection), failures(connection)
    found = [
        UNKNOWN | stands.get(name, {}) | {
            "pipeline": name, "failures": failed[name], "version_refused_since": refused_since(failed[name])
        }
        for name in names()
    ]  # fmt: skip
    return answers.whole([{name: row[name] for name in Fresh.model_fields} for row in found])
