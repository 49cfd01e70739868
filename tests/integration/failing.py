"""A pipeline that a job has stopped, as the job notes it."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

from app.postgres import Role, connect
from app.settings import Settings

REASON = "the disk is full\nTraceback (most recent call last): …"
HELP = "free some space, then ./scripts/submit"


@contextmanager
def stopped(
    database: Settings, pipeline: str, job: str, reason: str = REASON, decision: str | None = None
) -> Iterator[None]:
    """Meanwhile the job has stopped the pipeline: three times in a row, the first two hours ago."""
    with closing(connect(database, Role.MIGRATE)) as owner, owner.cursor() as cursor:
        owner.autocommit = True
        cursor.execute(
            "INSERT INTO tidemark.failure (pipeline, job, since, failures, reason, help, decision, retry_at) "
            "VALUES (%s, %s, now() - interval '2 hours', 3, %s, %s, %s, now() + interval '1 minute')",
            (pipeline, job, reason, HELP, decision),
        )
        try:
            yield
        finally:
            cursor.execute("DELETE FROM tidemark.failure WHERE (pipeline, job) = (%s, %s)", (pipeline, job))
