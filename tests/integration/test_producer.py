"""The producer against a real broker: what it says it has sent is what stands in the topic."""

import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from app.settings import HOME
from app.topics import create_topic
from producers.disorder import now
from producers.producing import Message, ProduceError, produce
from producers.transactions import Transactions
from tests.integration.sent import TIMEOUT, consumer, environment, records, wait_for_message

PARTITIONS = 3


@pytest.fixture
def topic(kafka_bootstrap: str) -> str:
    """A topic of this test's own."""
    name = f"produced-{uuid4()}"
    create_topic(kafka_bootstrap, name, PARTITIONS)
    return name


def test_what_is_counted_as_acknowledged_is_in_the_topic(kafka_bootstrap: str, topic: str) -> None:
    sequence = Transactions(clients=20, duplicates=10.0, late=5.0, bad=5.0, seed=7)
    sent: list[Message] = []

    def remembered() -> Iterator[Message]:
        for message in sequence.messages(range(2_000), now):
            sent.append(message)
            yield message

    delivery = produce(remembered(), topic, kafka_bootstrap)
    found = records(kafka_bootstrap, topic, PARTITIONS)

    assert delivery.sent == delivery.acknowledged == len(sent) == len(found) > 2_000
    assert delivery.kinds == Counter(message.kind for message in sent)
    assert Counter((record.key, record.value) for record in found) == Counter((m.key, m.value) for m in sent)


def test_the_events_of_a_client_are_in_one_partition_in_their_order(kafka_bootstrap: str, topic: str) -> None:
    sent = list(Transactions(clients=20, seed=7).messages(range(500), now))
    produce(sent, topic, kafka_bootstrap)
    found = records(kafka_bootstrap, topic, PARTITIONS)

    for client in {message.key for message in sent}:
        own = [record for record in found if record.key == client]
        assert len({record.partition for record in own}) == 1
        assert [record.value for record in own] == [message.value for message in sent if message.key == client]
    assert {record.partition for record in found} == set(range(PARTITIONS))


def test_a_missing_topic_is_an_error_and_is_not_made(kafka_bootstrap: str) -> None:
    missing = f"missing-{uuid4()}"

    with pytest.raises(ProduceError, match=rf"no topic {missing}; make it with \./scripts/topics"):
        produce(Transactions().messages(range(1), now), missing, kafka_bootstrap)
    with consumer(kafka_bootstrap) as reader:
        assert missing not in reader.topics()


@pytest.mark.parametrize("command", [["-m", "producers.transactions"], [str(HOME / "producers/transactions.py")]])
def test_both_ways_to_start_it_send_the_count_and_end(kafka_bootstrap: str, command: list[str]) -> None:
    create_topic(kafka_bootstrap, "transactions", PARTITIONS)
    done = subprocess.run(
        [sys.executable, *command, "--bootstrap-servers", kafka_bootstrap, "--count", "50", "--rate", "0"],
        cwd=HOME, env=environment(), capture_output=True, text=True, timeout=TIMEOUT, check=False,
    )  # fmt: skip

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("sent 50, acknowledged 50 in ")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_its_totals_and_exit_code_0(
    kafka_bootstrap: str, tmp_path: Path, number: signal.Signals
) -> None:
    create_topic(kafka_bootstrap, "transactions", PARTITIONS)
    progress = tmp_path / "progress"
    with progress.open("w") as stderr, subprocess.Popen(
        [sys.executable, "-m", "producers.transactions", "--bootstrap-servers", kafka_bootstrap, "--rate", "50"],
        cwd=HOME, env=environment(), stdout=subprocess.PIPE, stderr=stderr, text=True,
    ) as process:  # fmt: skip
        try:
            wait_for_message(kafka_bootstrap, "transactions", PARTITIONS)
            process.send_signal(number)
            totals, _ = process.communicate(timeout=TIMEOUT)
        finally:
            process.kill()

    assert process.returncode == 0, progress.read_text()
    words = totals.replace(",", "").split()
    assert words[0] == "sent"
    assert int(words[1]) == int(words[3]) > 0


def test_no_broker_is_an_error_with_exit_code_1() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "producers.transactions", "--bootstrap-servers", "127.0.0.1:1", "--count", "1"],
        cwd=HOME, env=environment(), capture_output=True, text=True, timeout=TIMEOUT, check=False,
    )  # fmt: skip

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: no answer from Kafka at 127.0.0.1:1")
