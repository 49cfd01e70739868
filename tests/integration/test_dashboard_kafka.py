"""The page of Kafka, over a real broker."""

from collections.abc import Callable

import pytest
from kafka import KafkaAdminClient, KafkaProducer, TopicPartition
from streamlit.testing.v1 import AppTest

from app.settings import settings
from app.topics import create_topic
from dashboard.log import LogError, newest, partitions, since
from dashboard.sources import sources
from tests.answering import PIPELINES, STATUS, Server, server
from tests.integration.test_dashboard import Clock, operations_page

__all__ = ["server"]  # a fixture

Send = Callable[..., None]
TOPIC = "parcel-scans"


@pytest.fixture
def send(kafka_bootstrap: str) -> Send:
    """Sends messages to a partition of a topic with two; what was sent before stays."""
    create_topic(kafka_bootstrap, TOPIC, 2)

    def call(partition: int, *values: bytes | None, key: bytes | None = None) -> None:
        producer = KafkaProducer(bootstrap_servers=kafka_bootstrap)
        for value in values:
            producer.send(TOPIC, value, key=key, partition=partition).get(10)
        producer.close()

    return call


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch, server: Server, kafka_bootstrap: str) -> AppTest:
    """The page, with an API whose pipeline has committed one message of partition 0."""
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", kafka_bootstrap)
    settings.cache_clear()
    server.answers["/pipelines/parcels"] = (200, STATUS | {"offsets": {"0": 1}, "cut": {"-1": 50}})
    return operations_page()


def test_offsets_and_the_newest_messages_are_those_of_the_broker(kafka_bootstrap: str, send: Send) -> None:
    before = {one.partition: one.end for one in partitions(kafka_bootstrap, [TOPIC])}
    send(0, b"first", key=b"a")
    send(1, b"\xff second", None, key=b"b")

    after = {one.partition: one for one in partitions(kafka_bootstrap, [TOPIC])}
    assert {n: one.end - before[n] for n, one in after.items()} == {0: 1, 1: 2}
    read = newest(kafka_bootstrap, TOPIC, 3)
    assert [(message.partition, message.key, message.value) for message in read] == [
        (1, "b", None),
        (1, "b", "\ufffd second"),
        (0, "a", "first"),
    ]


def test_a_topic_that_does_not_exist_has_no_partition(kafka_bootstrap: str) -> None:
    assert partitions(kafka_bootstrap, ["never-made"]) == []


def test_the_page_shows_the_lag_of_each_partition_and_what_was_sent(send: Send, page: AppTest) -> None:
    send(0, b'{"parcel": 7}', b"x" * 3_000)
    page.run()

    assert not page.exception
    shown = next(one.value for one in page.dataframe if "next offset" in one.value.columns)
    messages = next(one.value for one in page.dataframe if "arrived" in one.value.columns)
    assert list(shown["lag"] + shown["committed"]) == list(shown["next offset"])
    assert list(shown["committed"]) == [1, 0]
    assert messages["value"][0] == "x" * 2_000 + "…"
    assert messages["value"][1] == '{"parcel": 7}'


def test_messages_can_be_read_from_any_offset_that_a_partition_holds(
    kafka_bootstrap: str, send: Send, page: AppTest
) -> None:
    send(0, b"elsewhere")
    send(1, b"one", b"two", b"three")
    end = partitions(kafka_bootstrap, [TOPIC])[1].end

    def shown() -> list[tuple[int, str]]:
        (messages,) = (one.value for one in page.dataframe if "arrived" in one.value.columns)
        assert set(messages["partition"]) == {1}
        return list(zip(messages["offset"], messages["value"], strict=True))

    sources().shared.clock = clock = Clock()
    page.run()
    page.number_input[0].set_value(3).run()
    page.selectbox(key=f"{TOPIC} partition").select(1).run()
    assert shown() == [(end - 3, "one"), (end - 2, "two"), (end - 1, "three")]
    offset = page.number_input(key=f"{TOPIC} offset")
    offset.set_value(end - 2).run()
    assert shown() == [(end - 2, "two"), (end - 1, "three")]
    send(1, b"four", b"five")
    clock.now += 60
    page.button[0].click().run()
    assert shown() == [(end - 2, "two"), (end - 1, "three"), (end, "four")]
    offset.set_value(end + 3).run()
    assert [one.value for one in page.error] == [
        f"Partition 1 of {TOPIC} begins at offset 0 and ends before {end + 2}: {end + 3} is none of its. Choose another"
    ]
    offset.set_value(end + 2).run()
    assert f"Partition 1 of `{TOPIC}` holds no message from offset {end + 2} on." in page.info[0].value


def test_an_offset_that_kafka_has_deleted_is_refused_with_those_there_are(kafka_bootstrap: str, send: Send) -> None:
    send(0, b"first", b"second")
    admin = KafkaAdminClient(bootstrap_servers=kafka_bootstrap)
    end = partitions(kafka_bootstrap, [TOPIC])[0].end
    admin.delete_records({TopicPartition(TOPIC, 0): end - 1})
    admin.close()

    with pytest.raises(LogError, match=f"begins at offset {end - 1} and ends before {end}: {end - 2} is none of its"):
        since(kafka_bootstrap, TOPIC, 0, end - 2, 10)
    assert [message.value for message in since(kafka_bootstrap, TOPIC, 0, end - 1, 10)] == ["second"]
    with pytest.raises(LogError, match=f"{TOPIC} has no partition 7"):
        since(kafka_bootstrap, TOPIC, 7, 0, 10)


def test_a_topic_that_was_not_made_is_named_with_the_command(server: Server, page: AppTest) -> None:
    server.answers["/pipelines"] = (200, [PIPELINES[0] | {"topic": "never-made"}])
    page.run()

    assert "never-made" in page.warning[0].value
    assert "./scripts/topics" in page.warning[0].value
    assert "holds no message. To see some, send events: `python -m producers parcels`" in page.info[0].value


@pytest.mark.usefixtures("server")
def test_a_broker_that_does_not_answer_is_an_error_with_its_address(
    monkeypatch: pytest.MonkeyPatch, page: AppTest
) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    settings.cache_clear()
    page.run()

    assert "Kafka does not answer at 127.0.0.1:1" in page.error[0].value
    assert "`./scripts/up`, or without Docker `./scripts/demo`" in page.error[0].value
    with pytest.raises(LogError, match=r"127\.0\.0\.1:1"):
        newest("127.0.0.1:1", TOPIC, 1)
