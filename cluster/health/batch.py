"""The batch job has published a version of every pipeline of late."""

from contextlib import closing

from app.postgres import Role, connect
from app.settings import Settings
from cluster.health import Unhealthy, run

OLD = 3600  # seconds; what a run and the pause before it may take


def check(at: Settings) -> None:
    with closing(connect(at, Role.READ)) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT pipeline, published_at FROM serving.status "
            "WHERE version = 0 OR published_at < now() - make_interval(secs => %s)",
            (OLD,),
        )
        if rows := cursor.fetchall():
            raise Unhealthy(f"no version published since: {', '.join(f'{name} {then}' for name, then in rows)}")


if __name__ == "__main__":
    run(check)
