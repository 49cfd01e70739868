"""The streams of one pipeline: how they end, what they wait for, and what they give back."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from types import SimpleNamespace

import pytest
from pyspark.sql.streaming.query import StreamingQuery
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from app.job import StreamFailed
from app.postgres import Role
from app.streams import Streams
from tests.integration.conftest import Stack, event

pytestmark = pytest.mark.timeout(120)
SECONDS = 60


@contextmanager
def streaming(stack: Stack, **changes: int) -> Iterator[tuple[Streams, StreamingQuery]]:
    """The streams once both layers hold what was sent, with the query of the speed layer."""
    streams = Streams(stack.spark, stack.settings.model_copy(update=changes), stack.pipeline)
    try:
        streams.start(accept_loss=False)
        (counting,) = [q for q in stack.spark.streams.active if q.name == f"speed {stack.pipeline.name}"]
        counting.processAllAvailable()
        retry = retry_if_result(lambda held: held < sum(stack.offsets().values()))
        Retrying(stop=stop_after_delay(SECONDS), wait=wait_fixed(0.1), retry=retry)(lambda: len(stack.bronze()))
        yield streams, counting
    finally:
        assert streams.stop()


def test_an_idle_stream_is_as_fresh_as_its_last_look(stack: Stack) -> None:
    status = f"FROM serving.status WHERE pipeline = '{stack.pipeline.name}'"
    old = f"SELECT now() - fresh_at BETWEEN interval '60 s' AND interval '90 s' {status}"
    with stack.working(Role.SPEED) as ledger:
        ledger.checked(ago=60)
        assert stack.rows(old) == [(True,)]
        ledger.checked()
        assert stack.rows(old) == [(False,)]
        ledger.checked(ago=60)  # what has been seen to be fresh is not older for it
        assert stack.rows(old) == [(False,)]


def test_a_count_is_as_old_as_the_log_was_when_it_was_read(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    moments = itertools.count(0, 70)  # seconds: planning a micro-batch takes as many, and so does counting it
    monkeypatch.setattr("app.speed.time", SimpleNamespace(perf_counter=lambda: next(moments)))
    stack.send(event("1"))
    stack.stream()
    status = f"FROM serving.status WHERE pipeline = '{stack.pipeline.name}'"
    old = f"SELECT now() - fresh_at BETWEEN interval '140 s' AND interval '170 s', now() - committed_at {status}"
    ((fresh_at, committed),) = stack.rows(old)
    assert fresh_at
    assert committed < timedelta(seconds=30)


def test_an_archive_that_holds_what_has_been_counted_is_not_waited_for(stack: Stack) -> None:
    stack.send(event("1"))
    with streaming(stack, archive_interval=3600) as (streams, _):
        streams.finish()
    assert len(stack.bronze()) == 1


def test_a_micro_batch_of_the_speed_layer_begins_with_an_interval(stack: Stack) -> None:
    with streaming(stack, speed_interval=5) as (_, counting):
        stack.send(event("1"))
        counting.processAllAvailable()
        (began,) = (progress["timestamp"] for progress in counting.recentProgress if progress["numInputRows"])
    assert round(datetime.fromisoformat(began).timestamp(), 1) % 5 == 0


def test_a_lone_event_is_counted_without_waiting_for_the_next(stack: Stack) -> None:
    with streaming(stack, speed_interval=0, archive_interval=3600) as (_, counting):
        for number in range(15):  # on a machine that has other work too, one of them is quick
            stack.send(event(f"{number}"), partition=0)
            counting.processAllAvailable()
        busy = [progress for progress in counting.recentProgress if progress["numInputRows"]]
    # Which is what a broker lets a consumer wait where it is not told otherwise.
    assert min(progress["durationMs"]["addBatch"] for progress in busy) < 500


def test_an_archive_that_is_behind_is_waited_for(stack: Stack) -> None:
    stack.send(event("1"))
    with streaming(stack, archive_interval=8) as (streams, counting):
        stack.send(event("2"), event("3"))
        counting.processAllAvailable()
        streams.finish()
    assert len(stack.bronze()) == sum(stack.offsets().values()) == 3


def test_an_archive_that_does_not_reach_what_has_been_counted_is_an_error_that_names_both(stack: Stack) -> None:
    stack.send(event("1"), partition=1)
    with streaming(stack, archive_interval=3600, archive_wait=1) as (streams, counting):
        stack.send(event("2"), partition=1)
        counting.processAllAvailable()
        with pytest.raises(StreamFailed, match=r"archive test\w+ is at .*1: 1.*, expected .*1: 2.*, 1 s after"):
            streams.finish()
