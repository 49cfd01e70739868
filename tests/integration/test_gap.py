"""Messages that Kafka has deleted before they were read: the job stops and says so, or goes on as it is told."""

import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from threading import Event

import pytest
from kafka import TopicPartition
from kafka.admin import KafkaAdminClient
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.streaming.query import StreamingQuery
from tenacity import retry, retry_if_result, stop_after_delay, wait_fixed

from app.archive import Archive
from app.gap import LogShorter, OffsetGap, TopicRemade
from app.lake import Lake
from app.postgres import Role
from app.speed import Speed
from app.streams import Streams, refuse_failed
from app.topics import create_topic
from tests.integration.conftest import Stack, event

LOSSES = "SELECT layer, partition, first_offset, next_offset FROM tidemark.loss WHERE pipeline = %s ORDER BY layer"


@pytest.fixture
def admin(kafka_bootstrap: str) -> Iterator[KafkaAdminClient]:
    client = KafkaAdminClient(bootstrap_servers=kafka_bootstrap)
    yield client
    client.close()


def expire(admin: KafkaAdminClient, stack: Stack, partition: int, before: int) -> None:
    """Deletes the messages of a partition below an offset, as retention does."""
    deleted = admin.delete_records({TopicPartition(stack.pipeline.topic.name, partition): before})
    assert [found["low_watermark"] for found in deleted.values()] == [before]


def test_a_gap_stops_both_layers_until_the_loss_is_accepted(stack: Stack, admin: KafkaAdminClient) -> None:
    name = stack.pipeline.name
    stack.send(event("1"), event("2"), partition=0)
    stack.stream()
    stack.archive()
    stack.send(event("3"), event("4"), event("5"), partition=0)
    stack.send(event("6"), partition=1)
    expire(admin, stack, partition=0, before=4)
    state = (stack.offsets(), stack.totals(), len(stack.bronze()))
    command = f"./scripts/accept {name} gap"
    said = f"topic {name} partition 0: expected offset 2, Kafka starts at 4.* {command}"
    with pytest.raises(OffsetGap, match=f"gap in the speed layer of {name}: {said}"):
        stack.stream()
    with pytest.raises(OffsetGap, match=f"gap in the archive layer of {name}: {said}"):
        stack.archive()
    assert (stack.offsets(), stack.totals(), len(stack.bronze())) == state
    assert state == ({0: 2, 1: 0, 2: 0}, {"ada": (2, Decimal("2.00"))}, 2)
    assert stack.owner(LOSSES, name) == []

    stack.stream(accept_loss=True)
    stack.archive(accept_loss=True)

    assert stack.owner(LOSSES, name) == [("archive", 0, 2, 4), ("speed", 0, 2, 4)]
    assert stack.totals() == {"ada": (4, Decimal("4.00"))}
    assert stack.offsets() == {0: 5, 1: 1, 2: 0}
    assert stack.verify().exact
    assert stack.batch().accepted == 4
    assert stack.totals() == {"ada": (4, Decimal("4.00"))}


def test_a_master_dataset_that_was_lost_is_a_gap_where_kafka_no_longer_has_what_was_read(
    stack: Stack, admin: KafkaAdminClient, tmp_path: Path
) -> None:
    name = stack.pipeline.name
    stack.send(event("1"), event("2"), event("3"), partition=0)
    stack.send(event("4"), partition=1)
    stack.count_everything()
    expire(admin, stack, partition=0, before=2)
    stack.settings = stack.settings.model_copy(update={"lake_path": f"file://{tmp_path}"})
    stack.lake = Lake(stack.spark, stack.settings.lake_path, stack.pipeline)
    changed = stack.define(checks=())  # a new definition, which has read nothing
    for other in (stack, changed):
        said = f"{name}: topic {name} partition 0: expected offset 0, Kafka starts at 2.*LAKE_PATH"
        with pytest.raises(OffsetGap, match=f"gap in the archive layer of {said}.* ./scripts/accept {name} gap"):
            other.archive()
    assert stack.owner(LOSSES, name) == []
    assert stack.bronze() == []

    stack.archive(accept_loss=True)

    assert stack.owner(LOSSES, name) == [("archive", 0, 0, 2)]
    assert stack.batch(full=True).accepted == 2


def test_a_master_dataset_that_was_lost_is_read_again_where_kafka_has_everything(stack: Stack, tmp_path: Path) -> None:
    stack.send(event("1"), event("2"), event("3"))
    stack.count_everything()
    stack.settings = stack.settings.model_copy(update={"lake_path": f"file://{tmp_path}"})
    stack.lake = Lake(stack.spark, stack.settings.lake_path, stack.pipeline)
    stack.archive()
    assert len(stack.bronze()) == 3
    assert stack.batch(full=True).accepted == 3


def test_a_new_pipeline_starts_where_its_old_topic_starts(
    stack: Stack, admin: KafkaAdminClient, caplog: pytest.LogCaptureFixture
) -> None:
    stack.send(event("1"), event("2"), event("3"), partition=0)
    expire(admin, stack, partition=0, before=2)
    for _ in range(2):
        streams = Streams(stack.spark, stack.settings, stack.pipeline)
        streams.start(accept_loss=False)
        streams.finish()
        assert streams.stop()
    assert stack.owner(LOSSES, stack.pipeline.name) == [("archive", 0, 0, 2), ("speed", 0, 0, 2)]
    assert "the archive layer goes on at {0: 2}; the messages before are lost" in caplog.text
    assert stack.count_everything().accepted == 1


def test_a_loss_that_the_archive_had_read_comes_back_with_the_next_batch(stack: Stack, admin: KafkaAdminClient) -> None:
    stack.send(event("1"), event("2"), partition=0)
    stack.archive()
    stack.stream()
    backup = stack.backup()
    stack.send(event("3"), event("4"), partition=0)
    stack.archive()
    expire(admin, stack, partition=0, before=3)
    stack.restore(backup)
    stack.stream(accept_loss=True)
    assert stack.totals() == {"ada": (3, Decimal("3.00"))}
    stack.batch()
    assert stack.totals() == {"ada": (4, Decimal("4.00"))}
    assert stack.verify().exact


def test_a_loss_at_the_end_of_a_partition_does_not_stop_the_batch_layer(stack: Stack, admin: KafkaAdminClient) -> None:
    stack.settings = stack.settings.model_copy(update={"archive_wait": 3})
    stack.send(event("1"), partition=0)
    stack.stream()
    stack.archive()
    stack.send(event("2"), partition=0)
    expire(admin, stack, partition=0, before=2)
    stack.stream(accept_loss=True)
    stack.archive(accept_loss=True)
    assert stack.batch().cut[0] == 2
    assert stack.totals() == {"ada": (1, Decimal("1.00"))}


def test_an_accepted_loss_stands_until_more_has_expired(stack: Stack, admin: KafkaAdminClient) -> None:
    name = stack.pipeline.name
    stack.settings = stack.settings.model_copy(update={"archive_wait": 3})
    stack.send(event("1"), partition=0)
    stack.stream()
    stack.archive()
    for number, expired in ((2, 3), (4, 5)):  # the first two that are lost, and two more
        stack.send(event(f"{number}"), event(f"{number + 1}"), partition=0)
        expire(admin, stack, partition=0, before=expired)
        with pytest.raises(OffsetGap, match=f"archive .*expected offset {expired - 2}, Kafka starts at {expired}"):
            stack.archive()
        stack.stream(accept_loss=True)
        stack.archive(accept_loss=True)
        for _ in range(2):
            stack.stream()
            stack.archive()
        assert stack.batch().cut[0] == expired
    both = [(1, 3), (3, 5)]
    assert sorted(stack.owner(LOSSES, name)) == [(layer, 0, *lost) for layer in ("archive", "speed") for lost in both]
    stack.send(event("6"), partition=0)
    assert stack.count_everything().accepted == 2


@pytest.mark.timeout(120)
@pytest.mark.parametrize("layer", ["speed", "archive"])
def test_a_gap_under_a_running_layer_that_lags_is_named_as_one_found_at_its_start(
    stack: Stack, admin: KafkaAdminClient, monkeypatch: pytest.MonkeyPatch, layer: str
) -> None:
    name, written, expired = stack.pipeline.name, Event(), Event()
    stack.send(event("1"), partition=0)
    with stack.working(Role.SPEED) as ledger:
        speed, archive = Speed(stack.spark, ledger, stack.settings), Archive(stack.lake, ledger, stack.settings)
        running: Speed | Archive = speed if layer == "speed" else archive
        write = running.write

        def slow(messages: DataFrame, batch: int) -> None:
            write(messages, batch)
            written.set()
            assert expired.wait(60)

        monkeypatch.setattr(running, "write", slow)
        query = running.start(accept_loss=False)
        try:
            assert written.wait(60)
            stack.send(event("2"), event("3"), event("4"), partition=0)
            expire(admin, stack, partition=0, before=3)
            expired.set()
            said = f"gap in the {layer} layer of {name}: topic {name} partition 0: expected offset 1, Kafka starts at 3"
            with pytest.raises(OffsetGap, match=f"{said}.* ./scripts/accept {name} gap"):
                _look_until_it_fails(query, running.check)
        finally:
            expired.set()
            query.stop()


@retry(retry=retry_if_result(lambda _: True), stop=stop_after_delay(60), wait=wait_fixed(0.2))
def _look_until_it_fails(query: StreamingQuery, check: Callable[[], None]) -> None:
    refuse_failed(query, check)


@pytest.mark.parametrize("messages", [1, 3], ids=["fewer messages", "more messages"])
def test_a_topic_that_was_made_anew_stops_both_layers(stack: Stack, admin: KafkaAdminClient, messages: int) -> None:
    name = stack.pipeline.name
    stack.send(event("1"), event("2"), partition=1)
    stack.stream()
    stack.archive()
    before = admin.describe_topics([name])[0]["topic_id"]
    admin.delete_topics([name])
    _wait_until_gone(admin, name)
    create_topic(stack.settings.kafka_bootstrap_servers, name, stack.pipeline.topic.partitions)
    stack.send(*(event(f"{number}") for number in range(3, 3 + messages)), partition=1)
    now = admin.describe_topics([name])[0]["topic_id"]
    for other in (stack, stack.define(checks=())):
        for layer, start in (("speed", other.stream), ("archive", other.archive)):
            said = f"topic {name} has the id {now}, and the {layer} layer has read the one with the id {before}: "
            with pytest.raises(TopicRemade, match=f"{said}.* Restore"):
                start(accept_loss=True)
    assert stack.totals() == {"ada": (2, Decimal("2.00"))}
    assert stack.offsets() == {0: 0, 1: 2, 2: 0}


def test_a_topic_that_has_lost_messages_stops_both_layers(stack: Stack) -> None:
    name = stack.pipeline.name
    stack.send(event("1"), partition=1)
    stack.stream()
    stack.archive()
    stack.owner("UPDATE tidemark.ledger SET offsets = offsets || '{\"1\": 2}' WHERE pipeline = %s", name)
    stack.append(stack.lake.bronze().withColumn("offset", F.col("offset") + 1))
    for layer, start in (("speed", stack.stream), ("archive", stack.archive)):
        said = f"the {layer} layer stands at offset 2 of topic {name} partition 1, Kafka ends at 1"
        with pytest.raises(LogShorter, match=said):
            start(accept_loss=True)


def test_a_micro_batch_that_starts_above_the_ledger_is_refused(stack: Stack) -> None:
    stack.stream()
    backup = stack.backup()
    stack.send(event("1"), event("2"), partition=0)
    running = stack.stream()
    stack.archive()
    stack.restore(backup)
    running.committed = stack.offsets()
    running.ledger = stack.speed().ledger
    refused = f"{stack.pipeline.name}: .* starts at {{0: 2}}, the layer stands at {{0: 0}}. Start the job again"
    with pytest.raises(OffsetGap, match=re.compile(refused)):
        running.write(stack.events(), 0)
    assert stack.offsets() == {0: 0, 1: 0, 2: 0}
    assert stack.totals() == {}
    stack.stream()
    assert stack.totals() == {"ada": (2, Decimal("2.00"))}


@retry(retry=retry_if_result(bool), stop=stop_after_delay(60), wait=wait_fixed(0.1))
def _wait_until_gone(admin: KafkaAdminClient, topic: str) -> bool:
    return topic in admin.list_topics()
