"""What the producers send arrives: a topic has taken a message of late, and since they started."""

from datetime import UTC, datetime, timedelta

from app import pipelines
from app.log import log
from app.settings import Settings
from cluster.health import Unhealthy, run, started

OLD = 60  # seconds


def check(at: Settings) -> None:
    then = max(datetime.now(UTC) - timedelta(seconds=OLD), started())
    for pipeline in pipelines.select([]):
        with log(at.kafka_bootstrap_servers, pipeline.topic.name) as topic:
            if topic.at(then) != topic.end():
                return
    raise Unhealthy(f"no topic has taken a message since {then:%H:%M:%S} UTC")


if __name__ == "__main__":
    run(check)
