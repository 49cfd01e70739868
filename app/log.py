"""What the jobs ask of Kafka beside the events: where a topic begins and ends, and where a moment is in it.

A partition ends at its last stable offset: what comes after belongs to a transaction that is still open, or waits for
one. Markers, which end transactions, take offsets that no message has; so do messages of aborted transactions.
"""

import time
from array import array
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from functools import cached_property

from kafka import KafkaConsumer, TopicPartition
from kafka.admin import KafkaAdminClient
from kafka.consumer.fetcher import ConsumerRecord

from app.errors import Explained
from app.events import Topic
from app.ledger import Offsets
from app.topic_rules import require_exact

COMMITTED = "read_committed"
UNCOMMITTED = "read_uncommitted"
ANSWER_SECONDS = 30
# A poll that gives only markers waits for as long as it may, though it has passed over them.
POLL_MS = 50
POLLED = 10_000  # messages that a poll gives at most


class TopicMissing(Explained):
    """The topic does not exist on the broker."""

    help = "./scripts/topics"


class Log:
    """A topic's offsets, over consumers that belong to no group; `connect` makes one of an isolation level."""

    def __init__(self, connect: Callable[[str], KafkaConsumer], topic: str) -> None:
        self._connect = connect
        self._consumer = connect(COMMITTED)
        self._opened: dict[int, tuple[int, datetime]] = {}
        self.topic = topic

    @cached_property
    def _uncommitted(self) -> KafkaConsumer:
        return self._connect(UNCOMMITTED)

    def partitions(self) -> list[TopicPartition]:
        found = self._consumer.partitions_for_topic(self.topic)
        if not found:
            raise TopicMissing(f"Kafka has no topic {self.topic}; make it with ./scripts/topics")
        return [TopicPartition(self.topic, partition) for partition in sorted(found)]

    def id(self) -> str:
        """What Kafka knows the topic by: one that is made anew under the same name has another id (KIP-516)."""
        with self._admin() as admin:
            return str(admin.describe_topics([self.topic])[0]["topic_id"])

    def require_exact(self, topic: Topic) -> None:
        """Raises TopicDiffers where the topic is set so that no pipeline can be exact over it."""
        with self._admin() as admin:
            require_exact(admin, topic)

    def _admin(self) -> KafkaAdminClient:
        return KafkaAdminClient(bootstrap_servers=self._consumer.config["bootstrap_servers"])

    def earliest(self) -> Offsets:
        """The first offset each partition still has."""
        found = self._consumer.beginning_offsets(self.partitions())
        return {partition.partition: offset for partition, offset in found.items()}

    def end(self) -> Offsets:
        """The offset before which each partition is stable: no transaction that is open now changes what is there."""
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

        Messages of open transactions take part, as they may count later, and with them those of aborted ones.

        Raises:
            TimeoutError: the broker did not give a message that it has.
        """
        ends = self._uncommitted.end_offsets(self.partitions())
        arrivals = [self._arrival(one, offsets.get(one.partition, 0), end) for one, end in ends.items()]
        return min((arrival for arrival in arrivals if arrival), default=None)

    def _arrival(self, partition: TopicPartition, start: int, end: int) -> datetime | None:
        """When the first message from one offset on and below another arrived, be its transaction open or aborted."""
        polled = self._polled(self._uncommitted, partition, start, end)
        first = next((records[0] for records in polled if records), None)
        return datetime.fromtimestamp(first.timestamp / 1000, UTC) if first else None

    def uncommitted(self) -> dict[int, tuple[int, datetime]]:
        """Of each partition that one is open in, the offset that it begins at, and when the message there arrived.

        Raises:
            TimeoutError: the broker did not give that message.
        """
        partitions = self.partitions()
        written = self._uncommitted.end_offsets(partitions)  # before: what ends between the two is not open
        stable, known = self.end(), self._opened
        self._opened = {}
        for one in partitions:
            number, first = one.partition, stable[one.partition]
            if first < written[one]:
                before = known.get(number)
                same = before and before[0] == first
                arrived = before[1] if before and same else self._arrival(one, first, written[one])
                if arrived:
                    self._opened[number] = (first, arrived)
        return self._opened

    def committed_below(self, end: Offsets, most: int) -> Iterator[dict[int, "array[int]"]]:
        """The offsets of all committed messages below `end` that Kafka still has, in parts of `most` and not many more.

        Raises:
            TimeoutError: the broker did not give messages that it has.
        """
        part, size, earliest, stable = dict[int, "array[int]"](), 0, self.earliest(), self.end()
        for one in self.partitions():
            number = one.partition
            next_ = min(stable[number], end.get(number, 0))
            for records in self._polled(self._consumer, one, earliest[number], next_):
                if records:
                    part.setdefault(number, array("q")).extend(record.offset for record in records)
                    size += len(records)
                if size >= most:
                    yield part
                    part, size = {}, 0
        if size:
            yield part

    def _polled(
        self, consumer: KafkaConsumer, partition: TopicPartition, start: int, end: int
    ) -> Iterator[list[ConsumerRecord]]:
        """The messages from one offset on and below another, as polls give them; of only markers none."""
        if start >= end:
            return
        consumer.assign([partition])
        consumer.seek(partition, start)
        reached, deadline = start, time.monotonic() + ANSWER_SECONDS
        while reached < end:
            records = consumer.poll(timeout_ms=POLL_MS, max_records=POLLED).get(partition, [])
            before, reached = reached, min(consumer.position(partition), end)
            if reached > before:
                yield [record for record in records if record.offset < end]
                deadline = time.monotonic() + ANSWER_SECONDS
            elif time.monotonic() > deadline:
                raise TimeoutError(
                    f"Kafka gave nothing of {partition} from offset {reached} on within {ANSWER_SECONDS} s; expected "
                    f"to reach {end}. See that its brokers answer, then start the job again"
                )


@contextmanager
def log(bootstrap_servers: str, topic: str) -> Iterator[Log]:
    """The log of a topic.

    Raises:
        kafka.errors.NoBrokersAvailable: no broker answers at `bootstrap_servers`.
    """
    with ExitStack() as exits:

        def connect(isolation_level: str) -> KafkaConsumer:
            made = KafkaConsumer(
                bootstrap_servers=bootstrap_servers.split(","), enable_auto_commit=False,
                isolation_level=isolation_level, auto_offset_reset="earliest",
                check_crcs=False,  # for which Python takes longer than for all else; only offsets and times are used
            )  # fmt: skip
            exits.callback(made.close)
            return made

        yield Log(connect, topic)
