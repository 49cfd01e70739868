"""The load: transactions of 20,000 clients, made from a seed.

python -m bench.load SERVERS TOPIC RATE SECONDS
"""

import random
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice

from confluent_kafka import KafkaError, Message, Producer

CLIENTS = 20_000
START = datetime(2026, 1, 1, tzinfo=UTC)
FLUSH_SECONDS = 300


def messages(seed: int = 1) -> Iterator[tuple[bytes, bytes]]:
    """Keys and JSON texts of transactions, a millisecond of event time apart."""
    draw = random.Random(seed)  # noqa: S311  nothing secret is drawn
    time, number = START, 0
    while True:
        client, cents = f"client-{draw.randrange(CLIENTS):05d}", draw.randrange(1, 100_000)
        event = f"{number:012d}-{draw.getrandbits(64):016x}"
        yield (
            client.encode(),
            f'{{"event_id":"{event}","client":"{client}","amount":{cents // 100}.{cents % 100:02d},'
            f'"event_time":"{time.isoformat()}"}}'.encode(),
        )
        time, number = time + timedelta(milliseconds=1), number + 1


def fill(servers: str, topic: str, events: int, start: int = 0) -> None:
    """Sends `events` transactions, those from number `start` on, as fast as the broker takes them.

    Raises:
        RuntimeError: the broker did not take all of them.
    """
    producer = Producer({"bootstrap.servers": servers, "linger.ms": 50, "queue.buffering.max.messages": 2_000_000})
    for key, text in islice(messages(), start, start + events):
        producer.produce(topic, text, key)
        producer.poll(0)
    _flush(producer)


def steady(servers: str, topic: str, rate: int, seconds: int) -> list[tuple[int, int, float]]:
    """Sends `rate` transactions a second. Gives partition, offset and the time each was handed to the producer.

    Raises:
        RuntimeError: the broker did not take all of them.
    """
    sent: list[tuple[int, int, float]] = []

    def delivered(at: float, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            raise RuntimeError(f"the broker refused a message: {error}")
        sent.append((message.partition() or 0, message.offset() or 0, at))

    producer = Producer({"bootstrap.servers": servers, "linger.ms": 0})
    began = time.time()
    for number, (key, text) in zip(range(rate * seconds), messages(seed=2), strict=False):
        # Waiting for the next event's moment is serving what has been delivered until then.
        while (left := began + number / rate - time.time()) > 0:
            producer.poll(left)
        at = time.time()
        producer.produce(topic, text, key, on_delivery=partial(delivered, at))
    _flush(producer)
    return sent


def _flush(producer: Producer) -> None:
    if left := producer.flush(FLUSH_SECONDS):
        raise RuntimeError(f"the broker did not take {left} messages within {FLUSH_SECONDS} s")


if __name__ == "__main__":
    for partition, offset, at in steady(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])):
        print(partition, offset, at)
