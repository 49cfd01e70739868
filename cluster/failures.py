"""Which jobs have stopped which pipelines, in words: for `./scripts/status` and the health checks of the jobs."""

from datetime import UTC, datetime
from typing import Any, NamedTuple

from app.readers import FAILURES


class Failure(NamedTuple):
    """A job has stopped a pipeline. `decision` is what a person must accept (None: the job tries again)."""

    pipeline: str
    job: str
    since: datetime
    reason: str
    help: str
    decision: str | None

    def __str__(self) -> str:
        since = self.since.astimezone(UTC)
        return f"failed in the {self.job} job since {since:%Y-%m-%d %H:%M:%S} UTC: {self.reason}. Help: {self.help}"


def failures(cursor: Any) -> list[Failure]:
    """Of every pipeline, by name and job."""
    cursor.execute(f"SELECT {', '.join(Failure._fields)} FROM ({FAILURES}) AS failed ORDER BY pipeline, job")
    return [Failure(*row) for row in cursor.fetchall()]
