"""The streaming job has looked at the log of every pipeline of late, and committed all it found."""

from contextlib import closing

from app.postgres import Role, connect
from app.settings import Settings
from cluster.health import Unhealthy, run

OLD = 120  # seconds


def check(at: Settings) -> None:
    with closing(connect(at, Role.READ)) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT pipeline, fresh_at FROM serving.status "
            "WHERE coalesce(fresh_at < now() - make_interval(secs => %s), true)",
            (OLD,),
        )
        if rows := cursor.fetchall():
            raise Unhealthy(f"not looked at since: {', '.join(f'{name} {then}' for name, then in rows)}")


if __name__ == "__main__":
    run(check)
