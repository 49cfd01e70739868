"""Whether the API lives, and whether it can answer."""

from typing import Any

from flask_openapi3 import APIBlueprint, Tag
from pydantic import BaseModel, Field

from app.pipelines import names
from backend import routes
from backend.database import snapshot
from backend.failures import Stopped, failures
from backend.problems import unavailable
from backend.routes import Endpoint
from backend.status import statuses

TAG = Tag(name="health", description="For those that start the API and watch over it")


class Alive(BaseModel):
    """The process answers."""

    status: str


class Ready(Alive):
    """The pipelines that Postgres serves can be asked for."""

    pipelines: list[str]
    not_served: list[str] = Field(description="Defined, but not registered in this Postgres")
    failed: list[Stopped] = Field(
        description="Jobs that have stopped a pipeline; `/freshness` says why. What they had counted is served"
    )


def blueprint() -> APIBlueprint:
    return routes.blueprint("health", TAG, Endpoint("/healthz", _healthz, Alive), Endpoint("/readyz", _readyz, Ready))


def _healthz() -> dict[str, Any]:
    """Whether the process answers."""
    return {"status": "ok"}


def _readyz() -> dict[str, Any]:
    """Whether Postgres answers, which pipelines it serves, and which of them a job has stopped."""
    with snapshot() as connection:
        registered, failed = statuses(connection), failures(connection)
    served = [name for name in names() if name in registered]
    if not served:
        raise unavailable("no pipeline is served yet; run ./scripts/migrate")
    return {
        "status": "ready",
        "pipelines": served,
        "not_served": [name for name in names() if name not in registered],
        "failed": [
            {name: one[name] for name in Stopped.model_fields} for stopped in failed.values() for one in stopped
        ],
    }
