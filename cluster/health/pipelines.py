"""What the health checks of the jobs share: a question about every pipeline."""

from contextlib import closing

from app.postgres import Role, connect
from app.settings import Settings
from cluster.health import Unhealthy, started


def require_none(at: Settings, since: str, condition: str, seconds: int, meaning: str) -> None:
    """Fails where a row of serving.status fulfils a condition.

    In it `%(old)s` stands for the seconds, and `%(started)s` for when the container started.

    Raises:
        Unhealthy: there is one; the message has the meaning, each pipeline, and its column `since`.
    """
    with closing(connect(at, Role.READ)) as connection, connection.cursor() as cursor:
        cursor.execute(
            f"SELECT pipeline, {since} FROM serving.status WHERE {condition}", {"old": seconds, "started": started()}
        )
        if rows := cursor.fetchall():
            raise Unhealthy(f"{meaning}: {', '.join(f'{name} {then}' for name, then in rows)}")
