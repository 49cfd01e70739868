"""Whether the API lives, and whether it can answer."""

from typing import Any

from flask_openapi3 import OpenAPI, Tag
from pydantic import BaseModel

from app.pipelines import names
from backend.database import snapshot
from backend.problems import unavailable
from backend.routes import Endpoint, add
from backend.status import statuses

TAG = Tag(name="health", description="For those that start the API and watch over it")


class Alive(BaseModel):
    """The process answers."""

    status: str


class Ready(Alive):
    """All pipelines can be asked for."""

    pipelines: list[str]


def init_app(app: OpenAPI) -> None:
    add(app, TAG, Endpoint("/healthz", _healthz, Alive), Endpoint("/readyz", _readyz, Ready))


def _healthz() -> dict[str, Any]:
    """Whether the process answers."""
    return {"status": "ok"}


def _readyz() -> dict[str, Any]:
    """Whether Postgres answers, and serves every pipeline."""
    with snapshot() as connection:
        served = statuses(connection)
    if missing := [name for name in names() if name not in served]:
        raise unavailable(f"not served yet: {', '.join(missing)}; run ./scripts/migrate")
    return {"status": "ready", "pipelines": names()}
