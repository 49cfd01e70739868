"""How fresh each pipeline is, against the targets that its definition names."""

from typing import Any

from flask import Response
from flask_openapi3 import OpenAPI, Tag
from pydantic import BaseModel, Field, RootModel

from app.pipelines import select
from backend import answers
from backend.database import snapshot
from backend.routes import Endpoint, add
from backend.status import Standing, status

TAG = Tag(name="state", description="How the stack is doing")


class Fresh(BaseModel):
    """How fresh one pipeline is. Times are seconds."""

    pipeline: str
    freshness: Standing = Field(description="ok up to the target, warn up to three times as much, error beyond")
    freshness_seconds: float | None = Field(description="null: nothing is counted yet")
    fresh_within: float
    batch_late: bool
    batch_seconds: float
    batch_within: float


class Freshness(RootModel[list[Fresh]]):
    """All pipelines."""


def init_app(app: OpenAPI) -> None:
    add(app, TAG, Endpoint("/freshness", _freshness, Freshness))


def _freshness() -> Response:
    """How fresh each pipeline is, against its targets."""
    with snapshot() as connection:
        found: list[dict[str, Any]] = [status(connection, pipeline) for pipeline in select([])]
    return answers.whole([{name: row[name] for name in Fresh.model_fields} for row in found])
