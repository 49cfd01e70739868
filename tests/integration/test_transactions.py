"""Kafka transactions: committed messages count, aborted ones never do, and nothing waits for a marker."""

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from kafka.admin import ConfigResource, KafkaAdminClient
from tenacity import retry, retry_if_result, stop_after_delay, wait_fixed

from app.lake import Lake
from app.log import log
from app.postgres import Role
from app.topic_rules import TopicDiffers
from app.uncommitted import uncommitted
from dashboard.log import newest, partitions, since
from tests.faults.definition import PARQUET
from tests.integration.conftest import NewStack, Stack, event
from tests.integration.supervised import supervised, until
from tests.integration.transactional import Transactions

OPEN = "SELECT uncommitted FROM tidemark.ledger WHERE pipeline = %s"
MILLISECOND = timedelta(milliseconds=1)  # to which Kafka gives times
MARKERS_SECONDS = 5  # far more than a read of only markers takes, far less than a reader would wait for a message


@pytest.fixture
def stack(new_stack: NewStack) -> Stack:
    return new_stack(lake=PARQUET)


@pytest.fixture
def sending(stack: Stack) -> Transactions:
    return Transactions(stack.settings.kafka_bootstrap_servers, stack.pipeline.topic.name)


def ada(*ids: str) -> list[dict[str, str]]:
    return [event(id_) for id_ in ids]


def bob(*ids: str) -> list[dict[str, str]]:
    return [event(id_, "bob") for id_ in ids]


def run_all(stack: Stack) -> None:
    """Runs every layer to the end of the topic, publishes, and verifies."""
    stack.stream()
    stack.archive()
    stack.write_parquet()
    stack.batch()
    assert stack.verify().exact


def test_messages_of_aborted_transactions_reach_no_layer(stack: Stack, sending: Transactions) -> None:
    sending.commit(*ada("1", "2"))
    sending.abort(*bob("3", "4"))
    sending.commit(*ada("5"))
    stack.send(event("6"), partition=0)
    sending.abort(*bob("7"), partition=1)
    run_all(stack)
    assert stack.totals() == {"ada": (4, Decimal("4.00"))}
    assert [(partition, offset) for partition, offset, _ in stack.bronze()] == [(0, 0), (0, 1), (0, 6), (0, 8)]
    assert stack.offsets() == {0: 9, 1: 2, 2: 0}
    assert stack.batch(full=True).accepted == 4


def test_nothing_waits_where_only_markers_or_aborted_messages_follow(stack: Stack, sending: Transactions) -> None:
    stack.settings = stack.settings.model_copy(update={"archive_wait": 3})
    name = stack.pipeline.topic.name
    sending.commit(*ada("1"))
    run_all(stack)
    assert stack.offsets() == {0: 2, 1: 0, 2: 0}
    sending.abort(*bob(*(f"b{number}" for number in range(50))))
    sending.abort(*bob("3"), partition=1)
    began = time.monotonic()
    speed, archive = stack.stream(), stack.archive()
    stack.write_parquet()
    assert (speed.committed, archive.held) == ({0: 53, 1: 2, 2: 0}, {0: 53, 1: 2, 2: 0})
    assert {p: end for p, end in stack.lake.held().items() if p >= 0} == {0: 53, 1: 2, 2: 0}
    assert stack.batch().cut == {0: 53, 1: 2, 2: 0}
    with log(stack.settings.kafka_bootstrap_servers, name) as topic:
        assert topic.end() == speed.committed
        assert topic.first_arrival({0: 52, 1: 1, 2: 0}) is None
        assert topic.at(datetime.now(UTC)) == topic.end()
    assert time.monotonic() - began < 4 * MARKERS_SECONDS
    stack.archive()  # begins at the markers
    stack.stream()
    run_all(stack)
    assert stack.totals() == {"ada": (1, Decimal("1.00"))}


def test_a_topic_of_nothing_but_markers_is_read_from_its_start(stack: Stack, sending: Transactions) -> None:
    sending.abort(*bob("1", "2"), partition=1)
    run_all(stack)
    assert stack.offsets() == {0: 0, 1: 3, 2: 0}
    assert stack.totals() == {}
    assert stack.bronze() == []


def test_a_layer_begins_anew_where_only_markers_follow(stack: Stack, sending: Transactions) -> None:
    sending.commit(*ada("1", "2"))
    stack.stream()
    stack.speed().checkpoint.delete()
    sending.abort(*bob("3"))
    began = time.monotonic()
    stack.stream()
    assert time.monotonic() - began < MARKERS_SECONDS
    assert stack.offsets() == {0: 5, 1: 0, 2: 0}
    stack.speed().checkpoint.delete()
    sending.commit(*ada("2", "4"))
    stack.stream()
    assert stack.totals() == {"ada": (3, Decimal("3.00"))}


def test_an_open_transaction_ends_the_partition_until_it_ends(stack: Stack, sending: Transactions) -> None:
    sending.begin(*ada("1", "2"))
    stack.send(*ada("3"), partition=0)
    stack.send(*ada("4"), partition=1)
    stack.stream()
    assert stack.totals() == {"ada": (1, Decimal("1.00"))}
    assert stack.offsets() == {0: 0, 1: 1, 2: 0}
    sending.commit()
    run_all(stack)
    assert stack.totals() == {"ada": (4, Decimal("4.00"))}


def test_an_open_transaction_makes_the_count_as_old_as_it_is(stack: Stack, sending: Transactions) -> None:
    def standing() -> tuple[Any, ...]:
        """Since when a transaction is open, and whether the count is as old as that."""
        columns = "open_since, fresh_at = open_since, written_at <= open_since"
        (row,) = stack.rows(f"SELECT {columns} FROM serving.status WHERE pipeline = '{stack.pipeline.name}'")
        return row

    stack.send(*ada("1"), partition=0)
    stack.stream()
    stack.write_parquet()
    before = datetime.now(UTC)
    sending.begin(*ada("2"))
    after = datetime.now(UTC)
    stack.send(*ada("3"), partition=0)
    with stack.working(Role.SPEED) as ledger, uncommitted(ledger, stack.settings) as look:
        assert standing() == (None, None, None)
        for _ in range(2):
            look()
            ledger.checked()
            since, *old = standing()
            assert before - MILLISECOND <= since <= after
            assert old == [True, True]
        sending.commit()
        look()
        assert standing()[0] == since  # it has ended, but nothing of it is counted
        stack.stream()
        assert standing() == (None, None, None)
        look()
        sending.abort(*bob("4"), partition=1)
        look()
        assert stack.owner(OPEN, stack.pipeline.name) == [({},)]
    assert stack.totals() == {"ada": (3, Decimal("3.00"))}


def test_the_streaming_job_notes_open_transactions_while_it_runs(stack: Stack, sending: Transactions) -> None:
    sending.begin(*ada("1"), partition=2)
    with supervised(stack) as errors:
        until(lambda: "2" in stack.owner(OPEN, stack.pipeline.name)[0][0])
    sending.abort()
    ((found,),) = stack.owner(OPEN, stack.pipeline.name)
    assert found["2"]["offset"] == 0
    assert not errors


def test_a_compacted_topic_is_refused_at_each_start_unless_the_definition_says_so(stack: Stack) -> None:
    topic = stack.pipeline.topic
    messages = [event(f"{number}", f"client {number % 2}") for number in range(6)]
    stack.send(*messages, partition=0)
    stack.stream()
    stack.archive()
    with KafkaAdminClient(bootstrap_servers=stack.settings.kafka_bootstrap_servers) as admin:
        settings = {"cleanup.policy": "compact", "segment.ms": "100", "min.cleanable.dirty.ratio": "0.01"}
        admin.alter_configs([ConfigResource("topic", topic.name, settings)])
    said = f"topic {topic.name} has cleanup.policy=compact, expected delete: .*compacted=True"
    for start in (stack.stream, stack.archive, stack.write_parquet):
        with pytest.raises(TopicDiffers, match=said):
            start()
    compacted = stack.define(topic=replace(topic, compacted=True))
    assert compacted.pipeline.fingerprint == stack.pipeline.fingerprint
    _wait_until_compacted(compacted)
    run_all(compacted)
    assert sum(count for count, _ in compacted.totals().values()) == len(compacted.bronze())
    compacted.settings = compacted.settings.model_copy(update={"lake_path": f"{stack.settings.lake_path}/anew"})
    compacted.lake = Lake(stack.spark, compacted.settings.lake_path, compacted.pipeline)
    compacted.archive()  # over holes
    assert compacted.batch(full=True).accepted == len(compacted.bronze()) < compacted.offsets()[0]
    assert compacted.verify().exact


@retry(retry=retry_if_result(lambda compacted: not compacted), stop=stop_after_delay(60), wait=wait_fixed(1))
def _wait_until_compacted(stack: Stack) -> bool:
    """A segment is closed, and what is in it can be compacted, once another message comes."""
    stack.send(event(f"{uuid4()}", "client 1"), partition=0)
    topic, end = stack.pipeline.topic.name, {0: 6}
    with log(stack.settings.kafka_bootstrap_servers, topic) as kafka:
        return sum(len(part[0]) for part in kafka.committed_below(end, 1000)) < end[0]


def test_what_an_open_transaction_may_repeat_is_remembered_from_its_begin(stack: Stack, sending: Transactions) -> None:
    """The start without a checkpoint reads a horizon before what is open, not before what is visible."""
    sending.begin(*ada("1"))
    began = datetime.now(UTC)
    time.sleep(0.05)
    stack.send(*ada("2"), partition=1)
    with log(stack.settings.kafka_bootstrap_servers, stack.pipeline.topic.name) as topic:
        first = topic.first_arrival({})
    sending.abort()
    assert first is not None
    assert first <= began + MILLISECOND


def test_the_dashboard_shows_what_is_committed_and_does_not_wait_for_markers(
    stack: Stack, sending: Transactions
) -> None:
    servers, topic = stack.settings.kafka_bootstrap_servers, stack.pipeline.topic.name
    sending.commit(*ada("1", "2"))
    sending.abort(*bob(*(f"b{number}" for number in range(100))))
    stack.send(b"last", partition=1)
    sending.begin(*bob("open"))
    began = time.monotonic()
    ends = {one.partition: one.end for one in partitions(servers, [topic])}
    read = newest(servers, topic, 3)
    onwards = since(servers, topic, 0, 3, 10)
    sending.abort()
    assert time.monotonic() - began < MARKERS_SECONDS
    assert ends == {0: 104, 1: 1, 2: 0}
    assert {(message.partition, message.offset) for message in read} == {(1, 0), (0, 1), (0, 0)}
    assert onwards == []
