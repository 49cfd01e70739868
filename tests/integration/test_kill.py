"""`kill -9` of a job at the worst moment: afterwards everything is counted, once."""

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from decimal import Decimal
from pathlib import Path

from tenacity import retry, retry_if_result, stop_after_delay, wait_fixed

from app.hive import cursor
from app.model import LakeTable
from embedded.hive import HiveServer
from embedded.spark import command
from tests.faults.definition import KEPT, PARQUET, VARIABLE
from tests.integration.conftest import NewStack, Stack, event

FAULTS = Path(__file__).resolve().parents[1] / "faults"
GIVEN = {"kafka_bootstrap_servers", "pg_url", "lake_path", "checkpoint_path", "drops_path", "hive_metastore_uri"}
SECONDS = 180  # that a job may take, Spark's start included


@contextmanager
def submitted(
    stack: Stack, job: str, script: str, folder: Path, **environment: str
) -> Iterator[subprocess.Popen[bytes]]:
    """A job with a fault, as a process with a session of its own; what is left of it is killed."""
    words = [*command(job, memory="512m", little=True)[:-1], str(FAULTS / script)]
    at = stack.settings.model_dump(include=GIVEN)
    at |= {"secrets_path": stack.settings.secrets_path, "archive_interval": 1, "archive_wait": 60}
    own = {name.upper(): str(value) for name, value in at.items()} | {VARIABLE: stack.pipeline.name}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            words, env=os.environ | own | environment, cwd=folder, stdout=log, stderr=log, start_new_session=True
        )
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def wait_until_killed(process: subprocess.Popen[bytes], folder: Path) -> None:
    """Waits for a job to be killed by its fault, and by nothing else."""
    assert process.wait(SECONDS) == -signal.SIGKILL, (folder / "log").read_text()


def test_a_streaming_job_killed_between_the_two_commits_counts_everything_once(
    new_stack: NewStack, tmp_path: Path
) -> None:
    stack = new_stack(views=KEPT)
    stack.send(event("1", amount="1.10"), event("2", "bob"), b"broken")
    with submitted(stack, "streaming", "streaming_killed_after_commit.py", tmp_path, KILLED_AT="2") as job:
        _wait_until_counted(stack, events=3)
        # One message: two may come in two micro-batches.
        stack.send([event("3", amount="3.30"), event("1", amount="1.10")])
        wait_until_killed(job, tmp_path)
    assert sum(stack.offsets().values()) == 4
    assert stack.totals() == {"ada": (2, Decimal("4.40")), "bob": (1, Decimal("1.00"))}
    assert _commits(stack) == ["0"]  # the micro-batch that is in the ledger is not in the checkpoint
    stack.send(event("1", amount="1.10"), event("3", amount="3.30"), event("4", amount="4.40"))
    stack.stream()
    stack.archive()
    assert stack.totals() == {"ada": (3, Decimal("8.80")), "bob": (1, Decimal("1.00"))}
    assert stack.quarantined() == {"not_json_objects": 1}
    assert len(stack.bronze()) == 7
    assert stack.verify().exact


def test_a_batch_job_killed_before_it_publishes_leaves_the_version_before_exact(stack: Stack, tmp_path: Path) -> None:
    stack.send(event("1", amount="1.10"), b"broken")
    stack.count_everything()
    stack.send(event("2", amount="2.20"), event("1", amount="1.10"))
    stack.stream()
    stack.archive()
    with submitted(stack, "batch", "batch_killed_before_publish.py", tmp_path) as job:
        wait_until_killed(job, tmp_path)
    assert stack.table("silver", "event_id") == [("1",), ("2",)]  # it had written the lake
    assert stack.rows(f"SELECT version FROM serving.status WHERE pipeline = '{stack.pipeline.name}'") == [(1,)]
    assert stack.totals() == {"ada": (2, Decimal("3.30"))}
    assert stack.verify().exact
    stack.send(event("3", amount="3.30"), b"broken")
    version = stack.count_everything()
    assert (version.version, version.mode, version.accepted, version.duplicates) == (2, "incremental", 3, 1)
    assert stack.totals() == {"ada": (3, Decimal("6.60"))}
    assert stack.table("silver", "event_id") == [("1",), ("2",), ("3",)]
    assert len(stack.table("quarantine", "_offset")) == 2
    assert stack.verify().exact


def test_a_streaming_job_killed_after_it_took_dropped_files_takes_nothing_again(
    new_stack: NewStack, tmp_path: Path
) -> None:
    stack = new_stack(drops=True)
    written = [json.dumps(event(f"{number}")) for number in range(3)]
    (stack.drops / "a.json").write_text("\n".join(written))
    (stack.drops / "b.json").write_text('{"event_id": "half')
    with submitted(stack, "streaming", "streaming_killed_after_drop.py", tmp_path) as job:
        wait_until_killed(job, tmp_path)
    assert [(partition, offset) for partition, offset, _ in stack.bronze()] == [(-2, 0), (-2, 1), (-2, 2)]
    assert f"{stack.drops}/b.json waits" in (tmp_path / "log").read_text()
    shutil.copy(stack.drops / "a.json", stack.drops / "c.json")
    (stack.drops / "b.json").write_text(json.dumps(event("3")))
    stack.take_drops()
    assert [value.decode() for _, _, value in stack.bronze() if value] == [*written, json.dumps(event("3"))]
    stack.send(event("0"), event("4"))
    version = stack.count_everything()
    assert (version.accepted, version.duplicates, version.quarantined) == (5, 1, 0)
    assert stack.verify().exact


def test_a_batch_job_killed_after_it_published_leaves_the_tables_of_views_to_the_next(
    new_stack: NewStack, tmp_path: Path
) -> None:
    stack = new_stack(lake=(LakeTable("gold", view="clients"),))
    stack.send(event("1", amount="1.10"))
    stack.count_everything()
    stack.send(event("2", amount="2.20"))
    stack.stream()
    stack.archive()
    with submitted(stack, "batch", "batch_killed_after_publish.py", tmp_path) as job:
        wait_until_killed(job, tmp_path)
    assert stack.rows(f"SELECT version FROM serving.status WHERE pipeline = '{stack.pipeline.name}'") == [(2,)]
    assert stack.table("gold", "client", "total", "_version") == [("ada", Decimal("1.10"), 1)]
    stack.batch()
    assert stack.table("gold", "client", "total", "_version") == [("ada", Decimal("3.30"), 3)]


def test_a_batch_job_killed_while_it_publishes_leaves_the_table_of_a_view_that_of_the_version_before(
    new_stack: NewStack, tmp_path: Path
) -> None:
    stack = new_stack(drops=True, views=KEPT)
    stack.send(event("1", amount="1.10"))
    stack.count_everything()
    (stack.drops / "a.json").write_text("\n".join(json.dumps(event(id_, amount="2.20")) for id_ in ("1", "2")))
    stack.take_drops()  # which only the batch counts: its version changes what readers see
    stack.send(event("3", "bob"))
    stack.stream()
    stack.archive()
    with submitted(stack, "batch", "batch_killed_while_publishing.py", tmp_path) as job:
        wait_until_killed(job, tmp_path)
    expected = {"ada": (1, Decimal("1.10")), "bob": (1, Decimal("1.00"))}
    assert stack.totals() == expected
    verdict = stack.verify()
    assert (verdict.version, verdict.exact) == (1, True)
    stack.send(event("4", "bob"))
    stack.stream()
    assert stack.totals() == expected | {"bob": (2, Decimal("2.00"))}
    stack.count_everything()
    assert stack.totals() == {"ada": (2, Decimal("3.30")), "bob": (2, Decimal("2.00"))}
    assert stack.verify().exact


def test_parquet_tables_show_each_event_once_after_the_streaming_job_and_the_batch_job_were_killed(
    new_stack: NewStack, tmp_path: Path, hive_server: HiveServer
) -> None:
    stack = new_stack(lake=PARQUET)
    days = [f"2026-01-0{day}T12:00:00Z" for day in (1, 2)]
    stack.send(event("1", time=days[0]), event("2", time=days[1]))
    with submitted(stack, "streaming", "streaming_killed_while_placing.py", tmp_path) as job:
        wait_until_killed(job, tmp_path)
    stack.send(event("2", time=days[1]), event("3", amount="10.00", time=days[0]))
    stack.write_parquet()
    assert hive_server.running
    expected = [("1", 0, "2026-01-01"), ("2", 1, "2026-01-02"), ("3", 3, "2026-01-01")]
    assert _parquet(stack) == expected
    stack.stream()
    stack.archive()
    with submitted(stack, "batch", "batch_killed_before_readers_are_told.py", tmp_path) as job:
        wait_until_killed(job, tmp_path)
    assert _parquet(stack) == expected
    stack.send(event("4", time=days[0]))
    stack.write_parquet()
    assert _parquet(stack) == [*expected, ("4", 4, "2026-01-01")]
    stack.count_everything()
    assert _parquet(stack) == [*expected, ("4", 4, "2026-01-01")]


def _parquet(stack: Stack) -> list[tuple[str, int, str]]:
    """Id, offset and date of each row that a reader of Hive gets, by id."""
    with cursor(stack.settings, SECONDS) as asked:
        asked.execute(f"SELECT event_id, _offset, cast(`date` AS string) FROM {stack.pipeline.name}.`all` ORDER BY 1")
        return list(asked.fetchall())


def _commits(stack: Stack) -> list[str]:
    """The micro-batches that the checkpoint holds as done."""
    return sorted(path.name for path in (stack.checkpoint() / "commits").iterdir() if path.name.isdigit())


@retry(retry=retry_if_result(lambda done: not done), stop=stop_after_delay(SECONDS), wait=wait_fixed(0.2))
def _wait_until_counted(stack: Stack, events: int) -> bool:
    return sum(stack.offsets().values()) == events
