"""The producer of products against a real broker and an API on this machine: what is in the topic, whatever happens."""

import json
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from kafka.consumer.fetcher import ConsumerRecord
from tenacity import Retrying, retry_if_not_result, stop_after_delay, wait_fixed

from app.pipelines.products import PIPELINE
from app.settings import HOME
from app.topics import create_topic
from producers.products import Position, message
from tests.integration.sent import TIMEOUT, environment, records
from tests.openfoodfacts import SAMPLE, OpenFoodFacts, cut, error, open_food_facts, too_many, truncated

TOPIC, PARTITIONS = PIPELINE.topic.name, PIPELINE.topic.partitions
COUNT, LENGTH = 95, 10

Sent = Callable[[], list[ConsumerRecord]]


@pytest.fixture
def api() -> Iterator[OpenFoodFacts]:
    """Nine pages of ten products and one of five."""
    with open_food_facts(COUNT) as running:
        yield running


@pytest.fixture
def sent(kafka_bootstrap: str) -> Sent:
    """What has come into the topic since the test began."""
    create_topic(kafka_bootstrap, TOPIC, PARTITIONS)
    before = {(record.partition, record.offset) for record in records(kafka_bootstrap, TOPIC, PARTITIONS)}

    def new() -> list[ConsumerRecord]:
        found = records(kafka_bootstrap, TOPIC, PARTITIONS)
        return [record for record in found if (record.partition, record.offset) not in before]

    return new


@pytest.fixture
def position(tmp_path: Path) -> Position:
    return Position(tmp_path / "position.json")


@pytest.fixture
def start(kafka_bootstrap: str, api: OpenFoodFacts, position: Position) -> Callable[..., subprocess.Popen[str]]:
    """Starts the producer so that it reads the API."""
    settings = {
        "USE_API": "true", "BATCH_LENGTH": str(LENGTH), "KAFKA_BOOTSTRAP_SERVERS": kafka_bootstrap,
        "OPENFOODFACTS_URL": api.url, "OPENFOODFACTS_REQUESTS": "60000", "OPENFOODFACTS_POSITION": str(position.file),
    }  # fmt: skip

    def run(*options: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "producers.products", *options], cwd=HOME, env=environment() | settings,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    return run


Start = Callable[..., subprocess.Popen[str]]


def finished(process: subprocess.Popen[str]) -> tuple[str, str]:
    """What the producer said, when it has ended by itself."""
    said = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 0, said
    return said


def wait_for(condition: Callable[[], bool]) -> None:
    Retrying(stop=stop_after_delay(TIMEOUT), wait=wait_fixed(0.01), retry=retry_if_not_result(bool))(condition)


def codes(found: list[ConsumerRecord]) -> Counter[str]:
    return Counter(record.key.decode() for record in found)


@pytest.mark.parametrize("command", [["-m", "producers.products"], [str(HOME / "producers/products.py")]])
def test_both_ways_to_start_it_send_the_bundled_sample(kafka_bootstrap: str, sent: Sent, command: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, *command, "--bootstrap-servers", kafka_bootstrap, "--rate", "0"],
        cwd=HOME, env=environment() | {"USE_API": "false"}, capture_output=True, text=True, timeout=TIMEOUT,
        check=False,
    )  # fmt: skip
    expected = [message(json.loads(line)) for line in SAMPLE.read_text().splitlines()]

    assert done.returncode == 0, done.stderr
    assert done.stderr == "USE_API is false: sending the bundled sample, datasets/openfoodfacts_products.jsonl\n"
    assert done.stdout.startswith("sent 1,000, acknowledged 1,000 in ")
    assert Counter((record.key, record.value) for record in sent()) == Counter((one.key, one.value) for one in expected)


def test_whatever_the_api_answers_every_product_is_in_the_topic_once(
    start: Start, api: OpenFoodFacts, sent: Sent
) -> None:
    api.failures[1] = [error(500)]
    api.failures[3] = [too_many("1"), cut]
    api.failures[10] = [truncated]
    totals, said = finished(start("--rate", "0"))

    assert totals.startswith(f"sent {COUNT}, acknowledged {COUNT} in ")
    assert codes(sent()) == Counter(product["code"] for product in api.products)
    assert api.pages == [1, 1, 2, 3, 3, 3, 4, 5, 6, 7, 8, 9, 10, 10, 11]
    for failure in ("page 1: HTTP 500", "page 3: HTTP 429", "page 3: ", "page 10: the answer is not JSON"):
        assert failure in said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_run_that_is_stopped_is_followed_by_one_from_the_page_it_was_at(
    start: Start, api: OpenFoodFacts, sent: Sent, position: Position, number: signal.Signals
) -> None:
    first = start("--rate", "50")
    wait_for(lambda: position.read() >= 2 * LENGTH)
    first.send_signal(number)
    first.communicate(timeout=TIMEOUT)
    kept, before, asked = position.read(), codes(sent()), len(api.requests)
    finished(start("--rate", "0"))

    assert first.returncode == (0 if number == signal.SIGTERM else -number)
    assert kept <= before.total() < COUNT
    assert api.pages[asked:] == list(range(kept // LENGTH + 1, 12))
    assert codes(sent()) == before + Counter(product["code"] for product in api.products[kept:])
    assert set(codes(sent())) == {product["code"] for product in api.products}
    assert not position.file.exists()


def test_a_signal_ends_a_long_wait_for_the_api(
    start: Start, api: OpenFoodFacts, sent: Sent, position: Position
) -> None:
    api.failures[3] = [too_many("250")]
    process = start("--rate", "0")
    wait_for(lambda: api.pages == [1, 2, 3])
    process.terminate()
    totals, _ = finished(process)

    assert totals.startswith("sent 20, acknowledged 20 in ")
    assert (codes(sent()).total(), position.read(), api.pages) == (20, 20, [1, 2, 3])


def test_an_api_that_stops_to_answer_is_an_error_with_exit_code_1(
    start: Start, api: OpenFoodFacts, sent: Sent, position: Position
) -> None:
    api.failures[3] = [error(403)]
    process = start("--rate", "0")
    totals, said = process.communicate(timeout=TIMEOUT)

    assert (process.returncode, totals) == (1, "")
    assert "page 3: HTTP 403 Forbidden" in said
    assert (codes(sent()).total(), position.read()) == (20, 20)
