"""The topics that pipelines declare, on a real broker."""

from contextlib import closing

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from app.topics import TopicDiffers, create_topic


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
