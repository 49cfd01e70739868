"""What the batch layer has published: each version with its cut, its time and its cost."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

from flask import Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import text

from app.model import Pipeline
from backend import answers
from backend.database import snapshot
from backend.routes import Endpoint
from backend.status import Status, status
from backend.values import WHOLE

MAX_LIMIT = 1_000
STATEMENT = text(
    "SELECT version, current, cut, mode, accepted, duplicates, quarantined, seconds::float8 AS seconds, published_at, "
    "withdrawn_at, pruned_at FROM serving.version WHERE pipeline = :pipeline ORDER BY version DESC LIMIT :limit"
)


class Asked(BaseModel):
    """Which versions."""

    model_config = ConfigDict(extra="forbid")

    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT), WHOLE] = Field(100, description="Versions at most")


class Version(BaseModel):
    """What one run of the batch job has published."""

    version: int
    current: bool = Field(description="Whether readers see it")
    cut: dict[str, int] = Field(description="For each partition, the offset below which it has counted")
    mode: str = Field(description="How it was computed: incremental or full")
    accepted: int
    duplicates: int
    quarantined: int
    seconds: float = Field(description="That it took to compute")
    published_at: datetime
    withdrawn_at: datetime | None = Field(description="When it was rolled back; null: it was not")
    pruned_at: datetime | None = Field(description="When its rows were deleted; null: they are there")


class Versions(BaseModel):
    """Where the pipeline stands, and its versions, the newest first."""

    meta: Status
    rows: list[Version]


def endpoint(path: str, pipeline: Pipeline) -> Endpoint:
    return Endpoint(f"{path}/versions", _page(pipeline), Versions, Asked)


def _page(pipeline: Pipeline) -> Callable[[Any], Response]:
    def page(query: Asked) -> Response:
        with snapshot() as connection:
            asked = {"pipeline": pipeline.name, "limit": query.limit}
            stand = status(connection, pipeline)
            found = [dict(row) for row in connection.execute(STATEMENT, asked).mappings()]
        return answers.whole({"meta": stand, "rows": found})

    page.__doc__ = f"The versions of {pipeline.name}, of the definition that is published, the newest first."
    return page
