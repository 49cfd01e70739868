"""The producer of housing against a real broker: what it says it has sent is in the topic, however often it is run."""

import json
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import IO, Any

import pytest
from kafka.consumer.fetcher import ConsumerRecord

from app.pipelines.housing import PIPELINE
from app.settings import HOME
from app.topics import create_topic
from tests.integration.sent import TIMEOUT, environment, records

TOPIC, PARTITIONS = PIPELINE.topic.name, PIPELINE.topic.partitions
SAID = "Sent batch of 100 records to Kafka\n" * 5 + "Sent batch of 6 records to Kafka\n"

Sent = Callable[[], list[ConsumerRecord]]


@pytest.fixture
def sent(kafka_bootstrap: str) -> Sent:
    """What has come into the topic since the test began, in the order in which it came."""
    create_topic(kafka_bootstrap, TOPIC, PARTITIONS)
    before = {(record.partition, record.offset) for record in records(kafka_bootstrap, TOPIC, PARTITIONS)}

    def new() -> list[ConsumerRecord]:
        found = records(kafka_bootstrap, TOPIC, PARTITIONS)
        added = [record for record in found if (record.partition, record.offset) not in before]
        return sorted(added, key=lambda record: (record.timestamp, record.partition, record.offset))

    return new


def start(kafka_bootstrap: str, *options: str, command: tuple[str, ...] = ("-m", "producers.housing")) -> Any:
    return subprocess.Popen(
        [sys.executable, *command, "--bootstrap-servers", kafka_bootstrap, *options], cwd=HOME, env=environment(),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def finished(process: Any) -> str:
    """Standard output of a producer that has ended by itself."""
    said, errors = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 0, errors
    return str(said)


def houses(found: list[ConsumerRecord]) -> list[dict[str, Any]]:
    return [house for record in found for house in json.loads(record.value, parse_float=Decimal)]


@pytest.mark.parametrize("command", [("-m", "producers.housing"), (str(HOME / "producers/housing.py"),)])
def test_both_ways_to_start_it_send_506_houses_in_six_messages(
    kafka_bootstrap: str, sent: Sent, command: tuple[str, ...]
) -> None:
    assert finished(start(kafka_bootstrap, command=command)) == SAID
    found = sent()

    assert sorted(len(json.loads(record.value)) for record in found) == [6, *[100] * 5]
    assert sorted(house["id"] for house in houses(found)) == list(range(1, 507))
    assert sum(house["medv"] for house in houses(found)) == Decimal("11401.6")
    assert len({record.partition for record in found}) == min(PARTITIONS, 6)


def test_the_options_say_how_many_are_in_a_message_and_in_which_partitions(kafka_bootstrap: str, sent: Sent) -> None:
    said = finished(start(kafka_bootstrap, "--batch-size", "250", "--partitions", "1"))
    found = sent()

    assert said == "Sent batch of 250 records to Kafka\n" * 2 + "Sent batch of 6 records to Kafka\n"
    assert [house["id"] for house in houses(found)] == list(range(1, 507))
    assert {record.partition for record in found} == {0}


def test_an_edited_file_has_the_same_ids_and_one_more(kafka_bootstrap: str, sent: Sent, tmp_path: Path) -> None:
    lines = (HOME / "datasets/housing.csv").read_text().splitlines()
    edited = [*lines[:3], lines[3].rsplit(",", 1)[0] + ",1.25", *lines[4:], lines[1]]
    (tmp_path / "edited.csv").write_text("\n".join(edited))
    finished(start(kafka_bootstrap))
    finished(start(kafka_bootstrap, "--file", str(tmp_path / "edited.csv")))
    first, second = houses(sent())[:506], houses(sent())[506:]
    by_id = {house["id"]: house for house in first}
    changed = [house for house in second if by_id.get(house["id"]) != house]

    assert len(second) == 507
    assert sorted((house["id"], house["medv"]) for house in changed) == [(3, Decimal("1.25")), (507, 24)]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_after_it_was_stopped_another_run_brings_every_house(
    kafka_bootstrap: str, sent: Sent, number: signal.Signals
) -> None:
    process = start(kafka_bootstrap, "--rate", "2")
    assert lines(process.stdout, 2) == SAID.splitlines()[:2]
    process.send_signal(number)
    rest, errors = process.communicate(timeout=TIMEOUT)
    stopped = sent()

    assert process.returncode == (-number if number == signal.SIGKILL else 0), errors
    assert 2 + rest.count("Sent") <= len(stopped) < 6
    assert finished(start(kafka_bootstrap)) == SAID
    assert Counter(house["id"] for house in houses(sent())) == Counter(
        [*range(1, 507), *(house["id"] for house in houses(stopped))]
    )


def test_without_a_broker_nothing_is_said_to_be_sent() -> None:
    process = start("127.0.0.1:1")
    said, errors = process.communicate(timeout=TIMEOUT)

    assert (process.returncode, said) == (1, "")
    assert errors.startswith("Error: no answer from Kafka at 127.0.0.1:1")


def lines(stream: IO[str], count: int) -> list[str]:
    return [stream.readline().rstrip("\n") for _ in range(count)]
