"""Makes the topics that the pipelines declare. Safe to run again."""

import logging
import sys
from contextlib import suppress
from dataclasses import astuple
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from kafka.admin import KafkaAdminClient
from kafka.errors import TopicAlreadyExistsError

from app.events import Topic
from app.pipelines import WrongDefinition, select
from app.settings import settings
from app.topic_rules import ON_ARRIVAL, STAMPED, TopicDiffers, require_exact

logger = logging.getLogger(__name__)


def create_topic(bootstrap_servers: str, name: str, partitions: int, compacted: bool = False) -> None:
    """Makes sure that a topic exists with this number of partitions, whose messages the broker stamps on arrival.

    One that exists keeps its messages. `compacted`: it may be one that Kafka compacts.

    Raises:
        TopicDiffers: it has another number: changing that would change which partition a key is in. Or no pipeline can
            be exact over it, as it is set.
        kafka.errors.KafkaError: no broker answers at `bootstrap_servers`.
    """
    servers = bootstrap_servers.split(",")
    wanted = {"num_partitions": partitions, "configs": {STAMPED: ON_ARRIVAL}}
    with KafkaAdminClient(bootstrap_servers=servers, bootstrap_timeout_ms=10_000, request_timeout_ms=10_000) as admin:
        with suppress(TopicAlreadyExistsError):
            admin.create_topics({name: wanted}, wait_for_metadata=True)
        found = len(admin.describe_topics([name])[0]["partitions"])
        if found != partitions:
            raise TopicDiffers(
                f"topic {name} has {found} partitions, expected {partitions}; declare {found}, or use another topic"
            )
        require_exact(admin, Topic(name, partitions, compacted))


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    logging.getLogger("kafka").setLevel(logging.WARNING)
    try:
        for pipeline in select(sys.argv[1:]):
            create_topic(settings().kafka_bootstrap_servers, *astuple(pipeline.topic))
            logger.info("topic %s: %d partitions", pipeline.topic.name, pipeline.topic.partitions)
    except (TopicDiffers, WrongDefinition) as error:
        sys.exit(f"Error: {error}")


if __name__ == "__main__":
    main()
