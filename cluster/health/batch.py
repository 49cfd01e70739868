"""The batch job has published a version of every pipeline of late, or has not had the time for it since it started."""

from app.settings import Settings
from cluster.health import run
from cluster.health.pipelines import require_none
from cluster.variables import Variables

RUN = 3600  # seconds that a run may take


def check(at: Settings) -> None:
    old = "version = 0 OR greatest(published_at, %(started)s) < now() - make_interval(secs => %(old)s)"
    require_none(at, "published_at", old, RUN + Variables().batch_every, "no version published since")


if __name__ == "__main__":
    run(check)
