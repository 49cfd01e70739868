"""Random messages of eight drawn definitions through both layers, held to an oracle in plain Python."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import fields
from typing import Any

import pytest
from kafka import KafkaConsumer, TopicPartition
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from app import parse, transform
from app.postgres import Role
from app.settings import Settings
from tests.fuzz import definitions, messages
from tests.fuzz.account import account
from tests.fuzz.found import FOUND
from tests.fuzz.oracle import events
from tests.fuzz.plain import Definition, Message
from tests.fuzz.run import Layers, read, unequal
from tests.fuzz.shrink import minimal, report
from tests.integration.conftest import NewStack, Stack

MANY = 3_000
SHRINKING = 60  # seconds
EXCERPT = 4_096  # bytes that the quarantine keeps of an event


@pytest.fixture(scope="module")
def layers(spark: SparkSession, database: Settings) -> Layers:
    return Layers(spark, database)


@pytest.mark.parametrize("seed", definitions.SEEDS)
def test_the_layers_make_of_any_messages_what_the_oracle_makes_of_them(layers: Layers, seed: int) -> None:
    definition = definitions.drawn(seed)
    sent = messages.drawn(definition, seed, MANY)
    sent += [Message(0, MANY + n, 0, value) for n, (of, value) in enumerate(FOUND) if of == seed]

    differences = layers.differences(definition, sent)

    assert differences == [], report(layers, definition, sent, differences, SHRINKING)


@pytest.mark.parametrize("seed", [3, 6])
def test_what_streams_and_batches_serve_of_any_messages_is_what_the_oracle_says(new_stack: NewStack, seed: int) -> None:
    definition = definitions.drawn(seed)
    made = definitions.pipeline(definition, "any")
    own = {field.name: getattr(made, field.name) for field in fields(made) if field.name not in ("name", "topic")}
    stack = new_stack(**own)
    values = [message.value for message in messages.drawn(definition, seed + 100, MANY)]

    for part in (values[: MANY // 2], values[MANY // 2 :]):
        for number, value in enumerate(part):
            stack.producer.send(stack.pipeline.topic.name, value=value, key=b"any", partition=number % 2)
        stack.producer.flush()
        stack.stream()
        expected = account(definition, events(definition, arrived(stack)))
        assert unequal(expected, read(stack.connection(Role.READ), stack.pipeline.name, definition)) == []
        stack.archive()
        stack.batch()
        assert unequal(expected, read(stack.connection(Role.READ), stack.pipeline.name, definition)) == []
    assert stack.verify().exact
    assert_the_quarantine_keeps_an_excerpt_of_each(stack, definition)


def assert_the_quarantine_keeps_an_excerpt_of_each(stack: Stack, definition: Definition) -> None:
    log = arrived(stack)
    values_at = {(message.partition, message.offset): message.value for message in log}
    refused = [event for event in events(definition, log) if event.reason is not None]
    kept = stack.table("quarantine", "_partition", "_offset", "_index", "_reason", "_value")
    assert [(row[:3], row[3]) for row in kept] == sorted((event.at, event.reason) for event in refused)
    assert max(len(row[4] or b"") for row in kept) == EXCERPT
    for partition, offset, index, _, excerpt in kept:
        value = values_at[partition, offset]
        if index == 0 and not (value or b"").lstrip().startswith(b"["):
            assert excerpt == (None if value is None else value[:EXCERPT])


def arrived(stack: Stack) -> list[Message]:
    """What the topic holds, as a plain consumer reads it."""
    places = [TopicPartition(stack.pipeline.topic.name, n) for n in range(stack.pipeline.topic.partitions)]
    with closing(KafkaConsumer(bootstrap_servers=stack.settings.kafka_bootstrap_servers)) as consumer:
        consumer.assign(places)
        consumer.seek_to_beginning()
        ends = consumer.end_offsets(places)
        return list(_read(consumer, ends))


def _read(consumer: Any, ends: dict[Any, int]) -> Iterator[Message]:
    while any(consumer.position(place) < end for place, end in ends.items()):
        for records in consumer.poll(timeout_ms=1_000).values():
            for record in records:
                yield Message(record.partition, record.offset, record.timestamp * 1_000, record.value)


@pytest.fixture
def quiet(spark: SparkSession) -> Iterator[None]:
    """Errors that are planted are not logged."""
    spark.sparkContext.setLogLevel("OFF")
    yield
    spark.sparkContext.setLogLevel("ERROR")


def shorter_messages(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(parse, "MAX_MESSAGE_BYTES", 200)


def wrong_minimum(patch: pytest.MonkeyPatch) -> None:
    right = transform._state

    def wrong(state: Any, *given: Any) -> Any:
        return right(state._replace(op="max") if state.op == "min" else state, *given)

    patch.setattr(transform, "_state", wrong)


def fails_for_one(patch: pytest.MonkeyPatch) -> None:
    right = transform._first

    def wrong(reasons: Any) -> Any:
        fault = F.when(F.expr("_value = X'4E614E'"), F.raise_error(F.lit("NaN")))
        return fault.otherwise(right(reasons))

    patch.setattr(transform, "_first", wrong)


@pytest.mark.parametrize(
    ("plant", "where"), [(shorter_messages, "event"), (wrong_minimum, "view"), (fails_for_one, "error")]
)
@pytest.mark.usefixtures("quiet")
def test_a_planted_fault_is_found_and_halved_to_one_message(
    layers: Layers, monkeypatch: pytest.MonkeyPatch, plant: Callable[[pytest.MonkeyPatch], None], where: str
) -> None:
    definition = definitions.drawn(1)
    sent = [*messages.drawn(definition, 9, 30), Message(0, 1_000, 0, b"NaN")]
    plant(monkeypatch)

    differences = layers.differences(definition, sent)
    few = minimal(layers, definition, sent, 60)

    assert any(difference.where.startswith(where) for difference in differences)
    assert len(few) <= 2  # a wrong minimum shows with two events
    assert layers.differences(definition, few)
