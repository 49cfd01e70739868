"""The topics that pipelines declare, on a real broker."""

from contextlib import closing
from pathlib import Path

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, KafkaAdminClient

from app.topic_rules import TopicDiffers
from app.topics import create_topic
from embedded.kafka import Kafka
from embedded.process import free_port


def ends(bootstrap: str, topic: str) -> dict[int, int]:
    """Where each partition of a topic ends."""
    with closing(KafkaConsumer(bootstrap_servers=bootstrap)) as consumer:
        found = consumer.partitions_for_topic(topic) or set()
        return {p.partition: end for p, end in consumer.end_offsets([TopicPartition(topic, n) for n in found]).items()}


def test_creating_a_topic_again_keeps_its_messages(kafka_bootstrap: str) -> None:
    create_topic(kafka_bootstrap, "again", partitions=2)
    with closing(KafkaProducer(bootstrap_servers=kafka_bootstrap)) as producer:
        producer.send("again", b"kept", partition=1).get(timeout=30)

    create_topic(kafka_bootstrap, "again", partitions=2)

    assert ends(kafka_bootstrap, "again") == {0: 0, 1: 1}


def test_a_topic_with_another_number_of_partitions_is_an_error(kafka_bootstrap: str) -> None:
    create_topic(kafka_bootstrap, "two", partitions=2)

    with pytest.raises(TopicDiffers, match="topic two has 2 partitions, expected 3; declare 2, or use another topic"):
        create_topic(kafka_bootstrap, "two", partitions=3)

    assert ends(kafka_bootstrap, "two") == {0: 0, 1: 0}


def test_a_broker_stamps_the_messages_of_a_topic_even_if_it_does_not_by_default(tmp_path: Path) -> None:
    asked = ConfigResource("topic", "stamped", ["message.timestamp.type"])
    with Kafka(tmp_path, free_port(), log_append_time=False) as kafka:
        create_topic(kafka.bootstrap_servers, "stamped", partitions=1)
        with KafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers) as admin:
            found = admin.describe_configs([asked], config_filter="all")["topic"]["stamped"]
    assert found["message.timestamp.type"]["value"] == "LogAppendTime"


def test_a_topic_with_the_producers_timestamps_is_an_error_until_it_is_altered(kafka_bootstrap: str) -> None:
    with KafkaAdminClient(bootstrap_servers=kafka_bootstrap) as admin:
        stamped = {"message.timestamp.type": "CreateTime"}
        admin.create_topics({"early": {"num_partitions": 1, "configs": stamped}}, wait_for_metadata=True)
        said = "topic early has message.timestamp.type=CreateTime, expected LogAppendTime.* kafka-configs.sh .*--alter"
        with pytest.raises(TopicDiffers, match=said):
            create_topic(kafka_bootstrap, "early", partitions=1)

        stamped = {"message.timestamp.type": "LogAppendTime"}
        admin.alter_configs([ConfigResource("topic", "early", stamped)])
        create_topic(kafka_bootstrap, "early", partitions=1)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [("cleanup.policy", "compact,delete", "delete"), ("unclean.leader.election.enable", "true", "false")],
)
def test_a_topic_that_may_lose_messages_unseen_is_an_error_until_it_is_altered(
    kafka_bootstrap: str, name: str, value: str, expected: str
) -> None:
    topic = f"losing-{expected}"
    create_topic(kafka_bootstrap, topic, partitions=1)
    with KafkaAdminClient(bootstrap_servers=kafka_bootstrap) as admin:
        admin.alter_configs([ConfigResource("topic", topic, {name: value})])
        said = f"topic {topic} has {name}={value}, expected {expected}: .* kafka-configs.sh --bootstrap-server "
        said += f"{kafka_bootstrap} --alter --topic {topic} --add-config {name}={expected}"
        with pytest.raises(TopicDiffers, match=said):
            create_topic(kafka_bootstrap, topic, partitions=1)
        if name == "cleanup.policy":
            create_topic(kafka_bootstrap, topic, partitions=1, compacted=True)
        else:
            with pytest.raises(TopicDiffers, match=said):
                create_topic(kafka_bootstrap, topic, partitions=1, compacted=True)
        admin.alter_configs([ConfigResource("topic", topic, {name: expected})])
        create_topic(kafka_bootstrap, topic, partitions=1)
