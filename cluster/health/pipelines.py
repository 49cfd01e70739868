"""What the health checks of the jobs share: which pipelines a job runs, and which it has stopped."""

from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from app.postgres import Role, connect
from app.settings import Settings
from cluster.failures import failures
from cluster.health import Unhealthy, started

START = timedelta(seconds=300)  # that a job may take to start: start_period in docker-compose.yml


class Asked(NamedTuple):
    """How `serving.status` shows that a job does not run a pipeline.

    In `stuck`, a condition, `%(old)s` stands for seconds, and `%(started)s` for when the container started. `since` is
    the column that says since when, and `meaning` is said before that.
    """

    job: str
    stuck: str
    old: int
    since: str
    meaning: str


def require_one(at: Settings, asked: Asked) -> None:
    """Passes where the job runs a pipeline, and prints which it does not run.

    While the job starts, each pipeline is waited for that it has neither run nor stopped.

    Raises:
        Unhealthy: it runs none, or one is waited for; the message says of each that it does not run why.
    """
    began = started()
    with closing(connect(at, Role.READ)) as connection, connection.cursor() as cursor:
        cursor.execute(
            f"SELECT pipeline, {asked.stuck}, {asked.since} FROM serving.status ORDER BY pipeline",
            {"old": asked.old, "started": began},
        )
        rows = cursor.fetchall()
        failed = {one.pipeline: str(one) for one in failures(cursor) if one.job == asked.job}
    idle = {name: failed.get(name, f"{asked.meaning} {then}") for name, stuck, then in rows if stuck or name in failed}
    said = "; ".join(f"{name} {why}" for name, why in idle.items())
    if len(idle) == len(rows):
        raise Unhealthy(f"no pipeline runs: {said or 'none is served, run ./scripts/migrate'}")
    if idle.keys() - failed.keys() and datetime.now(UTC) - began < START:
        raise Unhealthy(f"the job starts, and does not run every pipeline yet: {said}")
    if idle:
        print(f"not every pipeline runs: {said}")
