"""The streaming job has looked at a pipeline's log, since it started and of late, and committed all it found."""

from app.settings import Settings
from cluster.health import run
from cluster.health.pipelines import Asked, require_one

OLD = 120  # seconds


def check(at: Settings) -> None:
    old = "coalesce(fresh_at < greatest(now() - make_interval(secs => %(old)s), %(started)s), true)"
    require_one(at, Asked("streaming", old, OLD, "fresh_at", "not looked at since"))


if __name__ == "__main__":
    run(check)
