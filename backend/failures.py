"""Which jobs have stopped a pipeline: since when, why, and the command that helps."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field
from sqlalchemy import Connection, text

from app.pipelines import names
from app.readers import FAILURES, REASON

Job = Literal["streaming", "batch"]
REFUSED = "quarantined"  # what a person must accept where a version is refused by the quality rule
STATEMENT = text(FAILURES)


class Stopped(BaseModel):
    """A job has stopped a pipeline. The other pipelines go on."""

    pipeline: str
    job: Job
    since: datetime = Field(description="The first failure in a row")
    help: str = Field(description="The command that helps")


class Failure(Stopped):
    """A job has stopped a pipeline, and why."""

    seconds: float = Field(description="Since the first failure in a row")
    failed_at: datetime = Field(description="The last one")
    times: int = Field(description="How many in a row")
    reason: str = Field(description=f"The first line of the error, at most {REASON} characters")
    decision: str | None = Field(description="What a person must accept; null: the job tries again by itself")
    retry_at: datetime | None = Field(description="When the job tries again; null: it waits for a person")


def failures(connection: Connection) -> dict[str, list[dict[str, Any]]]:
    """The fields of `Failure` of each job that has stopped a pipeline, for every pipeline that is defined."""
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in names()}
    for row in connection.execute(STATEMENT).mappings():
        if row["pipeline"] in found:
            found[row["pipeline"]].append(dict(row))
    return found


def refused_since(failed: list[dict[str, Any]]) -> datetime | None:
    """Since when the quality rule has refused the next version of a pipeline; None: it does not."""
    return next((one["since"] for one in failed if (one["job"], one["decision"]) == ("batch", REFUSED)), None)
