"""What the page of Kafka asks of the broker: where topics begin and end, and their newest messages."""

import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import NamedTuple

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from dashboard.api import START

SECONDS = 5  # that an answer may take
SHOWN = 2_000  # characters of a message


class LogError(Exception):
    """Kafka does not answer; the message says where it was asked."""


class Partition(NamedTuple):
    """A partition of a topic; `end` is the offset that its next message will have."""

    topic: str
    partition: int
    first: int
    end: int


class Message(NamedTuple):
    """A message as text. `key` and `value` are None where the message has none."""

    partition: int
    offset: int
    arrived: datetime
    key: str | None
    value: str | None


def partitions(servers: str, topics: Iterable[str]) -> list[Partition]:
    """The partitions of those of the topics that exist.

    Raises:
        LogError: Kafka does not answer.
    """
    with _consumer(servers) as consumer:
        return _found(consumer, topics)


def newest(servers: str, topic: str, most: int) -> list[Message]:
    """The newest messages of a topic, the last to arrive first.

    Raises:
        LogError: Kafka does not answer.
    """
    with _consumer(servers) as consumer:
        read: list[Message] = []
        for _, number, first, end in _found(consumer, [topic]):
            one, start = TopicPartition(topic, number), max(first, end - most)
            consumer.assign([one])
            consumer.seek(one, start)
            # A poll that gives nothing has waited for as long as an answer may take.
            while start < end and (records := consumer.poll(timeout_ms=SECONDS * 1000, max_records=most)):
                for record in records.get(one, []):
                    arrived = datetime.fromtimestamp(record.timestamp / 1000, UTC)
                    read.append(Message(number, record.offset, arrived, _text(record.key), _text(record.value)))
                    start = record.offset + 1
    return sorted(read, key=lambda message: message.arrived, reverse=True)[:most]


def _found(consumer: KafkaConsumer, topics: Iterable[str]) -> list[Partition]:
    found = [
        TopicPartition(topic, number)
        for topic in topics
        for number in sorted(consumer.partitions_for_topic(topic) or ())
    ]
    first, end = consumer.beginning_offsets(found), consumer.end_offsets(found)
    return [Partition(one.topic, one.partition, first[one], end[one]) for one in found]


@contextmanager
def _consumer(servers: str) -> Iterator[KafkaConsumer]:
    _require_answer(servers)
    try:
        consumer = KafkaConsumer(
            bootstrap_servers=servers.split(","), bootstrap_timeout_ms=SECONDS * 1000, enable_auto_commit=False,
            request_timeout_ms=SECONDS * 1000,
        )  # fmt: skip
        try:
            yield consumer
        finally:
            consumer.close()
    except KafkaError as error:
        raise _silent(servers, error) from error


def _require_answer(servers: str) -> None:
    """Fails at once where nobody listens: a client that finds no broker would leave its sockets open."""
    reason: OSError | None = None
    for server in servers.split(","):
        host, _, port = server.strip().rpartition(":")
        try:
            socket.create_connection((host, int(port)), SECONDS).close()
        except OSError as error:
            reason = error
        else:
            return
    raise _silent(servers, reason) from reason


def _silent(servers: str, reason: Exception | None) -> LogError:
    return LogError(f"Kafka does not answer at {servers} ({reason}). {START}; or set KAFKA_BOOTSTRAP_SERVERS")


def _text(given: bytes | None) -> str | None:
    if given is None:
        return None
    text = given.decode(errors="replace")
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
