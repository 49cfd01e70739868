"""What producers have sent, and how they are run."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from kafka import KafkaConsumer, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord

TIMEOUT = 120  # seconds


@contextmanager
def consumer(kafka_bootstrap: str) -> Iterator[KafkaConsumer]:
    made = KafkaConsumer(bootstrap_servers=kafka_bootstrap, auto_offset_reset="earliest", enable_auto_commit=False)
    try:
        yield made
    finally:
        made.close()


def records(kafka_bootstrap: str, topic: str, partitions: int) -> list[ConsumerRecord]:
    """A topic from its beginning to its end."""
    with consumer(kafka_bootstrap) as reader:
        numbered = [TopicPartition(topic, number) for number in range(partitions)]
        expected = sum(reader.end_offsets(numbered).values())
        reader.assign(numbered)
        found: list[ConsumerRecord] = []
        while len(found) < expected:
            polled = reader.poll(timeout_ms=TIMEOUT * 1000)
            assert polled, f"{len(found)} of {expected} messages of {topic} came"
            found += [record for records in polled.values() for record in records]
        return found


def wait_for_message(kafka_bootstrap: str, topic: str, partitions: int) -> None:
    """Returns when a message comes to the end of a topic."""
    with consumer(kafka_bootstrap) as reader:
        numbered = [TopicPartition(topic, number) for number in range(partitions)]
        reader.assign(numbered)
        reader.seek_to_end(*numbered)
        assert reader.poll(timeout_ms=TIMEOUT * 1000), "no message came"


def environment() -> dict[str, str]:
    """That of this process, without the path on which it finds the packages."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
