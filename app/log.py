"""What the jobs ask of Kafka beside the events: where a topic begins and ends, and where a moment is in it."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from kafka import KafkaConsumer, TopicPartition
from kafka.admin import KafkaAdminClient

from app.ledger import Offsets

POLL_MS = 30_000


class TopicMissing(Exception):
    """The topic does not exist on the broker."""


class Log:
    """A topic's offsets, over one consumer that belongs to no group."""

    def __init__(self, consumer: KafkaConsumer, topic: str) -> None:
        self._consumer = consumer
        self.topic = topic

    def partitions(self) -> list[TopicPartition]:
        found = self._consumer.partitions_for_topic(self.topic)
        if not found:
            raise TopicMissing(f"Kafka has no topic {self.topic}; make it with ./scripts/topics")
        return [TopicPartition(self.topic, partition) for partition in sorted(found)]

    def id(self) -> str:
        """What Kafka knows the topic by: one that is made anew under the same name has another id (KIP-516)."""
        with KafkaAdminClient(bootstrap_servers=self._consumer.config["bootstrap_servers"]) as admin:
            return str(admin.describe_topics([self.topic])[0]["topic_id"])

    def earliest(self) -> Offsets:
        """The first offset each partition still has."""
        found = self._consumer.beginning_offsets(self.partitions())
        return {partition.partition: offset for partition, offset in found.items()}

    def end(self) -> Offsets:
        """The next offset each partition will give."""
        return {
            partition.partition: offset for partition, offset in self._consumer.end_offsets(self.partitions()).items()
        }

    def at(self, moment: datetime) -> Offsets:
        """The first offset of each partition that arrived at or after a moment; its end where there is none."""
        milliseconds = max(int(moment.timestamp() * 1000), 0)  # a message without a time has one before 1970
        found = self._consumer.offsets_for_times(dict.fromkeys(self.partitions(), milliseconds))
        end = self.end()
        return {p.partition: entry.offset if entry else end[p.partition] for p, entry in found.items()}

    def first_arrival(self, offsets: Offsets) -> datetime | None:
        """When the first message at or after `offsets` arrived; None where there is none yet.

        Raises:
            TimeoutError: the broker did not give a message that it has.
        """
        end, arrivals = self.end(), []
        for partition in self.partitions():
            offset = offsets.get(partition.partition, 0)
            if offset < end[partition.partition]:
                self._consumer.assign([partition])
                self._consumer.seek(partition, offset)
                records = self._consumer.poll(timeout_ms=POLL_MS, max_records=1)
                if not records:
                    raise TimeoutError(f"Kafka gave no message of {partition} from offset {offset} in {POLL_MS} ms")
                arrivals.append(records[partition][0].timestamp)
        return datetime.fromtimestamp(min(arrivals) / 1000, UTC) if arrivals else None


@contextmanager
def log(bootstrap_servers: str, topic: str) -> Iterator[Log]:
    """The log of a topic.

    Raises:
        kafka.errors.NoBrokersAvailable: no broker answers at `bootstrap_servers`.
    """
    consumer = KafkaConsumer(bootstrap_servers=bootstrap_servers.split(","), enable_auto_commit=False)
    try:
        yield Log(consumer, topic)
    finally:
        consumer.close()
