"""The Parquet tables as Hive readers see them: every accepted event once, whatever fails, repeats or is compacted."""

import itertools
import json
import shutil
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch
from urllib.parse import urlsplit

import pytest
from pyhive.exc import OperationalError
from pyspark.errors import PySparkException, StreamingQueryException
from pyspark.sql import SparkSession
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from app.catalog import Catalog, CatalogError
from app.compaction import Compaction
from app.create_tables import LAKE, script
from app.folders import Folders, Standing
from app.hive import cursor
from app.model import LakeTable
from app.parquet import Parquet, ParquetTable
from app.postgres import Role
from app.settings import Settings
from app.streams import Streams
from app.verify import Verdict
from embedded.hive import HiveServer, Metastore
from tests.conftest import SQL_SECONDS
from tests.faults.definition import PARQUET
from tests.integration.conftest import NewStack, Stack, event
from tests.integration.reading import reading

FIRST, SECOND = "2026-01-01", "2026-01-02"


def on(date: str, *ids: str, amount: str = "1.00") -> list[dict[str, str]]:
    """Events of a date."""
    return [event(id_, amount=amount, time=f"{date}T12:00:00Z") for id_ in ids]


@pytest.fixture
def asked(hive_server: HiveServer, database: Settings) -> Iterator[Any]:  # noqa: ARG001
    """A cursor of HiveServer2."""
    with cursor(database, SQL_SECONDS) as made:
        yield made


@pytest.fixture
def stack(new_stack: NewStack) -> Stack:
    return new_stack(lake=PARQUET)


def rows(asked: Any, stack: Stack, table: str = "all") -> list[tuple[str, str]]:
    """Date and id of each row that a reader of Hive gets, sorted."""
    asked.execute(f"SELECT cast(`date` AS string), event_id FROM {stack.pipeline.name}.`{table}`")
    return sorted(asked.fetchall())


def dated(date: str, *ids: str) -> list[tuple[str, str]]:
    return [(date, id_) for id_ in ids]


def root(stack: Stack, table: str = "all") -> Path:
    return Path(urlsplit(stack.lake.path(table)).path)


def files(asked: Any, stack: Stack, table: str = "all") -> int:
    """How many files a reader reads."""
    asked.execute(f"SELECT DISTINCT input_file_name() FROM {stack.pipeline.name}.`{table}`")
    return len(asked.fetchall())


class Fault(NamedTuple):
    """The n-th call of a function fails: before it has done anything, or after it has done all."""

    owner: Any
    name: str
    call: int
    before: bool

    @contextmanager
    def happening(self) -> Iterator[None]:
        original, calls = getattr(self.owner, self.name), itertools.count(1)

        def fails(*arguments: Any, **named: Any) -> Any:
            now = next(calls) == self.call
            if now and self.before:
                raise Failed(self.name)
            result = original(*arguments, **named)
            if now:
                raise Failed(self.name)
            return result

        with patch.object(self.owner, self.name, fails):
            yield


class Failed(Exception):
    """What a fault raises."""


def test_each_event_is_there_once_by_its_date_and_only_what_meets_the_filter(asked: Any, stack: Stack) -> None:
    stack.send(*on(FIRST, "1", "2", "1"), b"broken", *on(SECOND, "3", amount="10.00"))
    stack.write_parquet()
    assert rows(asked, stack) == dated(FIRST, "1", "2") + dated(SECOND, "3")
    assert rows(asked, stack, "large") == dated(SECOND, "3")
    asked.execute(f"SHOW PARTITIONS {stack.pipeline.name}.`all`")
    assert sorted(asked.fetchall()) == [(f"date={FIRST}",), (f"date={SECOND}",)]
    asked.execute(f"SELECT * FROM {stack.pipeline.name}.large")
    names = [column.removeprefix("large.") for column, *_ in asked.description]
    assert names == ["_partition", "_offset", "_index", "arrival", "event_id", "amount", "date"]
    stack.send(*on(SECOND, "3", "4", "5", amount="12.00"), *on("2026-01-03", "6"))
    stack.write_parquet()
    assert rows(asked, stack) == dated(FIRST, "1", "2") + dated(SECOND, "3", "4", "5") + dated("2026-01-03", "6")
    assert rows(asked, stack, "large") == dated(SECOND, "3", "4", "5")


def test_dates_of_any_year_that_an_event_may_have_are_written(asked: Any, new_stack: NewStack) -> None:
    stack = new_stack(lake=PARQUET, checks=())
    dates = ["0001-01-01", "1582-10-10", "1883-11-17", "9999-12-31"]
    for number, date in enumerate(dates):
        stack.send(*on(date, f"{number}"))
    stack.count_everything()
    stack.write_parquet()
    stack.batch(full=True)
    assert rows(asked, stack) == [(date, f"{number}") for number, date in enumerate(dates)]
    asked.execute(f"SELECT cast(event_time AS string) FROM {stack.pipeline.name}.`all` ORDER BY event_id")
    assert [time for (time,) in asked.fetchall()] == [f"{date} 12:00:00" for date in dates]


def test_a_lost_checkpoint_repeats_nothing(asked: Any, stack: Stack) -> None:
    stack.send(*on(FIRST, "1", "2"))
    stack.write_parquet().checkpoint.delete()
    stack.send(*on(FIRST, "2", "3"))
    stack.write_parquet()
    assert rows(asked, stack) == dated(FIRST, "1", "2", "3")


@pytest.mark.parametrize(
    ("fault", "seen"),
    [
        (Fault(ParquetTable, "stage", 1, before=False), 0),
        (Fault(ParquetTable, "stage", 2, before=False), 0),
        (Fault(Folders, "commit", 2, before=True), 0),
        (Fault(Folders, "commit", 2, before=False), 0),
        (Fault(ParquetTable, "place", 1, before=True), 0),
        (Fault(ParquetTable, "place", 1, before=False), 1),
        (Fault(ParquetTable, "place", 2, before=False), 2),
        (Fault(Parquet, "tell", 2, before=True), 2),
        (Fault(Parquet, "tell", 2, before=False), 2),
    ],
)
def test_a_failure_at_any_step_of_a_micro_batch_shows_nothing_twice_and_loses_nothing(
    asked: Any, stack: Stack, fault: Fault, seen: int
) -> None:
    stack.send(*on(FIRST, "1"), *on(SECOND, "2"))
    stack.write_parquet()
    stack.send(*on(FIRST, "3", amount="10.00"), *on(SECOND, "4"))
    # A start with nothing to finish tells once, and moves nothing but its offsets.
    with fault.happening(), pytest.raises(StreamingQueryException):
        stack.write_parquet()
    found = rows(asked, stack)
    assert len(found) == len(set(found)) == 2 + seen
    stack.send(*on(FIRST, "3", "5"))
    stack.write_parquet()
    assert rows(asked, stack) == dated(FIRST, "1", "3", "5") + dated(SECOND, "2", "4")
    assert rows(asked, stack, "large") == dated(FIRST, "3")


def test_readers_are_told_how_far_they_see_and_not_how_far_is_written(stack: Stack) -> None:
    def seen() -> tuple[Any, ...]:
        """How many messages are in the tables, and how many of them below the cut; whether that is new, and fresh."""
        asked = "SELECT written, compacted, written_at > now() - interval '1 minute', fresh_at = written_at"
        ((written, compacted, *ages),) = stack.rows(
            f"{asked} FROM serving.status WHERE pipeline = '{stack.pipeline.name}'"
        )
        counts = [None if offsets is None else sum(offsets.values()) for offsets in (written, compacted)]
        return *counts, *ages

    assert seen() == (None, None, None, None)
    stack.send(*on(FIRST, "1"))
    with Fault(ParquetTable, "place", 1, before=True).happening(), pytest.raises(StreamingQueryException):
        stack.write_parquet()
    assert seen() == (0, None, None, None)
    with Fault(Parquet, "tell", 1, before=True).happening(), pytest.raises(Failed):
        stack.write_parquet()
    assert seen() == (0, None, None, None)
    stack.send(*on(SECOND, "2"))
    stack.write_parquet()
    assert seen() == (2, None, True, None)
    stack.stream()
    stack.archive()
    stack.owner("UPDATE tidemark.parquet SET told_at = now() - interval '1 hour'")
    assert seen() == (2, None, True, True)  # what is counted is there: no older than the count
    with Fault(Parquet, "tell", 2, before=True).happening(), pytest.raises(Failed):
        stack.batch()
    assert seen()[:2] == (2, None)
    stack.batch()
    assert seen()[:2] == (2, 2)
    stack.send(*on(FIRST, "3"))
    stack.stream()
    assert seen() == (2, 2, False, False)


def test_nobody_is_told_of_a_definition_before_it_is_published(stack: Stack) -> None:
    other = stack.define(lake=(PARQUET[0],))
    stack.send(*on(FIRST, "1"))
    other.write_parquet()
    told = "SELECT told_offsets FROM tidemark.parquet WHERE fingerprint = %s AND pipeline = %s"
    assert stack.owner(told, other.pipeline.fingerprint, stack.pipeline.name) == [({},)]


def test_a_batch_compacts_and_keeps_what_has_come_since_its_cut(asked: Any, stack: Stack) -> None:
    for number in range(3):
        stack.send(*on(FIRST, f"{number}"), *on(SECOND, f"1{number}"))
        stack.write_parquet()
    stack.stream()
    stack.archive()
    assert files(asked, stack) == 6

    def more() -> None:
        stack.send(*on(FIRST, "3"), *on("2026-01-03", "30"))
        stack.write_parquet()

    stack.batch(before_publish=more)
    expected = dated(FIRST, "0", "1", "2", "3") + dated(SECOND, "10", "11", "12") + dated("2026-01-03", "30")
    assert rows(asked, stack) == expected
    assert files(asked, stack) == 4  # one a date, and one of what came since
    stack.count_everything()
    assert rows(asked, stack) == expected
    assert files(asked, stack) == 3
    assert stack.verify().exact


def test_a_compaction_leaves_alone_what_has_nothing_new(asked: Any, stack: Stack) -> None:
    stack.send(*on(FIRST, "1"), *on(SECOND, "2"))
    stack.write_parquet()
    stack.count_everything()
    first = sorted(root(stack).glob(f"*/date={FIRST}/*"))
    stack.send(*on(SECOND, "3"))
    stack.write_parquet()
    stack.count_everything()
    stack.batch()
    assert [path for path in first if path.exists() and "-1-" in str(path)] != []
    assert rows(asked, stack) == dated(FIRST, "1") + dated(SECOND, "2", "3")


def test_what_the_batch_layer_wrote_first_the_streaming_job_does_not_repeat(asked: Any, stack: Stack) -> None:
    stack.send(*on(FIRST, "1", "2"))
    stack.count_everything()
    assert rows(asked, stack) == dated(FIRST, "1", "2")
    stack.send(*on(FIRST, "2", "3"))
    stack.write_parquet()
    assert rows(asked, stack) == dated(FIRST, "1", "2", "3")


def test_a_batch_that_publishes_while_a_micro_batch_is_written_leaves_each_event_once(
    asked: Any, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack.send(*on(FIRST, "1"))
    stack.write_parquet()
    stack.send(*on(FIRST, "2"))
    stack.stream()
    stack.archive()
    stage, batches = ParquetTable.stage, iter([stack.batch])

    def meanwhile(*arguments: Any) -> Any:
        staged = stage(*arguments)
        for batch in batches:
            batch()
            stack.send(*on(FIRST, "3"))
        return staged

    with monkeypatch.context() as patched:
        patched.setattr(ParquetTable, "stage", meanwhile)
        stack.write_parquet()
    assert rows(asked, stack) == dated(FIRST, "1", "2", "3")


def test_a_duplicate_of_history_that_the_stream_could_not_know_goes_with_the_next_batch(
    asked: Any, new_stack: NewStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.history.HOME", tmp_path)
    (tmp_path / "history.json").write_text("".join(f"{json.dumps(one)}\n" for one in on(FIRST, "1", "2")))
    stack = new_stack(lake=PARQUET, history=("history.json",))
    stack.batch()
    assert rows(asked, stack) == dated(FIRST, "1", "2")
    stack.send(*on(SECOND, "2"), *on(FIRST, "3"))
    stack.write_parquet()
    assert rows(asked, stack) == dated(FIRST, "1", "2", "3") + dated(SECOND, "2")
    stack.count_everything()
    assert rows(asked, stack) == dated(FIRST, "1", "2", "3")
    asked.execute(f"SHOW PARTITIONS {stack.pipeline.name}.`all`")
    assert len(asked.fetchall()) == 2  # a date without rows stays


def test_a_batch_that_fails_at_any_step_shows_every_event_once_before_and_after(asked: Any, stack: Stack) -> None:
    faults = (
        Fault(Compaction, "prepare", 1, before=False),
        Fault(Compaction, "publish", 1, before=True),
        Fault(ParquetTable, "make", 1, before=False),
        Fault(Parquet, "tell", 1, before=True),
        Fault(Compaction, "publish", 1, before=False),
    )
    expected = dated(FIRST, "1") + dated(SECOND, "2")
    stack.send(*on(FIRST, "1"), *on(SECOND, "2"))
    stack.write_parquet()
    stack.count_everything()
    for number, fault in enumerate(faults):
        step = f"{fault.owner.__name__}.{fault.name}, before: {fault.before}"
        stack.send(*on(FIRST, f"1{number}"))
        stack.write_parquet()
        stack.stream()
        stack.archive()
        expected = sorted([*expected, (FIRST, f"1{number}")])
        with fault.happening(), pytest.raises(Failed):
            stack.batch()
        assert rows(asked, stack) == expected, step
        with Fault(Compaction, "_write", 1, before=True).happening(), pytest.raises(Failed):
            stack.batch(full=True)  # whose first act is to delete what nobody refers to
        assert rows(asked, stack) == expected, step
        stack.send(*on(SECOND, f"2{number}"))
        stack.write_parquet()
        expected.append((SECOND, f"2{number}"))
        assert rows(asked, stack) == expected, step
        stack.batch()
        assert rows(asked, stack) == expected, step
        assert files(asked, stack) == 2, step
    stack.count_everything()
    assert rows(asked, stack) == expected
    assert stack.verify().exact


def test_a_new_definition_is_seen_when_its_version_is_published(asked: Any, stack: Stack) -> None:
    stack.send(*on(FIRST, "1", amount="10.00"), *on(SECOND, "2"))
    stack.write_parquet()
    stack.count_everything()
    large = LakeTable("large", where="amount >= 1", columns=("client", "event_id"), format="parquet")
    other = stack.define(lake=(PARQUET[0], large))
    stack.send(*on(SECOND, "2b"))
    with Fault(ParquetTable, "place", 1, before=True).happening(), pytest.raises(StreamingQueryException):
        stack.write_parquet()  # leaves a file to whoever comes next of this definition
    stream = other.write_parquet()  # which nobody sees yet
    assert rows(asked, stack, "large") == dated(FIRST, "1")
    stack.send(*on(SECOND, "3"))
    stack.write_parquet()
    assert rows(asked, stack) == dated(FIRST, "1") + dated(SECOND, "2", "2b", "3")
    other.stream()
    other.archive()
    publish = Compaction.publish

    def tell_before(compaction: Compaction) -> None:
        with other.working(Role.SPEED) as ledger:
            stream.tell_again(Folders(ledger))
        assert rows(asked, stack, "large") == dated(FIRST, "1")  # its folders are not those of the version yet
        publish(compaction)

    with patch.object(Compaction, "publish", tell_before):
        other.batch(full=True)
    assert rows(asked, other, "large") == dated(FIRST, "1") + dated(SECOND, "2", "2b", "3")
    assert rows(asked, other) == dated(FIRST, "1") + dated(SECOND, "2", "2b", "3")
    asked.execute(f"SELECT client FROM {stack.pipeline.name}.large")
    assert asked.fetchall() == [("ada",)] * 4
    stack.send(*on(SECOND, "4"))
    other.write_parquet()
    assert rows(asked, other, "large") == dated(FIRST, "1") + dated(SECOND, "2", "2b", "3", "4")
    other.count_everything()
    other.batch()
    assert {path.name.partition("-")[0] for path in root(other).iterdir()} <= {other.pipeline.fingerprint, "_arriving"}


class Looked:
    """A client of the metastore, after each call of which someone looks."""

    def __init__(self, client: Any, look: Callable[[], None]) -> None:
        self._client = client
        self._look = look

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            result = getattr(self._client, name)(*arguments)
            self._look()
            return result

        return call


def test_readers_of_a_table_whose_columns_change_see_all_dates_of_one_definition_and_no_value_go(
    asked: Any, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    dates = [f"2026-01-0{day}" for day in range(1, 5)]
    for date in dates:
        stack.send(*on(date, f"{date}a", amount="10.00"), *on(date, f"{date}b"))
    stack.write_parquet()
    # The time comes where a text was, which is no other type of the same column.
    other = stack.define(lake=(PARQUET[0], replace(PARQUET[1], where="true", columns=("event_time", "event_id"))))
    seen: list[list[tuple[str, str]]] = []
    nulls: set[tuple[bool]] = set()
    sql, client = SparkSession.sql, Catalog._client

    def look() -> None:
        seen.append(rows(asked, stack, "large"))
        for column in ("amount", "event_time"):  # of the old definition alone, and of the new one
            with suppress(OperationalError):
                asked.execute(f"SELECT {column} IS NULL FROM {stack.pipeline.name}.large")
                nulls.update(asked.fetchall())

    def sql_and_look(spark: SparkSession, statement: str) -> Any:
        result = sql(spark, statement)
        look()
        return result

    @contextmanager
    def looked(catalog: Catalog) -> Iterator[Looked]:
        with client(catalog) as given:
            yield Looked(given, look)

    other.stream()
    other.archive()
    look()
    with monkeypatch.context() as patched:
        patched.setattr(SparkSession, "sql", sql_and_look)
        patched.setattr(Catalog, "_client", looked)
        other.batch(full=True)
    look()
    before, after = [(date, f"{date}a") for date in dates], [(date, f"{date}{of}") for date in dates for of in "ab"]
    assert all(one in (before, after) for one in seen)
    assert (seen[0], seen[-1], nulls) == (before, after, {(False,)})
    with client(other.lake.catalog) as given:
        of_a_date = given.getPartition(stack.pipeline.name, "large", [FIRST]).getSd().getCols()
    assert [column.getName() for column in of_a_date][4:] == ["event_time", "event_id"]


def test_a_restored_postgres_is_mended_by_a_full_batch(asked: Any, stack: Stack) -> None:
    stack.send(*on(FIRST, "1"))
    with Fault(ParquetTable, "place", 1, before=True).happening(), pytest.raises(StreamingQueryException):
        stack.write_parquet()
    backup = stack.backup()  # names a file that is about to move
    stack.count_everything()
    stack.batch()
    stack.batch()
    stack.send(*on(FIRST, "2"), *on(SECOND, "3"))
    stack.write_parquet()
    stack.restore(backup)
    stack.stream()
    stack.archive()
    stack.batch(full=True)
    stack.write_parquet()
    assert rows(asked, stack) == dated(FIRST, "1", "2") + dated(SECOND, "3")


def test_a_metastore_that_does_not_answer_stops_nothing_and_is_told_later(
    hive_server: HiveServer, stack: Stack, metastore: Metastore, database: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    stack.send(*on(FIRST, "1"))
    stack.write_parquet()
    metastore.stop()
    try:
        stack.send(*on(FIRST, "2"), *on(SECOND, "3"))
        stack.write_parquet()
    finally:
        metastore.start()
    assert "is not in the Hive metastore as it is" in caplog.text
    assert hive_server.running
    stack.write_parquet()
    with cursor(database, SQL_SECONDS) as anew:
        assert rows(anew, stack) == dated(FIRST, "1", "2") + dated(SECOND, "3")


def test_what_the_metastore_did_not_take_is_told_again_though_no_more_events_come(asked: Any, stack: Stack) -> None:
    expected = dated(FIRST, "1") + dated(SECOND, "2")
    stack.send(*on(FIRST, "1"))
    stack.write_parquet()
    stack.send(*on(SECOND, "2"))
    streams = Streams(stack.spark, stack.settings, stack.pipeline)

    def seen() -> list[tuple[str, str]]:
        streams.look()
        return rows(asked, stack)

    try:
        with patch.object(Catalog, "_partition", side_effect=PySparkException("the metastore is away")):
            streams.start(accept_loss=False)
            (query,) = [q for q in stack.spark.streams.active if q.name == f"parquet {stack.pipeline.name}"]
            query.processAllAvailable()
        assert rows(asked, stack) == dated(FIRST, "1")
        retry = retry_if_result(lambda found: found != expected)
        Retrying(stop=stop_after_delay(SQL_SECONDS), wait=wait_fixed(0.2), retry=retry)(seen)
    finally:
        assert streams.stop()


def test_batches_delete_no_folder_that_the_metastore_still_names(
    hive_server: HiveServer, stack: Stack, metastore: Metastore, database: Settings
) -> None:
    stack.send(*on(FIRST, "1"))
    stack.write_parquet()
    stack.count_everything()
    stack.send(*on(FIRST, "2"))
    stack.write_parquet()
    with Fault(Compaction, "prepare", 1, before=False).happening(), pytest.raises(Failed):
        stack.count_everything()  # leaves a folder that the next batch can neither use nor delete
    metastore.stop()
    try:
        stack.count_everything()
        stack.batch(full=True)
    finally:
        metastore.start()
    assert hive_server.running
    with cursor(database, SQL_SECONDS) as anew:
        assert rows(anew, stack) == dated(FIRST, "1", "2")
        stack.batch(full=True)
        stack.batch(full=True)
        assert rows(anew, stack) == dated(FIRST, "1", "2")
    assert (
        len([folder for folder in root(stack).iterdir() if folder.name != "_arriving"]) == 2
    )  # this one's and the last


def test_the_tables_of_the_script_are_those_that_the_jobs_fill(asked: Any, new_stack: NewStack) -> None:
    from app.pipelines.space import PIPELINE  # noqa: PLC0415

    names = ("columns", "event_time", "checks", "dedup", "lake", "views", "rollups", "examples")
    stack = new_stack(**{name: getattr(PIPELINE, name) for name in names})
    statements = (Path(__file__).parents[2] / "hive/create_tables.hql").read_text()
    assert statements == script()
    own = statements.replace(LAKE, stack.settings.lake_path).replace("`space`", f"`{stack.pipeline.name}`")
    for statement in own.split(";\n")[:-1]:
        asked.execute(statement.replace("/space/", f"/{stack.pipeline.name}/"))
    asked.execute(f"SHOW CREATE TABLE {stack.pipeline.name}.`all`")
    before = asked.fetchall()
    stack.send(json.loads(PIPELINE.examples[0].message) | {"event_id": "1"})
    stack.write_parquet()
    asked.execute(f"SELECT name, hazardous FROM {stack.pipeline.name}.alerts")
    assert asked.fetchall() == [("Apophis", True)]
    asked.execute(f"SHOW CREATE TABLE {stack.pipeline.name}.`all`")
    assert asked.fetchall() == before


def test_verify_says_which_rows_of_a_parquet_table_are_not_as_they_must_be(stack: Stack, metastore: Metastore) -> None:
    stack.send(*on(FIRST, "1", "2"), *on(SECOND, "3", amount="10.00"), b"broken")
    stack.write_parquet()
    stack.count_everything()
    stack.send(*on(SECOND, "4"))
    stack.write_parquet()
    stack.stream()
    stack.archive()
    verdict = stack.verify()
    assert (verdict.exact, verdict.lake.rows["all"], verdict.lake.rows["large"]) == (True, 4, 1)
    one = next(root(stack).glob(f"*-1-*/date={FIRST}/*.parquet"))  # of the first batch, which readers see
    shutil.copy(one, one.with_name("again.parquet"))
    verdict = stack.verify()
    assert (verdict.exact, verdict.views.exact, verdict.lake.differing) == (False, True, {"all": 2})
    assert all("2 times" in (found.held or "") for found in verdict.lake.differences)
    one.unlink()
    assert stack.verify().exact
    one.with_name("again.parquet").unlink()
    verdict = stack.verify()
    assert verdict.lake.differing == {"all": 2}
    assert sorted(json.loads(found.recount or "")["event_id"] for found in verdict.lake.differences) == ["1", "2"]
    assert [found.held for found in verdict.lake.differences] == [None, None]
    metastore.stop()
    try:
        with pytest.raises(CatalogError, match=r"cannot be read by its name .* Start the metastore"):
            stack.verify()
    finally:
        metastore.start()


def test_verify_names_the_rows_of_a_date_that_the_metastore_was_not_told_and_tells_it_nothing(stack: Stack) -> None:
    stack.send(*on(FIRST, "1"))
    stack.write_parquet()
    stack.send(*on(FIRST, "2"), *on(SECOND, "3"))
    with patch.object(Catalog, "_partition", side_effect=PySparkException("the metastore is away")):
        stack.write_parquet()
    stack.stream()
    stack.archive()
    for _ in range(2):
        (found,) = stack.verify().lake.differences
        assert (found.name, found.held, json.loads(found.recount or "")["event_id"]) == ("all", None, "3")
    stack.write_parquet()
    assert stack.verify().exact


def test_verify_expects_no_row_of_a_file_that_arrives_and_moves_none(stack: Stack, asked: Any) -> None:
    third = "2026-01-03"
    stack.send(*on(FIRST, "1"), *on(SECOND, "2"))
    stack.write_parquet()
    stack.send(*on(FIRST, "3"), *on(SECOND, "4", "4", "1"), *on(third, "5"))
    with Fault(ParquetTable, "place", 2, before=False).happening(), pytest.raises(StreamingQueryException):
        stack.write_parquet()
    seen = rows(asked, stack)
    assert len(seen) in (3, 4)  # of two files that were moved, one may be of the date that readers know nothing of
    stack.stream()
    stack.archive()
    assert stack.verify().exact
    assert rows(asked, stack) == seen
    (left,) = root(stack).glob("_arriving/*/*/*/*.parquet")
    left.rename(left.with_name("gone"))
    (found,) = stack.verify().lake.differences
    of_the_file = {f"date={FIRST}": "3", f"date={SECOND}": "4", f"date={third}": "5"}[left.parent.name]
    assert (found.held, json.loads(found.recount or "")["event_id"]) == (None, of_the_file)
    left.with_name("gone").rename(left)
    stack.write_parquet()
    assert rows(asked, stack) == dated(FIRST, "1", "3") + dated(SECOND, "2", "4") + dated(third, "5")


def test_verify_waits_for_a_batch_that_has_named_its_folders_to_tell_the_metastore(stack: Stack) -> None:
    stack.send(*on(FIRST, "1"))
    stack.stream()
    stack.archive()
    told, locked, calls = threading.Event(), Folders.locked, itertools.count(1)
    verdicts: list[Verdict] = []

    def verify_meanwhile(folders: Folders) -> AbstractContextManager[Standing]:
        if next(calls) == 4:  # of the batch, which has named its folders with the third, and tells with this one
            verifying.start()
            assert told.wait(SQL_SECONDS)
        return locked(folders)

    def is_told(parquet: Parquet, standing: Standing) -> bool:
        found = does_know(parquet, standing)
        told.set()
        return found

    verifying = threading.Thread(target=lambda: verdicts.append(stack.verify()))
    does_know = Parquet.is_told
    with patch.object(Folders, "locked", verify_meanwhile), patch.object(Parquet, "is_told", is_told):
        stack.batch()
        verifying.join(SQL_SECONDS)
    assert [verdict.exact for verdict in verdicts] == [True]


@dataclass
class Reader:
    """Reads a table over and over: what it has seen stays, and nothing is there twice."""

    stack: Stack
    answers: int = 0
    wrong: list[str] = field(default_factory=list)

    def read(self, stop: threading.Event) -> None:
        before: set[tuple[str, str]] = set()
        with cursor(self.stack.settings, SQL_SECONDS) as asked:
            while not stop.is_set():
                counted = Counter(rows(asked, self.stack))
                self.wrong += [f"{row} is there {n} times" for row, n in counted.items() if n > 1]
                self.wrong += [f"{row} is gone" for row in before - counted.keys()]
                before = set(counted)
                self.answers += 1


def test_a_reader_sees_no_row_twice_and_none_go_while_batches_compact(stack: Stack, asked: Any) -> None:
    stack.send(*on(FIRST, "0"), *on(SECOND, "1"))
    stack.write_parquet()
    reader = Reader(stack)
    with reading(reader.read, seconds=SQL_SECONDS):
        for number in range(2, 8, 2):
            stack.send(*on(FIRST, f"{number}"), *on(SECOND, f"{number + 1}"))
            stack.write_parquet()
            stack.count_everything()
    assert reader.wrong == []
    assert reader.answers > 3
    assert rows(asked, stack) == dated(FIRST, "0", "2", "4", "6") + dated(SECOND, "1", "3", "5", "7")
