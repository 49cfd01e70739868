"""An alert switches once where it must, whatever happens between two readings: each test is one long story."""

import json
import shutil
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from app import history
from app.alerts import CHUNK
from app.model import Dedup
from app.postgres import Role
from app.relations import relations
from app.transform import aggregate
from app.versions import Version, Versions
from tests.hysteresis import LEVEL, ON_THE_LIMITS, changes
from tests.integration.boundary import NewBoundary
from tests.integration.conftest import NewStack, Stack, event

EVENTS = (
    "_partition int, _offset bigint, _index int, _reason string, client string, amount decimal(12,2), event_id string"
)
SHOWN = "client, _partition, _offset, _index, alert, amount, event_id"
# Each example is several Spark jobs; to shrink one would take minutes.
LAW = settings(
    max_examples=6,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
Sent = tuple[str, int, int]  # client, partition, amount


def switched(sent: list[Sent], first: int = 0) -> list[tuple[Any, ...]]:
    """The rows that readers must see, sorted, of readings whose partitions begin with an offset; an id is a number."""
    sequences: dict[tuple[str, int], list[tuple[tuple[int, int], int]]] = {}
    offsets: dict[int, int] = {}
    for client, partition, amount in sent:
        offset = offsets.setdefault(partition, first)
        sequences.setdefault((client, partition), []).append(((offset, 0), amount))
        offsets[partition] += 1
    return [
        (client, partition, *place, on, Decimal(amount), f"{partition}-{place[0]}")
        for (client, partition), readings in sorted(sequences.items())
        for on, place, amount in changes(readings)
    ]


@LAW
@given(
    amounts=st.lists(st.sampled_from([*ON_THE_LIMITS, 1201, 1201]), min_size=20, max_size=40),
    cuts=st.lists(st.integers(0, 40), min_size=3, max_size=3).map(sorted),
)
def test_increments_of_any_micro_batches_and_versions_show_what_an_automaton_gives(
    spark: SparkSession, new_boundary: NewBoundary, amounts: list[int], cuts: list[int]
) -> None:
    sent = [("ada" if n % 4 else "bob", n % 2, amount) for n, amount in enumerate(amounts)]
    first = CHUNK - 6  # so that a micro-batch may hold more than one increment of a client
    boundary = new_boundary(views=(LEVEL,))
    rows = [
        (p, first + n // 2, 0, None, c, Decimal(amount), f"{p}-{first + n // 2}")
        for n, (c, p, amount) in enumerate(sent)
    ]
    parts = [rows[start:end] for start, end in zip([0, *cuts], [*cuts, 40], strict=True)]
    increments = [aggregate(spark.createDataFrame(part, EVENTS), boundary.pipeline).toArrow() for part in parts]
    segments = []
    for number, increment in enumerate(increments):
        boundary.speed.commit({} if number == 0 else {0: number}, {0: number + 1}, increment)
        if number in (0, 2):
            segments.append(boundary.batch.cut())
    expected = switched(sent, first)

    def shows() -> list[tuple[Any, ...]]:
        return boundary.query(f"SELECT {SHOWN} FROM serving.{boundary.pipeline.name}_level ORDER BY 1, 2, 3")

    assert shows() == expected
    # Postgres may give the rows of segments in any order: those of the first now come last.
    (table, *_) = relations(boundary.pipeline)
    boundary.owned(f"UPDATE speed.{table.name} SET segment = segment WHERE segment = 1 RETURNING segment")
    assert shows() == expected
    below = aggregate(spark.createDataFrame(parts[0], EVENTS), boundary.pipeline).toArrow()
    boundary.versions.publish(_version(1, segments[0]), None, below)
    assert shows() == expected
    above = aggregate(spark.createDataFrame(parts[1] + parts[2], EVENTS), boundary.pipeline).toArrow()
    boundary.versions.publish(_version(2, segments[1]), 1, above)
    assert shows() == expected
    boundary.versions.rollback()
    assert shows() == expected


def _version(number: int, cut: Any) -> Version:
    return Version(number, cut.segment, cut.offsets, "full", 0, 0, 0, 0.0)


class Readings:
    """Readings sent to a stack one after another, and what readers must see of them."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.sent: list[Sent] = []

    def send(self, partition: int, *amounts: int, client: str = "ada") -> None:
        for amount in amounts:
            number = sum(sent[1] == partition for sent in self.sent)
            self.stack.send(event(f"{partition}-{number}", client, str(amount)), partition=partition)
            self.sent.append((client, partition, amount))

    def stream(self) -> None:
        """Both layers read to the end, and readers see what they must."""
        self.stack.stream()
        self.stack.archive()
        self.check()

    def check(self) -> None:
        shown = self.stack.rows(f"SELECT {SHOWN} FROM serving.{self.stack.pipeline.name}_level ORDER BY 1, 2, 3")
        assert shown == switched(self.sent)


def test_it_switches_across_micro_batches_cuts_lost_checkpoints_rollbacks_and_definitions(new_stack: NewStack) -> None:
    stack = new_stack(views=(LEVEL,))
    readings = Readings(stack)
    readings.send(0, 1201, 1300)
    readings.send(1, 1201, 1201, 1200, 1201)
    readings.stream()
    readings.stack.batch()
    readings.check()
    readings.send(0, 1250)  # on: the run began below the cut
    readings.send(1, 1201, client="bob")
    readings.send(1, 1201, 1201)  # on: the run began below the cut, and bob's reading does not end it
    readings.stream()
    assert len(switched(readings.sent)) == 2
    readings.send(0, 1000, 999, 1201)  # off
    readings.stream()
    stack.batch()
    readings.check()
    shutil.rmtree(stack.checkpoint())
    readings.send(0, 1201)
    readings.stream()
    readings.send(0, 1201)  # on: a run over a cut, a lost checkpoint and three micro-batches
    readings.stream()
    assert stack.verify().exact
    with stack.working(Role.BATCH) as ledger:
        Versions(ledger).rollback()
    readings.check()
    readings.send(0, 5)
    readings.stream()
    stack.batch(full=True)
    readings.check()
    readings.stack = stack.define(checks=())
    readings.stack.batch(full=True)
    readings.check()
    readings.send(0, 1201, 1201, 1201)
    readings.stream()
    verdict = readings.stack.verify()
    assert (verdict.exact, verdict.views.rows["level"]) == (True, 6)


def test_a_duplicate_is_no_reading(new_stack: NewStack) -> None:
    stack = new_stack(views=(LEVEL,))
    stack.send(event("1", amount="1201"), event("2", amount="1201"), event("2", amount="1201"))
    stack.stream()
    stack.send(event("1", amount="1201"))
    stack.count_everything()
    assert stack.rows(f"SELECT {SHOWN} FROM serving.{stack.pipeline.name}_level") == []
    stack.send(event("2", amount="1201"), event("3", amount="1201"), event("3", amount="1201"))
    stack.stream()
    stack.archive()
    assert stack.rows(f"SELECT _offset, alert, event_id FROM serving.{stack.pipeline.name}_level") == [(5, True, "3")]
    assert stack.verify().exact


def test_a_row_that_is_not_as_the_recount_is_found(new_stack: NewStack) -> None:
    stack = new_stack(views=(LEVEL,))
    readings = Readings(stack)
    readings.send(0, 1201, 1201, 1201, 5, 1201, 1201, 1201)
    readings.stream()
    whole, (table, *_) = stack.backup(), (relation.name for relation in relations(stack.pipeline))
    (state,) = LEVEL.states
    for damage, differing in (
        (f"""UPDATE speed.{table} SET "{state.name}" = "{state.name}" #- '{{marks,1}}'""", 1),
        (f"DELETE FROM speed.{table}", 3),
    ):
        stack.owner(damage)
        verdict = stack.verify()
        assert (verdict.exact, verdict.views.differing) == (False, {"level": differing}), damage
        stack.restore(whole)
    assert stack.verify().exact


def test_a_reading_that_repeats_one_of_history_is_corrected_by_the_next_batch(
    new_stack: NewStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "history.json").write_text(f"{json.dumps(event('0-0', amount='5'))}\n")
    monkeypatch.setattr(history, "HOME", tmp_path)
    stack = new_stack(history=("history.json",), views=(LEVEL,), dedup=Dedup("event_id", "1 hour"))
    stack.batch()
    readings = Readings(stack)
    # The first repeats that of the file, so the alert goes on with the fourth reading, not with the third.
    readings.send(0, 1201, 1201, 1201, 1201)
    readings.stream()
    verdict = stack.verify()
    assert (verdict.exact, verdict.views.differing, verdict.forgotten) == (False, {"level": 2}, 1)
    stack.batch()
    shown = stack.rows(f"SELECT _offset, alert FROM serving.{stack.pipeline.name}_level")
    assert shown == [(3, True)]
    assert stack.verify().exact
