"""Makes the topics that the pipelines declare. Safe to run again."""

import logging
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from kafka.admin import ConfigResource, KafkaAdminClient
from kafka.errors import TopicAlreadyExistsError

from app.pipelines import WrongDefinition, select
from app.settings import settings

logger = logging.getLogger(__name__)
STAMPED = "message.timestamp.type"
ON_ARRIVAL = "LogAppendTime"  # by the broker's one clock, as the first of two duplicates is the one that arrived first


class TopicDiffers(Exception):
    """A topic exists with another number of partitions, or other timestamps; nothing was changed."""


def create_topic(bootstrap_servers: str, name: str, partitions: int) -> None:
    """Makes sure that a topic exists with this number of partitions, whose messages the broker stamps on arrival.

    One that exists keeps its messages.

    Raises:
        TopicDiffers: it has another number: changing that would change which partition a key is in. Or its messages
            have their producers' timestamps.
        kafka.errors.KafkaError: no broker answers at `bootstrap_servers`.
    """
    servers = bootstrap_servers.split(",")
    wanted = {"num_partitions": partitions, "configs": {STAMPED: ON_ARRIVAL}}
    with KafkaAdminClient(bootstrap_servers=servers, bootstrap_timeout_ms=10_000, request_timeout_ms=10_000) as admin:
        try:
            admin.create_topics({name: wanted}, wait_for_metadata=True)
        except TopicAlreadyExistsError:
            found = len(admin.describe_topics([name])[0]["partitions"])
            if found != partitions:
                raise TopicDiffers(
                    f"topic {name} has {found} partitions, expected {partitions}; declare {found}, or use another topic"
                ) from None
            asked = ConfigResource("topic", name, [STAMPED])
            stamped = admin.describe_configs([asked], config_filter="all")["topic"][name][STAMPED]["value"]
            if stamped != ON_ARRIVAL:
                raise TopicDiffers(
                    f"topic {name} has {STAMPED}={stamped}, expected {ON_ARRIVAL}: the producers' clocks would decide "
                    f"which of two duplicates counts. Run kafka-configs.sh --bootstrap-server {bootstrap_servers} "
                    f"--alter --topic {name} --add-config {STAMPED}={ON_ARRIVAL}; what the topic holds keeps its times"
                ) from None


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    logging.getLogger("kafka").setLevel(logging.WARNING)
    try:
        for pipeline in select(sys.argv[1:]):
            create_topic(settings().kafka_bootstrap_servers, pipeline.topic.name, pipeline.topic.partitions)
            logger.info("topic %s: %d partitions", pipeline.topic.name, pipeline.topic.partitions)
    except (TopicDiffers, WrongDefinition) as error:
        sys.exit(f"Error: {error}")


if __name__ == "__main__":
    main()
