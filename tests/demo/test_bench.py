"""The measurements run, and print what they promise. What they find depends on the machine: only the API is judged."""

import os
import re
import signal
import subprocess
from contextlib import suppress

import pytest

from app.settings import HOME
from tests.demo.running import SECONDS

FIGURE = r"\s+[\d,]+"
RATIO = r" \d+\.\d\d"
SMALL = ("--events=2000", "--rounds=1", "--warm-up=0", "--rate=100", "--seconds=3", "--keys=1000", "--answers=50")


def bench(*options: str) -> str:
    """What a measurement prints. It is a session of its own, of which an interrupt leaves nothing."""
    words = [str(HOME / "scripts/bench"), *options]
    with subprocess.Popen(words, text=True, stdout=subprocess.PIPE, start_new_session=True) as run:
        try:
            printed, _ = run.communicate(timeout=SECONDS)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(run.pid, signal.SIGKILL)
    assert run.returncode == 0, printed
    return printed


@pytest.fixture(scope="module")
def said() -> str:
    """What a run of all measurements prints."""
    return bench(*SMALL)


def test_catching_up_is_measured_beside_plain_spark_and_a_consumer_by_hand(said: str) -> None:
    for name in ("tidemark", "tidemark, no duplicates"):
        assert re.search(rf"^{name}{FIGURE}   plain Spark.*:{RATIO}, consumer by hand:{RATIO}$", said, re.MULTILINE)


def test_a_batch_over_what_is_new_is_measured_beside_one_over_all(said: str) -> None:
    assert re.search(rf"^over a tenth of new events of over all events:{RATIO}$", said, re.MULTILINE)


def test_the_time_until_an_event_is_visible_is_measured_with_its_phases(said: str) -> None:
    for name in ("plain Spark", "tidemark", "plain Spark, no duplicates", "tidemark, no duplicates"):
        assert re.search(rf"^{name} +p50{FIGURE}  p99{FIGURE}  worst{FIGURE}   of \d\d\d events$", said, re.MULTILINE)
    assert re.search(r"batch: plan \d+, batch: job \d+, batch: postgres \d+, offsets \d+", said)
    for pair in (
        "tidemark of plain Spark",
        "tidemark, no duplicates of plain Spark, no duplicates",
        "tidemark, no duplicates of plain Spark",
    ):
        assert re.search(rf"^{pair}: p50{RATIO}, p99{RATIO}$", said, re.MULTILINE)


def of_the_api(said: str) -> bool:
    """Whether the API was measured beside a bare select and a poll."""
    names = (
        "an answer with all rows", "a bare SELECT of them", "a poll that changes nothing",
        "all rows, as HiveServer2 hangs",
    )  # fmt: skip
    rows = [re.search(rf"^{name}( +\d+\.\dms){{3}}( +[\d,]+\.\d){{2}}$", said, re.MULTILINE) for name in names]
    whole = re.search(rf"^of a bare SELECT:{RATIO} a second,{RATIO} a processor second$", said, re.MULTILINE)
    polls = re.search(r"^polls: \d+\.\d times as many a second as answers$", said, re.MULTILINE)
    hanging = re.search(rf"^answers as HiveServer2 hangs:{RATIO} times as many a second$", said, re.MULTILINE)
    return all((*rows, whole, polls, hanging))


def test_the_api_is_measured_beside_a_bare_select_and_a_poll(said: str) -> None:
    assert of_the_api(said)


def test_the_api_alone_keeps_to_its_ratios() -> None:
    alone = bench("api")

    assert of_the_api(alone)
    assert "plain Spark" not in alone
    # A second of the processor is one whoever else uses the machine meanwhile.
    (ratio,) = re.findall(r"^of a bare SELECT: .*, (\d+\.\d\d) a processor second$", alone, re.MULTILINE)
    whole, polls = (
        float(found.replace(",", ""))
        for name in ("an answer with all rows", "a poll that changes nothing")
        for found in re.findall(rf"^{name} .* ([\d,]+\.\d)$", alone, re.MULTILINE)
    )
    (hanging,) = re.findall(r"^answers as HiveServer2 hangs: (\d+\.\d\d) times", alone, re.MULTILINE)
    assert float(ratio) >= 0.5
    assert polls >= 5 * whole
    assert float(hanging) >= 0.1  # who waits for what hangs waits for a hundred answers' time
