"""The merged view equals a recount: late events, duplicates, cuts, and every measure."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import functions as F

from app import compute, firsts, history, lake, speed
from app.model import Dedup
from app.postgres import Role
from app.relations import relations
from app.speed import Speed
from app.verify_job import show
from tests.integration.conftest import NOW, NewStack, Stack, event, finish
from tests.integration.oracle import COLUMNS, VIEWS, Event, actual, expected


def test_speed_alone_counts_every_event_once(stack: Stack) -> None:
    stack.send(event("1", "ada", "1.10"), event("2", "ada", "2.20"), event("3", "bob", "5.00"))
    stack.stream()
    assert stack.totals() == {"ada": (2, Decimal("3.30")), "bob": (1, Decimal("5.00"))}


def test_batch_and_speed_add_up_across_a_cut(stack: Stack) -> None:
    stack.send(event("1", "ada", "1.10"))
    stack.stream()
    stack.archive()
    version = stack.batch()
    stack.send(event("2", "ada", "2.20"))
    stack.stream()
    stack.archive()
    assert (version.version, version.mode, version.accepted) == (1, "full", 1)
    assert stack.totals() == {"ada": (2, Decimal("3.30"))}
    verdict = stack.verify()
    assert verdict.exact
    assert verdict.views.rows == {"clients": 1, "quarantine": 0}


def test_an_incremental_batch_gives_what_a_full_one_gives(stack: Stack) -> None:
    for number in range(3):
        stack.send(event(f"{number}", "ada", f"{number}.50"), event(f"b{number}", "bob", "1.00"), b"broken")
        stack.stream()
        stack.archive()
        version = stack.batch()
    assert version.mode == "incremental"
    incremental = (stack.totals(), stack.quarantined())
    assert stack.batch(full=True).mode == "full"
    assert (stack.totals(), stack.quarantined()) == incremental
    assert incremental == ({"ada": (3, Decimal("4.50")), "bob": (3, Decimal("3.00"))}, {"not_json_objects": 3})
    assert stack.verify().exact


def test_an_event_that_is_days_late_counts_before_and_after_a_batch(stack: Stack) -> None:
    for number in range(3):
        stack.send(event(f"{number}"))
        stack.stream()
    stack.archive()
    stack.batch()
    stack.send(*(event(f"late{days}", time=_days_ago(days)) for days in (1, 30, 365)))
    stack.stream()
    stack.archive()
    assert stack.totals() == {"ada": (6, Decimal("6.00"))}
    stack.batch()
    assert stack.totals() == {"ada": (6, Decimal("6.00"))}


def test_a_duplicate_within_the_horizon_counts_once(stack: Stack) -> None:
    stack.send(event("1"), event("1"))
    stack.stream()
    stack.send(event("1"))
    stack.stream()
    assert stack.totals() == {"ada": (1, Decimal("1.00"))}


def test_a_memory_of_many_horizons_is_made_anew(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(firsts, "span", lambda _: timedelta(microseconds=1))  # a horizon that is over at once
    monkeypatch.setattr(firsts, "MEMORY_HORIZONS", 10**9)
    stack.send(event("1"))
    stack.count_everything()
    stack.send(event("1"))
    stack.stream()
    assert stack.totals() == {"ada": (1, Decimal("1.00"))}  # still remembered, long after the horizon
    monkeypatch.setattr(firsts, "MEMORY_HORIZONS", 0)
    stack.send(event("1"))
    stack.stream()
    assert stack.totals() == {"ada": (2, Decimal("2.00"))}


def test_a_memory_that_is_renewed_while_events_arrive_costs_none_of_them(stack: Stack) -> None:
    with stack.working(Role.SPEED) as ledger:
        layer = Speed(stack.spark, ledger, stack.settings)
        layer.start(accept_loss=False)
        for number in range(200):
            stack.send(event(f"{number}"), event(f"{number // 2}"))
            if number % 50 == 25:
                layer.renew()
        finish(layer.query)
    stack.archive()
    assert stack.totals() == {"ada": (200, Decimal("200.00"))}
    assert stack.verify().exact


def test_a_memory_is_renewed_after_the_commit_that_is_under_way(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on = threading.Event(), threading.Event()
    with stack.working(Role.SPEED) as ledger, ThreadPoolExecutor(1) as other:
        layer = Speed(stack.spark, ledger, stack.settings)
        commit = ledger.commit

        def slow(*given: Any, **named: Any) -> None:
            begun.set()
            assert go_on.wait(60)
            commit(*given, **named)

        monkeypatch.setattr(ledger, "commit", slow)
        layer.start(accept_loss=False)
        stack.send(event("1"))
        assert begun.wait(60)
        renewed = other.submit(layer.renew)
        with pytest.raises(TimeoutError):
            renewed.result(timeout=2)
        assert stack.totals() == {}
        go_on.set()
        renewed.result(timeout=60)
        assert stack.totals() == {"ada": (1, Decimal("1.00"))}
        finish(layer.query)


def test_a_micro_batch_is_one_spark_job_and_one_transaction(stack: Stack) -> None:
    jobs = stack.spark.sparkContext._jsc.sc().dagScheduler().numTotalJobs
    clients, quarantine = relations(stack.pipeline)
    written = ("tidemark.ledger", f"speed.{clients.name}", f"speed.{quarantine.name}")
    rows = " UNION ".join(f"SELECT xmin::text FROM {table}" for table in written).replace(
        "ledger", f"ledger WHERE pipeline = '{stack.pipeline.name}'"
    )
    transactions, counted = [], []
    with stack.working(Role.SPEED) as ledger:
        query = Speed(stack.spark, ledger, stack.settings).start(accept_loss=False)
        for number in range(4):
            # One message, so that it is one micro-batch, of two events: one for each view.
            stack.send([event(f"{number}"), {"event_id": "broken"}])
            query.processAllAvailable()
            counted.append((sum(progress["numInputRows"] > 0 for progress in query.recentProgress), jobs()))
            transactions.append(stack.owner(rows))
        finish(query)
    assert [(batches, count - counted[0][1]) for batches, count in counted] == [(n + 1, n) for n in range(4)]
    assert [len(found) for found in transactions] == [1] * 4
    assert len({found[0] for found in transactions}) == 4


@pytest.mark.parametrize(("few", "tasks"), [(speed.FEW, [3, 1]), (0, [3, 2, 2])])
def test_few_messages_are_counted_by_one_task_and_many_by_more(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, few: int, tasks: list[int]
) -> None:
    monkeypatch.setattr(speed, "FEW", few)
    context = stack.spark.sparkContext
    for times in (1, 2):
        for partition in range(3):
            stack.send(
                *(event(f"{number}", f"client {number % 7}") for number in range(10 * times)),
                *(event(f"{partition}-{number}", f"client {number % 7}") for number in range(10 * times)),
                partition=partition,
            )
        stack.stream()
        last = context.statusTracker().getJobInfo(context._jsc.sc().dagScheduler().numTotalJobs() - 1)
        assert last is not None
        stages = [context.statusTracker().getStageInfo(stage) for stage in sorted(last.stageIds)]
        assert [stage.numTasks for stage in stages if stage] == tasks
    stack.archive()
    assert sum(count for count, _ in stack.totals().values()) == 20 + 3 * 20
    assert stack.verify().exact


def test_a_duplicate_across_a_cut_counts_once(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    stack.send(event("1"))
    stack.stream()
    stack.archive()
    stack.batch()
    stack.send(event("1"))
    stack.stream()
    stack.archive()
    assert stack.totals() == {"ada": (1, Decimal("1.00"))}
    assert stack.verify().exact
    stack.batch()
    assert stack.totals() == {"ada": (1, Decimal("1.00"))}
    monkeypatch.setattr(compute, "FEW", 0)
    stack.send(event("1"), event("2"))
    assert stack.count_everything().mode == "incremental"
    assert stack.totals() == {"ada": (2, Decimal("2.00"))}


def test_ids_that_have_the_same_hash_are_not_duplicates(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (compute, lake):
        monkeypatch.setattr(module, "identity_hash", lambda _: F.lit(7).cast("bigint"))
    stack.send(event("1"), event("2", "bob"))
    stack.count_everything()
    assert stack.table(stack.lake.ids_table, "_hash") == [(7,), (7,)]
    stack.send(event("3"), event("2", "bob"))
    version = stack.count_everything()
    assert (version.mode, version.accepted, version.duplicates) == ("incremental", 3, 1)
    assert stack.totals() == {"ada": (2, Decimal("2.00")), "bob": (1, Decimal("1.00"))}
    assert stack.verify().exact


def test_of_duplicates_in_two_partitions_of_one_micro_batch_the_first_to_arrive_counts(stack: Stack) -> None:
    # Each pair is many round trips apart: the broker's clock, which says who came first, counts milliseconds.
    for number in range(20):
        stack.send(event(f"{number}", amount="1.00"), partition=2)
    for number in range(20):
        stack.send(event(f"{number}", amount="5.00"), partition=number % 2)
    stack.stream()
    stack.archive()
    assert stack.totals() == {"ada": (20, Decimal("20.00"))}
    assert stack.verify().exact


def test_a_duplicate_of_history_is_corrected_by_the_next_incremental_batch(
    new_stack: NewStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "history.json").write_text("".join(f"{json.dumps(event(id_))}\n" for id_ in ("1", "2", "2")))
    monkeypatch.setattr(history, "HOME", tmp_path)
    stack = new_stack(history=("history.json",))
    first = stack.batch()
    assert (first.accepted, first.duplicates) == (2, 1)
    stack.send(event("1"), event("3"))
    stack.stream()
    stack.archive()
    assert stack.totals() == {"ada": (4, Decimal("4.00"))}  # the speed layer never saw the history
    verdict = stack.verify()
    assert (verdict.exact, verdict.forgotten) == (False, 1)
    second = stack.batch()
    assert (second.mode, second.accepted, second.duplicates) == ("incremental", 3, 2)
    assert stack.totals() == {"ada": (3, Decimal("3.00"))}
    assert stack.verify().exact


def test_a_duplicate_beyond_the_horizon_is_corrected_by_the_next_incremental_batch(
    new_stack: NewStack, capsys: pytest.CaptureFixture[str]
) -> None:
    stack = new_stack(dedup=Dedup("event_id", horizon="1 second"))
    sent = _with_a_forgotten_duplicate(stack)
    assert stack.totals() == {"ada": (sent + 1, Decimal(sent + 1))}
    verdict = stack.verify()
    assert not verdict.exact
    assert 1 <= verdict.forgotten <= sent - 1
    show(verdict)
    assert f", {verdict.forgotten} in all; the next batch corrects them\n" in capsys.readouterr().err
    version = stack.batch()
    assert (version.mode, version.accepted, version.duplicates) == ("incremental", sent, sent - 1)
    assert stack.totals() == {"ada": (sent, Decimal(sent))}
    verdict = stack.verify()
    assert (verdict.exact, verdict.forgotten) == (True, 0)


def test_duplicates_beyond_the_horizon_do_not_explain_what_else_differs(
    new_stack: NewStack, capsys: pytest.CaptureFixture[str]
) -> None:
    stack = new_stack(dedup=Dedup("event_id", horizon="1 second"))
    _with_a_forgotten_duplicate(stack)
    stack.send(event("b", "bob"))
    stack.stream()
    stack.archive()
    assert stack.verify().forgotten
    whole, clients = stack.backup(), relations(stack.pipeline)[0].name
    for damage in (
        f"UPDATE speed.{clients} SET count = count + 1 WHERE client = 'bob'",  # who has no duplicates
        f"DELETE FROM speed.{clients} WHERE client = 'bob'",
        f"UPDATE batch.{clients} SET count = count + 1 WHERE client = 'ada'",  # what the next batch adds to
    ):
        stack.owner(damage)
        verdict = stack.verify()
        assert (verdict.exact, verdict.forgotten) == (False, 0), damage
        show(verdict)
        stack.restore(whole)
    assert "next batch" not in capsys.readouterr().err


def test_every_measure_and_window_is_exact_across_two_cuts(new_stack: NewStack) -> None:
    stack = new_stack(columns=COLUMNS, views=VIEWS)
    events = [*map(_some_event, range(60))]
    for lot, upto in enumerate((20, 40, 60)):
        for sent in events[upto - 20 : upto]:
            stack.send(sent.message(), partition=sent.at[0])
        stack.stream()
        assert actual(stack.rows, stack.pipeline) == expected(events[:upto])
        stack.archive()
        if lot < 2:
            stack.batch()
            assert actual(stack.rows, stack.pipeline) == expected(events[:upto])
    verdict = stack.verify()
    assert verdict.exact
    assert verdict.views.rows == {"clients": 4, "everything": 1, "minutes": 48, "sliding": 9, "quarantine": 0}


def _with_a_forgotten_duplicate(stack: Stack) -> int:
    """Publishes a version, then sends its event again to a speed layer that has forgotten it; returns how many ids."""
    stack.send(event("0"))
    stack.count_everything()
    stack.send(event("0"), event("1"))
    stack.speed().checkpoint.delete()  # what is read back for a new one is a horizon, and the version took longer
    stack.stream()
    stack.archive()
    return 2


def _days_ago(days: int) -> str:
    return (datetime.fromisoformat(NOW) - timedelta(days=days)).isoformat()


def _some_event(number: int) -> Event:
    """Events with equal amounts and moments, some without a score, out of order in time, in three partitions."""
    values: dict[str, Any] = {
        "client": f"client-{number % 4}",
        "amount": Decimal(number * 37 % 11 + 1) + Decimal("0.10"),
        "score": None if number % 5 == 0 else Decimal(number * 13 % 17) / 8 - 1,
        "time": datetime.fromisoformat("2026-01-01T12:00:00Z") + timedelta(seconds=number * 41 % 48 * 47),
    }
    return Event(id=f"{number:02}", at=(number % 4 % 3, _offset(number), 0), **values)


def _offset(number: int) -> int:
    """How many of the events before go to the same partition."""
    return sum(other % 4 % 3 == number % 4 % 3 for other in range(number))
