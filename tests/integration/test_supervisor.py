"""A pipeline of a streaming job that fails: it alone stops, and is tried again or waits for an operator."""

import re
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

import psycopg2
import pytest
from kafka import TopicPartition
from kafka.admin import KafkaAdminClient

from app import supervisor
from app.archive import Archive
from app.failures import Failures
from app.job import NothingRuns
from app.ledger import Ledger
from app.postgres import Role, connect
from app.speed import Speed
from tests.integration.conftest import NewStack, Stack, event
from tests.integration.supervised import failure, supervised, until

pytestmark = pytest.mark.timeout(300)
CONNECTIONS = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'tidemark_speed' AND pid <> pg_backend_pid()"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "INTERVAL", 0.1)
    monkeypatch.setattr(supervisor, "CAUSE_SECONDS", 1.0)


@pytest.fixture
def admin(kafka_bootstrap: str) -> Iterator[KafkaAdminClient]:
    client = KafkaAdminClient(bootstrap_servers=kafka_bootstrap)
    yield client
    client.close()


def threads(stack: Stack) -> Counter[str]:
    """How many threads there are, by their names without numbers, but for a pool of Spark's that is bounded."""
    jvm: Any = stack.spark._jvm
    java = [thread.getName() for thread in jvm.java.lang.Thread.getAllStackTraces().keySet()]
    return Counter(
        re.sub(r"[0-9a-f]{8}-[0-9a-f-]+|\d+", "#", name) for name in [*java, *map(str, threading.enumerate())]
    )


def counts(stack: Stack) -> int:
    return sum(stack.offsets().values())


def test_a_hundred_restarts_of_one_pipeline_leave_nothing_behind_and_the_other_counts_on(
    new_stack: NewStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = new_stack(), new_stack()
    starts, speed, archive = [], Speed.start, Archive.start

    def no_archive(self: Archive, accept_loss: bool) -> Any:
        if self.ledger.pipeline.name == bad.pipeline.name:
            starts.append(accept_loss)
            if len(starts) % 10:  # every tenth time the archive runs
                self.ledger.claim("archive")
                raise ValueError("always")
        return archive(self, accept_loss)

    def no_speed(self: Speed, accept_loss: bool) -> Any:
        if self.pipeline.name == bad.pipeline.name:
            self.ledger.claim("speed")
            raise ValueError("always")
        return speed(self, accept_loss)

    monkeypatch.setattr(Archive, "start", no_archive)
    monkeypatch.setattr(Speed, "start", no_speed)
    good.send(event("0"))
    with supervised(good) as errors:
        until(lambda: counts(good) == 1)
        ((alone,),) = good.owner(CONNECTIONS)
        before = threads(good)
    with supervised(bad, good, pause=0.0) as errors:
        for number in range(1, 11):
            good.send(event(f"{number}"))
            until(lambda: counts(good) == number + 1 and len(starts) > number * 10)  # noqa: B023
        until(lambda: good.owner(CONNECTIONS)[0][0] <= alone + 4)  # with those that a start and a note of it take
        ((times, reason, *_),) = failure(bad)
        assert (times >= 100, reason) == (True, "always")
        assert failure(good) == []
    assert errors == []  # as one of them ran
    until(lambda: good.owner(CONNECTIONS) == [(0,)])
    assert good.spark.streams.active == []
    until(lambda: (threads(good) - before).total() <= 20)


def test_a_query_that_fails_is_started_again_and_what_it_failed_at_is_counted_once(
    new_stack: NewStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = new_stack(), new_stack()
    commit, broken = Ledger.commit, [True]

    def fails(self: Ledger, *given: Any, **named: Any) -> None:
        if broken[0] and self.pipeline.name == bad.pipeline.name:
            raise psycopg2.DataError("no store takes\na zero byte")
        commit(self, *given, **named)

    monkeypatch.setattr(Ledger, "commit", fails)
    for stack in (bad, good):
        stack.send(event("1"))
    with supervised(bad, good, pause=1.0) as errors:
        until(lambda: counts(good) == 1 and bool(failure(bad)) and failure(bad)[0][0] >= 2)
        ((_, reason, help_, decision, retried),) = failure(bad)
        assert reason == f"speed {bad.pipeline.name} stopped: psycopg2.DataError: no store takes"
        assert (help_, decision, retried) == ("./scripts/logs streaming", None, True)
        good.send(event("2"))
        until(lambda: counts(good) == 2)
        assert failure(good) == []
        broken[0] = False
        until(lambda: counts(bad) == 1 and failure(bad) == [])
    assert errors == []
    for stack, events in ((bad, 1), (good, 2)):
        assert stack.totals()["ada"][0] == events
        assert len(stack.bronze()) == events


def test_a_pipeline_that_hangs_when_it_starts_keeps_no_other_from_starting(
    new_stack: NewStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = new_stack(), new_stack()
    start, released = Archive.start, threading.Event()

    def hangs(self: Archive, accept_loss: bool) -> Any:
        if self.ledger.pipeline.name == bad.pipeline.name:
            assert released.wait(120)
        return start(self, accept_loss)

    monkeypatch.setattr(Archive, "start", hangs)
    for stack in (bad, good):
        stack.send(event("1"))
    with supervised(bad, good) as errors:
        until(lambda: counts(good) == 1)
        assert counts(bad) == 0
        released.set()
        until(lambda: counts(bad) == 1)
    assert errors == []


def test_a_query_that_does_not_stop_keeps_its_claims_until_it_does_and_the_other_counts_on(
    new_stack: NewStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = new_stack(), new_stack()
    commit, write, released = Ledger.commit, Archive.write, threading.Event()

    def hangs(self: Ledger, *given: Any, **named: Any) -> None:
        if self.pipeline.name == bad.pipeline.name:
            assert released.wait(120)
        commit(self, *given, **named)

    def fails(self: Archive, *given: Any) -> None:
        if self.ledger.pipeline.name == bad.pipeline.name and not released.is_set():
            raise OSError("no space left")
        write(self, *given)

    monkeypatch.setattr(Ledger, "commit", hangs)
    monkeypatch.setattr(Archive, "write", fails)
    bad.spark.conf.set("spark.sql.streaming.stopTimeout", "5s")
    try:
        for stack in (bad, good):
            stack.send(event("1"))
        with supervised(bad, good) as errors:
            until(lambda: bool(failure(bad)))
            assert failure(bad)[0][1] == f"archive {bad.pipeline.name} stopped: OSError: no space left"
            until(lambda: "runs on, though it was asked to stop" in failure(bad)[0][1])
            good.send(event("2"))
            until(lambda: counts(good) == 2)
            released.set()
            until(lambda: counts(bad) == 1 and failure(bad) == [])
        assert errors == []
    finally:
        bad.spark.conf.set("spark.sql.streaming.stopTimeout", "60s")
    assert (bad.totals()["ada"][0], len(bad.bronze())) == (1, 1)


def test_a_gap_waits_for_an_operator_and_goes_on_by_itself_once(new_stack: NewStack, admin: KafkaAdminClient) -> None:
    stack, other = new_stack(), new_stack()
    name = stack.pipeline.name
    stack.send(event("1"), event("2"), partition=0)
    stack.count_everything()
    stack.send(event("3"), event("4"), event("5"), partition=0)
    admin.delete_records({TopicPartition(name, 0): 4})
    of_before = Failures(stack.settings, Role.BATCH, "batch")
    of_before.accept(name, "gap", "bob", {})  # before there was a gap: it is no leave for this one
    with supervised(stack, other) as errors:
        until(lambda: bool(failure(stack)))
        other.send(event("1"))
        until(lambda: counts(other) == 1)
        ((times, reason, help_, decision, retried),) = failure(stack)
        assert (times, help_, decision, retried) == (1, f"./scripts/accept {name} gap", "gap", None)
        assert f"topic {name} partition 0: expected offset 2, Kafka starts at 4" in reason
        assert counts(stack) == 2
        of_before.accept(name, "gap", "ada", {"reason": reason})
        until(lambda: counts(stack) == 5 and failure(stack) == [])
    assert errors == []
    taken = "SELECT accepted_by, taken_at IS NOT NULL FROM tidemark.acceptance WHERE pipeline = %s ORDER BY id"
    assert stack.owner(taken, name) == [("bob", False), ("ada", True)]
    assert stack.totals()["ada"][0] == 3
    assert stack.verify().exact
    stack.send(event("6"), event("7"), partition=0)
    admin.delete_records({TopicPartition(name, 0): 6})
    with supervised(stack) as errors:
        until(lambda: bool(failure(stack)))
        assert counts(stack) == 5
    assert [type(error) for error in errors] == [NothingRuns]


def test_a_cause_that_goes_by_itself_needs_no_operator(stack: Stack) -> None:
    stack.send(event("1"), partition=1)
    stack.stream()
    ahead = "UPDATE tidemark.ledger SET offsets = offsets || %s WHERE pipeline = %s"
    stack.owner(ahead, '{"1": 2}', stack.pipeline.name)
    with supervised(stack) as errors:
        until(lambda: bool(failure(stack)))
        assert failure(stack)[0][2:4] == (f"./scripts/accept {stack.pipeline.name} log", "log")
        stack.owner(ahead, '{"1": 1}', stack.pipeline.name)
        until(lambda: failure(stack) == [])
    assert errors == []


def test_a_definition_that_was_replaced_ends_the_job_when_no_other_pipeline_runs(stack: Stack) -> None:
    stack.send(event("1"))
    stack.count_everything()
    stack.define(checks=()).batch(full=True)
    with supervised(stack) as errors:
        until(lambda: bool(errors))
    assert "has been published in place of" in str(errors[0])
    assert failure(stack)[0][2:4] == ("start the job again", "restart")


def test_a_second_job_is_no_failure_and_takes_over_when_the_first_ends(stack: Stack) -> None:
    with supervised(stack) as errors:
        until(lambda: any(query.name == f"archive {stack.pipeline.name}" for query in stack.spark.streams.active))
        with supervised(stack) as second:
            stack.send(event("1"))
            until(lambda: counts(stack) == 1)
            assert failure(stack) == []
    assert errors + second == []


def test_what_postgres_does_not_take_is_written_when_it_answers_again(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    away, refused = [True], []

    def refuses(*given: Any) -> Any:
        if away[0]:
            refused.append(given)
            raise psycopg2.OperationalError("the server is away")
        return connect(*given)

    monkeypatch.setattr("app.failures.connect", refuses)
    monkeypatch.setattr(Archive, "start", lambda *_: (_ for _ in ()).throw(OSError("no space left")))
    with supervised(stack) as errors:
        until(lambda: len(refused) > 4)
        away[0] = False
        until(lambda: bool(failure(stack)) and failure(stack)[0][1] == "no space left")
    assert [type(error) for error in errors] == [NothingRuns]
