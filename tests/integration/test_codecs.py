"""Topics whose producers compress, with each codec that Kafka has: whoever reads them reads the same."""

import json
import shutil
from decimal import Decimal

import pytest
from confluent_kafka import Producer

from app.log import log
from dashboard.log import newest, since
from tests.integration.conftest import NewStack, Stack, event

MANY = 100  # of a batch that becomes smaller: else it is sent as it is


def send(stack: Stack, codec: str, first: int) -> None:
    """Sends events in one compressed batch to partition 0."""
    given = {"bootstrap.servers": stack.settings.kafka_bootstrap_servers, "compression.type": codec, "linger.ms": 1_000}
    producer = Producer(given)
    for number in range(first, first + MANY):
        producer.produce(stack.pipeline.topic.name, json.dumps(event(str(number))), partition=0)
    assert producer.flush(60) == 0


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
def test_a_compressed_topic_is_counted_and_shown_and_a_start_without_a_checkpoint_finds_its_place(
    new_stack: NewStack, codec: str
) -> None:
    stack = new_stack()
    servers, topic = stack.settings.kafka_bootstrap_servers, stack.pipeline.topic.name
    send(stack, codec, 0)
    stack.stream()
    shutil.rmtree(stack.checkpoint())
    send(stack, codec, MANY // 2)  # half of them a second time
    stack.stream()

    assert stack.totals() == {"ada": (MANY * 3 // 2, Decimal(MANY * 3 // 2))}
    with log(servers, topic) as opened:
        first, later = opened.first_arrival({0: 0}), opened.first_arrival({0: MANY})
    assert first is not None
    assert later is not None
    assert first < later
    assert [json.loads(one.value or "")["event_id"] for one in since(servers, topic, 0, 3, 2)] == ["3", "4"]
    shown = newest(servers, topic, MANY)
    assert (sorted(one.offset for one in shown), min(one.arrived for one in shown)) == ([*range(MANY, 2 * MANY)], later)
