"""What is lost or put back, the job goes on at the ledger: nothing counts twice, nothing is missed."""

import json
import shutil
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from pyspark.errors import StreamingQueryException

from app import history
from app.postgres import Role
from tests.integration.conftest import NewStack, Stack, event


def test_a_lost_checkpoint_loses_and_repeats_nothing(stack: Stack) -> None:
    stack.send(event("1"), event("2"))
    stack.stream()
    shutil.rmtree(stack.checkpoint())
    stack.send(event("1"), event("3"))
    stack.stream()
    stack.archive()
    assert stack.totals() == {"ada": (3, Decimal("3.00"))}
    assert stack.verify().exact


@pytest.mark.parametrize("damaged", ["offsets/0", "commits/0"])
def test_a_checkpoint_that_a_power_failure_has_damaged_is_made_anew(stack: Stack, damaged: str) -> None:
    stack.send(event("1"))
    stack.stream()
    (stack.checkpoint() / damaged).write_bytes(b"")
    stack.send(event("1"), event("2"))
    stack.stream()
    assert stack.totals() == {"ada": (2, Decimal("2.00"))}


def test_a_checkpoint_is_deleted_at_once(stack: Stack) -> None:
    stack.send(event("1"))
    checkpoint, path = stack.stream().checkpoint, stack.checkpoint()
    going = path.with_name(f"{path.name}.deleted")
    going.mkdir()  # a job was killed while it deleted one
    (going / "metadata").touch()
    checkpoint.delete()
    assert not path.exists()
    assert not going.exists()


def test_a_duplicate_in_another_partition_counts_once_after_a_lost_checkpoint(stack: Stack) -> None:
    stack.send(event("1"), partition=2)
    stack.send(event("2"), partition=0)
    stack.stream()
    shutil.rmtree(stack.checkpoint())
    stack.send(event("1"), partition=0)
    stack.send(event("2"), partition=2)
    stack.stream()
    assert stack.totals() == {"ada": (2, Decimal("2.00"))}


def test_a_checkpoint_older_than_the_ledger_repeats_nothing(stack: Stack, tmp_path: Path) -> None:
    stack.send(event("1"))
    stack.stream()
    shutil.copytree(stack.checkpoint(), tmp_path / "older")
    stack.send(event("1"), event("2"))
    stack.stream()
    stack.send(event("3"))
    stack.stream()
    shutil.rmtree(stack.checkpoint())
    shutil.copytree(tmp_path / "older", stack.checkpoint())
    stack.send(event("1"), event("2"), event("3"), event("4"))
    stack.stream()
    stack.archive()
    assert stack.totals() == {"ada": (4, Decimal("4.00"))}
    assert stack.verify().exact


def test_a_batch_whose_ids_are_lost_computes_everything_anew(stack: Stack) -> None:
    stack.send(event("1"))
    stack.count_everything()
    shutil.rmtree(urlsplit(stack.lake.path(f"ids/{stack.pipeline.fingerprint}")).path)
    stack.send(event("1"), event("2"))
    version = stack.count_everything()
    assert (version.version, version.mode, version.accepted, version.duplicates) == (2, "full", 2, 1)
    assert stack.totals() == {"ada": (2, Decimal("2.00"))}
    assert stack.verify().exact


def test_a_batch_whose_ids_have_no_hashes_computes_everything_anew(stack: Stack) -> None:
    stack.send(event("1"))
    stack.count_everything()
    ids = stack.lake.ids_table
    older = stack.spark.read.format("delta").load(stack.lake.path(ids)).drop("_hash").localCheckpoint()
    writer = older.write.format("delta").mode("overwrite").option("overwriteSchema", "true")
    writer.option("userMetadata", str(stack.lake._noted(ids))).save(stack.lake.path(ids))
    for number, mode in ((2, "full"), (3, "incremental")):
        stack.send(event("1"), event(f"{number}"))
        version = stack.count_everything()
        assert (version.version, version.mode, version.accepted) == (number, mode, number)
    assert stack.totals() == {"ada": (3, Decimal("3.00"))}
    assert stack.verify().exact


def test_postgres_put_back_in_time_misses_nothing(stack: Stack) -> None:
    stack.send(event("1"), event("2"))
    stack.count_everything()
    stack.send(event("3"))
    stack.stream()
    backup = stack.backup()
    stack.send(event("4"))
    stack.count_everything()
    stack.restore(backup)
    assert stack.totals() == {"ada": (3, Decimal("3.00"))}
    stack.send(*(event(f"{number}") for number in range(1, 6)))
    stack.stream()
    stack.archive()
    assert stack.totals() == {"ada": (5, Decimal("5.00"))}
    assert stack.verify().exact
    version = stack.batch()
    assert (version.version, version.mode, version.accepted, version.duplicates) == (2, "incremental", 5, 4)
    assert stack.totals() == {"ada": (5, Decimal("5.00"))}
    assert stack.table("silver", "event_id") == [("1",), ("2",), ("3",), ("4",), ("5",)]


def test_postgres_put_back_under_a_running_job_stops_it(stack: Stack) -> None:
    backup = stack.backup()
    query = stack.speed().start(accept_loss=False)
    try:
        stack.send(event("1"))
        query.processAllAvailable()
        stack.restore(backup)
        stack.send(event("2"))
        with pytest.raises(
            StreamingQueryException, match=r"LedgerError: the ledger of test.* another process moved it"
        ):
            query.processAllAvailable()
    finally:
        query.stop()
    assert stack.totals() == {}


def test_a_micro_batch_written_again_changes_nothing(stack: Stack) -> None:
    stack.send(event("1", "ada", "1.10"), event("2", "bob"), b"broken")
    running = stack.stream()
    stack.archive()
    offsets, totals = stack.offsets(), stack.totals()
    restarted = stack.speed()
    restarted.committed = restarted.ledger.offsets()
    for speed in (running, restarted):
        speed.ledger = stack.speed().ledger
        speed.write(stack.events(), 0)
        assert (stack.offsets(), stack.totals()) == (offsets, totals)
    assert sum(offsets.values()) == 3
    assert totals == {"ada": (1, Decimal("1.10")), "bob": (1, Decimal("1.00"))}
    assert stack.quarantined() == {"not_json_objects": 1}


def test_the_master_dataset_holds_each_message_once_whatever_happens_to_the_archive(stack: Stack) -> None:
    stack.send(event("1"), None, event("1"))
    archive = stack.archive()
    held = stack.bronze()
    with stack.working(Role.SPEED) as archive.ledger:
        archive.write(stack.lake.bronze(), 0)
    assert stack.bronze() == held
    archive.checkpoint.delete()
    stack.send(event("2"))
    stack.archive()
    stack.archive()
    expected = [json.dumps(event(id_)).encode() for id_ in ("1", "1", "2")]
    assert sorted(value for _, _, value in stack.bronze() if value is not None) == expected
    assert len(stack.bronze()) == 4
    assert len({(partition, offset) for partition, offset, _ in stack.bronze()}) == 4


def test_a_history_file_counts_once_whatever_its_name_and_when_a_batch_was_killed(
    new_stack: NewStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.json").write_text("".join(f"{json.dumps(event(id_))}\n" for id_ in ("1", "2")))
    monkeypatch.setattr(history, "HOME", tmp_path)
    stack = new_stack(history=("*.json",), dedup=None)
    with pytest.raises(KeyboardInterrupt):
        stack.batch(before_publish=_interrupt)
    assert stack.totals() == {}
    shutil.copy(tmp_path / "a.json", tmp_path / "b.json")
    assert stack.batch().accepted == 2
    (tmp_path / "c.json").write_text(f"{json.dumps(event('3'))}\n")
    version = stack.batch()
    assert (version.mode, version.accepted) == ("incremental", 3)
    assert stack.totals() == {"ada": (3, Decimal("3.00"))}
    assert [(partition, offset) for partition, offset, _ in stack.bronze()] == [(-1, 0), (-1, 1), (-1, 2)]
    assert stack.table("silver", "event_id") == [("1",), ("2",), ("3",)]
    assert stack.verify().exact


def _interrupt() -> None:
    raise KeyboardInterrupt
