"""The lake: each message once in the master dataset, each accepted event once in the derived tables."""

import json
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from delta.tables import DeltaTable
from pyspark.sql import functions as F

from app import archive, batch
from app.commits import newest_commits
from app.lake import DROPPED, Lake
from app.model import LakeTable
from app.postgres import Role
from app.tidy import tidy
from tests.integration.conftest import NewStack, Stack, event

JOBS, WITH_DUPLICATES = 9, 13  # of Spark, in a batch of new ids, and in one with duplicates of what was counted
PROJECTIONS = "spark.sql.codegen.factoryMode"
OF_A_CUT = 4  # classes that have it in their text: they find its files, and read them


class Killed(Exception):
    """Stands for the end of the process."""


def test_jobs_that_make_a_lake_at_the_same_moment_all_have_it(stack: Stack, tmp_path: Path) -> None:
    at_once = 4
    together = threading.Barrier(at_once)

    def make(_: int) -> int:
        together.wait()
        return Lake(stack.spark, f"file://{tmp_path}", stack.pipeline).bronze().count()

    with ThreadPoolExecutor(at_once) as pool:
        assert list(pool.map(make, range(at_once))) == [0] * at_once


def test_how_far_the_master_dataset_goes_is_noted_on_it_and_read_only_where_another_hand_has_written(
    new_stack: NewStack,
) -> None:
    stack = new_stack(drops=True)
    jobs = stack.spark.sparkContext._jsc.sc().dagScheduler().numTotalJobs

    def held() -> tuple[dict[int, int], bool]:
        """Next offsets, and whether Spark was asked."""
        before = jobs()
        return {partition: end for partition, end in stack.lake.held().items() if end}, jobs() > before

    assert held() == ({}, False)
    stack.send(event("1"), event("2"), partition=1)
    stack.archive()
    assert held() == ({1: 2}, False)
    (stack.drops / "a.json").write_text(f"{json.dumps(event('d'))}\n" * 3)
    stack.take_drops()
    assert held() == ({1: 2, DROPPED: 3}, False)
    tidy(stack.lake, "bronze")
    assert held() == ({1: 2, DROPPED: 3}, False)
    stack.append(stack.lake.bronze().filter(f"partition = {DROPPED}").withColumn("offset", F.expr("offset + 3")))
    assert held() == ({1: 2, DROPPED: 6}, True)
    stack.send(event("3"), partition=1)
    stack.archive()
    assert held() == ({1: 3, DROPPED: 6}, False)


def test_one_process_at_a_time_adds_to_the_master_dataset(stack: Stack) -> None:
    stack.send(event("1"))
    stack.archive()
    with ThreadPoolExecutor(1) as pool, stack.working(Role.SPEED) as other:
        with other.alone("append"):
            adding = pool.submit(stack.append, stack.lake.bronze(), {})
            with pytest.raises(TimeoutError):
                adding.result(1)
        adding.result(60)
    assert len(stack.bronze()) == 2


def test_small_files_are_put_together_and_the_old_ones_go(new_stack: NewStack, monkeypatch: pytest.MonkeyPatch) -> None:
    stack, tables = new_stack(dedup=None), ("bronze", "silver")

    def numbers() -> list[int]:
        details = (DeltaTable.forPath(stack.spark, stack.lake.path(table)).detail() for table in tables)
        return [row["numFiles"] for detail in details for row in detail.select("numFiles").collect()]

    stack.send(event("1"))
    stack.count_everything()
    for table in tables:
        until = "SET TBLPROPERTIES (delta.deletedFileRetentionDuration = 'interval 0 seconds')"
        stack.spark.sql(f"ALTER TABLE delta.`{stack.lake.path(table)}` {until}")
    monkeypatch.setattr(archive, "TIDY_APPENDS", 1)
    monkeypatch.setattr(batch, "TIDY_VERSIONS", 2)
    stack.send(event("2"))
    stack.count_everything()
    assert numbers() == [1, 1]
    for table in tables:
        assert len(list(Path(urlsplit(stack.lake.path(table)).path).glob("*.parquet"))) == 1
    assert stack.verify().exact


def test_the_master_dataset_holds_every_message_as_it_came(stack: Stack) -> None:
    stack.send(event("1"), b"\xff\x00broken", None, partition=1)
    stack.archive()
    stack.send(event("1"), partition=1)
    stack.archive()
    good = json.dumps(event("1")).encode()
    assert stack.bronze() == [(1, 0, good), (1, 1, b"\xff\x00broken"), (1, 2, None), (1, 3, good)]
    rows = stack.lake.bronze().orderBy("offset").collect()
    assert [row["topic"] for row in rows] == [stack.pipeline.topic.name] * 4
    assert [row["key"] for row in rows] == [b"ada", b"none", b"none", b"ada"]
    assert [row["source"] for row in rows] == [None] * 4


def test_derived_tables_hold_each_event_once_over_incremental_and_interrupted_batches(stack: Stack) -> None:
    stack.send(event("1", amount="1.10"), event("1"), b"broken 1", partition=0)
    stack.count_everything()
    stack.send(event("2", amount="2.20"), b"broken 2", partition=0)
    stack.stream()
    stack.archive()
    with pytest.raises(Killed):
        stack.batch(before_publish=_kill)
    assert stack.totals() == {"ada": (2, Decimal("3.30"))}
    stack.send(event("3", amount="3.30"), event("2"), b"broken 3", partition=0)
    version = stack.count_everything()
    counted = (version.version, version.mode, version.accepted, version.duplicates, version.quarantined)
    assert counted == (2, "incremental", 3, 2, 3)
    assert stack.table("silver", "event_id", "amount", "_offset") == [
        ("1", Decimal("1.10"), 0),
        ("2", Decimal("2.20"), 3),
        ("3", Decimal("3.30"), 5),
    ]
    assert stack.table("quarantine", "_offset", "_value") == [(2, b"broken 1"), (4, b"broken 2"), (7, b"broken 3")]
    assert stack.table(f"ids/{stack.pipeline.fingerprint}", "_identity", "_offset") == [
        ("event:1", 0),
        ("event:2", 3),
        ("event:3", 5),
    ]


def test_an_incremental_batch_adds_to_a_table_and_looks_for_what_to_replace_only_where_there_may_be_some(
    stack: Stack,
) -> None:
    path = stack.lake.path("silver")

    def written(number: int, killed: bool = False) -> tuple[str, bool]:
        stack.send(event(str(number)))
        if killed:
            stack.stream()
            stack.archive()
            with pytest.raises(Killed):
                stack.batch(before_publish=_kill)
        else:
            assert stack.count_everything().mode == ("incremental" if number else "full")
        last = DeltaTable.forPath(stack.spark, path).history(1).collect()[0]["operationParameters"]
        return last["mode"], "predicate" in last

    assert [written(number) for number in range(3)] == [("Overwrite", False), ("Append", False), ("Append", False)]
    assert written(3, killed=True) == ("Append", False)
    assert written(4) == ("Overwrite", True)
    DeltaTable.forPath(stack.spark, path).delete("event_id = '1'")
    assert written(5) == ("Overwrite", True)
    assert stack.table("silver", "event_id") == [("0",), ("2",), ("3",), ("4",), ("5",)]


def test_an_incremental_batch_of_one_event_asks_little_of_spark(stack: Stack, tmp_path: Path) -> None:
    jobs = stack.spark.sparkContext._jsc.sc().dagScheduler().numTotalJobs
    stack.send(event("1"))
    stack.count_everything()

    def asked(*events: dict[str, str]) -> int:
        stack.send(*events)
        stack.stream()
        stack.archive()
        before = jobs()
        assert stack.batch().mode == "incremental"
        return int(jobs() - before)

    assert asked(event("2")) <= JOBS
    assert asked(event("1"), event("3")) <= WITH_DUPLICATES
    other = f"{tmp_path}/of[a]{{b}}*"
    shutil.copytree(urlsplit(stack.lake.path("silver")).path, other)
    for path in (stack.lake.path("silver"), stack.lake.path(stack.lake.ids_table), f"file:{other}"):
        told = DeltaTable.forPath(stack.spark, path).history(2).select("version", "userMetadata").collect()
        assert [(at.version, at.metadata) for at in newest_commits(stack.spark, path, 2)] == told
    assert list(newest_commits(stack.spark, stack.lake.path("none"), 2)) == []


def test_an_incremental_batch_compiles_anew_only_what_reads_above_the_last_cut(stack: Stack) -> None:
    java: Any = stack.spark.sparkContext._jvm
    compiled = java.org.apache.spark.metrics.source.CodegenMetrics.METRIC_COMPILATION_TIME()
    before = str(stack.spark.conf.get(PROJECTIONS))
    stack.spark.conf.set(PROJECTIONS, "CODEGEN_ONLY")  # as in a job
    try:
        for number in range(3):
            stack.send(*(event(f"{number} {n}") for n in range(20)))
            stack.stream()
            stack.archive()
            known = compiled.getCount()
            stack.batch()
        assert 0 < compiled.getCount() - known <= OF_A_CUT
    finally:
        stack.spark.conf.set(PROJECTIONS, before)


def test_a_batch_of_a_topic_that_nothing_was_read_from_does_not_stop_the_next(stack: Stack) -> None:
    assert stack.batch().accepted == 0
    stack.send(event("1"))
    assert stack.count_everything().accepted == 1
    assert stack.totals() == {"ada": (1, Decimal("1.00"))}
    assert stack.table("silver", "event_id") == [("1",)]


def test_nothing_stays_cached_when_a_batch_or_a_verification_ends(stack: Stack) -> None:
    stack.send(event("1"), event("1"))
    stack.count_everything()
    assert stack.verify().exact
    session = stack.spark._jsparkSession
    assert session.sharedState().cacheManager().isEmpty()


def _kill() -> None:
    raise Killed


def test_a_filter_that_cannot_be_computed_leaves_an_event_out(new_stack: NewStack) -> None:
    stack = new_stack(lake=(LakeTable("above_one", where="1 / (amount - 1) > 0"),))
    stack.send(event("1", amount="1.00"), event("2", amount="1.01"))
    stack.count_everything()
    assert stack.table("above_one", "event_id") == [("2",)]
