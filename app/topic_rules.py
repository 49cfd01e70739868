"""How a topic must be set, so that a pipeline over it is exact: its messages stay, each at its offset, and expire."""

from kafka.admin import ConfigResource, KafkaAdminClient

from app.errors import Explained
from app.events import Topic

STAMPED = "message.timestamp.type"
ON_ARRIVAL = "LogAppendTime"  # by the broker's one clock, as the first of two duplicates is the one that arrived first
CLEANUP = "cleanup.policy"
UNCLEAN = "unclean.leader.election.enable"


class TopicDiffers(Explained):
    """A topic exists with another number of partitions, or is set so that no pipeline can be exact over it."""

    help = "./scripts/topics"


def require_exact(admin: KafkaAdminClient, topic: Topic) -> None:
    """Raises TopicDiffers for a setting with which messages could be lost or counted in another order, unseen."""
    asked = ConfigResource("topic", topic.name, [STAMPED, CLEANUP, UNCLEAN])
    found = admin.describe_configs([asked], config_filter="all")["topic"][topic.name]
    settings = {name: str(found[name]["value"]) for name in (STAMPED, CLEANUP, UNCLEAN)}
    servers = ",".join(admin.config["bootstrap_servers"])

    def differs(name: str, wanted: str, why: str, more: str = "") -> TopicDiffers:
        return TopicDiffers(
            f"topic {topic.name} has {name}={settings[name]}, expected {wanted}: {why}. Run kafka-configs.sh "
            f"--bootstrap-server {servers} --alter --topic {topic.name} --add-config {name}={wanted}{more}"
        )

    if settings[STAMPED] != ON_ARRIVAL:
        why = "the producers' clocks would decide which of two duplicates counts"
        raise differs(STAMPED, ON_ARRIVAL, why, "; what the topic holds keeps its times")
    if settings[UNCLEAN] != "false":
        why = "a replica that lacks messages could become the leader, and give their offsets to others"
        raise differs(UNCLEAN, "false", why)
    if "compact" in settings[CLEANUP] and not topic.compacted:
        why = "Kafka deletes messages that a newer one with their key follows, read or not"
        more = "; or, where only the events that survive are to count, declare Topic(…, compacted=True)"
        raise differs(CLEANUP, "delete", why, more)
