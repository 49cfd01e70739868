"""The observations against a real broker: what is said to be sent is in the topic, at the rate that was asked for."""

import json
import subprocess
import sys
from collections import Counter

import pytest

from app.settings import HOME
from app.topics import create_topic
from producers.disorder import now
from producers.space import Observations
from tests.integration.sent import TIMEOUT, environment, records

TOPIC, PARTITIONS = "space_data", 3


@pytest.fixture
def topic(kafka_bootstrap: str) -> str:
    """The topic of the observations."""
    create_topic(kafka_bootstrap, TOPIC, PARTITIONS)
    return TOPIC


@pytest.mark.parametrize("command", [["-m", "producers.space"], [str(HOME / "producers/space.py")]])
def test_both_ways_to_start_it_send_the_observations_of_the_seed_each_object_in_one_partition(
    kafka_bootstrap: str, topic: str, command: list[str]
) -> None:
    before = {(record.partition, record.offset) for record in records(kafka_bootstrap, topic, PARTITIONS)}
    options = ["--count", "2000", "--rate", "0", "--seed", "3", "--duplicates", "2"]
    done = subprocess.run(
        [sys.executable, *command, "--bootstrap-servers", kafka_bootstrap, *options],
        cwd=HOME, env=environment(), capture_output=True, text=True, timeout=TIMEOUT, check=False,
    )  # fmt: skip
    found = records(kafka_bootstrap, topic, PARTITIONS)
    sent = [record for record in found if (record.partition, record.offset) not in before]
    expected = list(Observations(duplicates=2.0, seed=3).messages(range(2000), now))

    def timeless(key: bytes, value: bytes) -> tuple[bytes, str]:
        return key, json.dumps(json.loads(value) | {"event_time": None})

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"sent {len(expected):,}, acknowledged {len(expected):,} in ")
    assert Counter(timeless(record.key, record.value) for record in sent) == Counter(
        timeless(message.key, message.value) for message in expected
    )
    partitions = {(record.key, record.partition) for record in found}
    assert len({key for key, _ in partitions}) == len(partitions)
    assert {partition for _, partition in partitions} == set(range(PARTITIONS))


def test_it_sends_20_a_second_if_nothing_else_is_asked_for(kafka_bootstrap: str, topic: str) -> None:
    before = len(records(kafka_bootstrap, topic, PARTITIONS))
    done = subprocess.run(
        [sys.executable, "-m", "producers.space", "--bootstrap-servers", kafka_bootstrap, "--count", "61"],
        cwd=HOME, env=environment(), capture_output=True, text=True, timeout=TIMEOUT, check=False,
    )  # fmt: skip
    seconds = float(done.stdout.split(" in ")[1].split(" s")[0])

    assert len(records(kafka_bootstrap, topic, PARTITIONS)) - before == 61
    assert 3 <= seconds < 30  # at one a second it were a minute
