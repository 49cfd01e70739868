"""Whether the API lives, and whether it can answer."""

from typing import Any

from flask import Blueprint

from app.pipelines import names
from backend.database import snapshot
from backend.problems import unavailable
from backend.status import statuses

blueprint = Blueprint("health", __name__)


@blueprint.get("/healthz")
def healthz() -> dict[str, Any]:
    """The process answers."""
    return {"status": "ok"}


@blueprint.get("/readyz")
def readyz() -> dict[str, Any]:
    """Postgres answers, and serves every pipeline."""
    with snapshot() as connection:
        served = statuses(connection)
    if missing := [name for name in names() if name not in served]:
        raise unavailable(f"not served yet: {', '.join(missing)}; run ./scripts/migrate")
    return {"status": "ready", "pipelines": names()}
