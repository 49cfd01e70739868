"""The batch job has published a version of a pipeline of late, or has not had the time for it since it started."""

from app.settings import Settings
from cluster.health import run
from cluster.health.pipelines import Asked, require_one
from cluster.variables import Variables

RUN = 3600  # seconds that a run may take


def check(at: Settings) -> None:
    old = "version = 0 OR greatest(published_at, %(started)s) < now() - make_interval(secs => %(old)s)"
    longest = RUN + Variables().batch_every
    require_one(at, Asked("batch", old, longest, "published_at", "no version published since"))


if __name__ == "__main__":
    run(check)
