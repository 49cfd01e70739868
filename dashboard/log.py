"""What the page of Kafka asks of the broker: where topics begin and end, and their messages."""

import socket
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import chain
from typing import NamedTuple

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from dashboard.api import START

SECONDS = 5  # that an answer may take
SHOWN = 2_000  # characters of a message
SEARCHED = 10_000  # offsets of a partition that are searched for its newest messages
POLL_MS = 50  # as long as a poll waits that gives only markers


class LogError(Exception):
    """Kafka does not answer, or not what it is asked for; the message says where, and what to do."""


class Partition(NamedTuple):
    """A partition of a topic; `end` is its last stable offset: what comes after waits for an open transaction."""

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
        found = [_last(consumer, one, most) for one in _found(consumer, [topic])]
    return sorted(chain(*found), key=lambda message: message.arrived, reverse=True)[:most]


def since(servers: str, topic: str, partition: int, offset: int, most: int) -> list[Message]:
    """The messages of a partition from an offset on, at most so many, as they came.

    Raises:
        LogError: Kafka does not answer, or the offset is not one of the partition's.
    """
    with _consumer(servers) as consumer:
        one = next((one for one in _found(consumer, [topic]) if one.partition == partition), None)
        if one is None:
            raise LogError(f"The topic {topic} has no partition {partition}. Choose another")
        if not one.first <= offset <= one.end:
            raise LogError(
                f"Partition {partition} of {topic} begins at offset {one.first} and ends before {one.end}: {offset} is "
                "none of its. Choose another"
            )
        return _read(consumer, one, offset, most)


def _last(consumer: KafkaConsumer, partition: Partition, most: int) -> list[Message]:
    """The last messages of a partition, as they came: markers and aborted messages take offsets too."""
    back = most
    while True:
        start = max(partition.first, partition.end - back)
        read = _read(consumer, partition, start, back)
        if len(read) >= most or start == partition.first or back >= SEARCHED:
            return read[-most:]
        back = min(back * 8, SEARCHED)


def _read(consumer: KafkaConsumer, partition: Partition, start: int, most: int) -> list[Message]:
    at, read = TopicPartition(partition.topic, partition.partition), list[Message]()
    consumer.assign([at])
    consumer.seek(at, start)
    deadline = time.monotonic() + SECONDS
    while len(read) < most and consumer.position(at) < partition.end and time.monotonic() < deadline:
        for record in consumer.poll(timeout_ms=POLL_MS, max_records=most).get(at, []):
            arrived = datetime.fromtimestamp(record.timestamp / 1000, UTC)
            read.append(Message(record.partition, record.offset, arrived, _text(record.key), _text(record.value)))
    return read[:most]


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
            request_timeout_ms=SECONDS * 1000, isolation_level="read_committed",
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
