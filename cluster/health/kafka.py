"""The broker is in its cluster, which has a controller: it can make topics and take messages."""

from kafka.admin import KafkaAdminClient

from app.settings import Settings
from cluster.health import SECONDS, Unhealthy, run


def check(at: Settings) -> None:
    with KafkaAdminClient(bootstrap_servers=at.kafka_bootstrap_servers, bootstrap_timeout_ms=SECONDS * 1000) as admin:
        cluster = admin.describe_cluster()
    if not cluster["brokers"] or cluster["controller_id"] < 0:
        raise Unhealthy(f"no broker or no controller: {cluster}")


if __name__ == "__main__":
    run(check)
