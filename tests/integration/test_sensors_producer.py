"""The sensors against a real broker and a real folder: what they say they have sent or dropped is there, and whole."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from app.settings import HOME
from app.topics import create_topic
from producers.disorder import now
from producers.sensors import Sensors
from tests.integration.sent import TIMEOUT, environment, records, wait_for_message

TOPIC, PARTITIONS = "iot_smartech", 3
COMMAND = [sys.executable, "-m", "producers.sensors"]


@pytest.fixture
def topic(kafka_bootstrap: str) -> str:
    """The topic of the sensors."""
    create_topic(kafka_bootstrap, TOPIC, PARTITIONS)
    return TOPIC


@contextmanager
def running(*options: str) -> Iterator[subprocess.Popen[str]]:
    """The producer as a process that is gone at the end."""
    with subprocess.Popen(
        [*COMMAND, *options], cwd=HOME, env=environment(), stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def seen(folder: Path) -> dict[str, bytes]:
    """What a reader sees: the files by name, but those that readers pass over."""
    found = list(folder.iterdir()) if folder.exists() else []
    return {path.name: path.read_bytes() for path in found if path.name[0] not in "._"}


def until(condition: Callable[[], bool]) -> None:
    Retrying(stop=stop_after_delay(TIMEOUT), wait=wait_fixed(0.01), retry=retry_if_result(lambda done: not done))(
        condition
    )


def test_the_readings_of_a_seed_are_in_the_topic_each_sensor_in_one_partition_in_its_order(
    kafka_bootstrap: str, topic: str
) -> None:
    before = len(records(kafka_bootstrap, topic, PARTITIONS))
    options = ["--count", "3000", "--rate", "0", "--seed", "3", "--duplicates", "2", "--bad", "5"]
    done = subprocess.run(
        [*COMMAND, "--bootstrap-servers", kafka_bootstrap, *options],
        cwd=HOME, env=environment(), capture_output=True, text=True, timeout=TIMEOUT, check=False,
    )  # fmt: skip
    found = [
        (record.key, json.loads(record.value) | {"event_time": None}, record.partition)
        for record in records(kafka_bootstrap, topic, PARTITIONS)
    ]
    expected = [
        (message.key, json.loads(message.value) | {"event_time": None})
        for message in Sensors(duplicates=2.0, bad=5.0, seed=3).messages(range(3000), now)
    ]

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"sent {len(expected):,}, acknowledged {len(expected):,} in ")
    assert len(found) - before == len(expected) > 3_000
    for sensor in {key for key, _ in expected}:
        own = [(value, partition) for key, value, partition in found if key == sensor]
        assert len({partition for _, partition in own}) == 1
        readings = [value for key, value in expected if key == sensor]
        assert [value for value, _ in own][-len(readings) :] == readings
    assert {partition for _, _, partition in found} == set(range(PARTITIONS))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_sending_with_its_totals_and_exit_code_0(
    kafka_bootstrap: str, topic: str, number: signal.Signals
) -> None:
    with running("--bootstrap-servers", kafka_bootstrap, "--rate", "50") as process:
        wait_for_message(kafka_bootstrap, topic, PARTITIONS)
        process.send_signal(number)
        totals, _ = process.communicate(timeout=TIMEOUT)

    words = totals.replace(",", "").split()
    assert (process.returncode, words[0]) == (0, "sent")
    assert int(words[1]) == int(words[3]) > 0


def test_a_reader_of_the_folder_sees_no_file_that_is_not_whole_and_final(tmp_path: Path) -> None:
    looks: list[dict[str, bytes]] = []
    with running("--files", str(tmp_path / "in"), "--count", "20000", "--rate", "0", "--seed", "3") as process:

        def look() -> bool:
            ended = process.poll() is not None
            looks.append(seen(tmp_path / "in"))
            return ended

        until(look)

    assert process.returncode == 0
    assert len({len(found) for found in looks}) > 2
    assert all(found.items() <= looks[-1].items() for found in looks)
    lines = b"".join(looks[-1][name] for name in sorted(looks[-1])).splitlines()
    expected = [
        json.loads(message.value) for message in Sensors(named="d", bad=1.0, seed=3).messages(range(20_000), now)
    ]
    assert [json.loads(line) | {"event_time": None} for line in lines] == [
        one | {"event_time": None} for one in expected
    ]


def test_a_signal_drops_the_file_that_is_not_full_and_ends_with_the_totals(tmp_path: Path) -> None:
    with running("--files", str(tmp_path), "--rate", "20") as process:
        until(lambda: len(seen(tmp_path)) == 1)
        process.send_signal(signal.SIGTERM)
        totals, _ = process.communicate(timeout=TIMEOUT)
    found = seen(tmp_path)

    assert process.returncode == 0
    lines = b"".join(found.values()).splitlines()
    assert f"dropped {len(found)} files" in totals
    assert f"with {len(lines)} messages" in totals
    assert all(json.loads(line)["sensor_id"] for line in lines)


def test_what_can_be_seen_is_whole_also_after_kill_9(tmp_path: Path) -> None:
    with running("--files", str(tmp_path), "--rate", "0") as process:
        until(lambda: len(seen(tmp_path)) > 5)
        process.kill()
        process.wait(TIMEOUT)

    for content in seen(tmp_path).values():
        assert content.endswith(b"\n")
        assert [bool(json.loads(line)["reading_id"]) for line in content.splitlines()] == [True] * 1_000
