"""Dropped files with real Spark: every line in the master dataset once, whatever happens to the files and the job."""

import json
import shutil
from collections.abc import Callable
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from pyspark.errors import StreamingQueryException
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from app import drops
from app.claims import LedgerError
from app.dropped import Dropped
from app.drops import Drops
from app.job import StreamFailed
from app.lake import DROPPED, LakeError
from app.ledger import Ledger
from app.postgres import Role
from app.streams import Streams
from tests.integration.conftest import NewStack, Stack, event

SECONDS = 60


@pytest.fixture
def stack(new_stack: NewStack) -> Stack:
    """A pipeline that files are dropped for."""
    return new_stack(drops=True)


def lines(*ids: str) -> str:
    return "".join(f"{json.dumps(event(id_))}\n" for id_ in ids)


def dropped(stack: Stack) -> list[tuple[int, str]]:
    """Offset and event id of each line taken; of what is broken, all of it."""
    found = [(offset, (value or b"").decode()) for partition, offset, value in stack.bronze() if partition == DROPPED]
    return [(offset, json.loads(line)["event_id"] if line.startswith("{") else line) for offset, line in found]


def numbered(*ids: str) -> list[tuple[int, str]]:
    return list(enumerate(ids))


def test_lines_become_messages_with_name_source_and_time_in_one_commit(stack: Stack) -> None:
    (stack.drops / "a.json").write_text(lines("1", "2"))
    (stack.drops / "b.json").write_text(lines("3"))
    before = _commits(stack)
    stack.take_drops()
    assert dropped(stack) == numbered("1", "2", "3")
    assert _commits(stack) == before + 1
    rows = stack.lake.bronze().orderBy("offset").collect()
    assert [bytes(row["key"]) for row in rows] == [b"a.json", b"a.json", b"b.json"]
    assert [row["topic"] for row in rows] == [None] * 3
    assert len({row["timestamp"] for row in rows}) == 1
    whole = lines("1", "2").encode().rstrip()
    assert rows[1]["source"] == sha256(whole).hexdigest()
    assert rows[0]["source"] == sha256(whole.splitlines()[0]).hexdigest()


def test_files_count_with_the_next_batch_and_all_that_was_dropped_and_sent_is_accounted_for(stack: Stack) -> None:
    stack.send(event("k1"), event("k2"), event("1"))
    stack.stream()
    stack.archive()
    (stack.drops / "a.json").write_text(lines("1", "2") + "broken\n")
    with stack.dropping() as query:
        query.processAllAvailable()
        assert stack.totals() == {"ada": (3, Decimal("3.00"))}
        first = stack.batch()
        assert (first.accepted, first.duplicates, first.quarantined) == (4, 1, 1)
        assert stack.totals() == {"ada": (4, Decimal("4.00"))}
        assert stack.verify().exact
        (stack.drops / "again.json").write_text(lines("1", "2") + "broken\n")
        with (stack.drops / "half.json").open("w") as file:
            file.write(lines("3", "4")[:-10])
            file.flush()
            query.processAllAvailable()
            file.write(lines("3", "4")[-10:])
        query.processAllAvailable()
    stack.send(event("k3"))
    second = stack.count_everything()
    assert (second.mode, second.accepted, second.duplicates, second.quarantined) == ("incremental", 7, 1, 1)
    assert dropped(stack) == numbered("1", "2", "broken", "3", "4")
    assert second.accepted + second.duplicates + second.quarantined == 5 + 4
    assert stack.totals() == {"ada": (7, Decimal("7.00"))}
    assert stack.verify().exact
    assert stack.batch(full=True).accepted == 7
    assert stack.verify().exact


def test_a_restart_with_or_without_a_checkpoint_repeats_nothing_and_takes_what_came_meanwhile(stack: Stack) -> None:
    (stack.drops / "a.json").write_text(lines("1", "2"))
    (stack.drops / "b.json").write_text(lines("3") + lines("4")[:-5])
    stack.take_drops()
    stack.take_drops()
    assert dropped(stack) == numbered("1", "2", "3")
    with (stack.drops / "b.json").open("a") as file:
        file.write(lines("4")[-5:])
    shutil.copy(stack.drops / "a.json", stack.drops / "0.json")
    (stack.drops / "a.json").write_text(lines("1", "5"))
    commits = _commits(stack)
    with stack.dropping() as query:
        query.processAllAvailable()
        assert dropped(stack) == numbered("1", "2", "3", "5", "4")
        assert _commits(stack) == commits + 1
    shutil.rmtree(Path(urlsplit(stack.settings.checkpoint_path).path) / stack.pipeline.name / "drops")
    stack.take_drops()
    assert dropped(stack) == numbered("1", "2", "3", "5", "4")
    assert _commits(stack) == commits + 1


def test_what_does_not_become_whole_is_quarantined(new_stack: NewStack) -> None:
    stack = new_stack(drops=True)
    stack.settings = stack.settings.model_copy(update={"drops_wait": 1})
    (stack.drops / "a.json").write_text(lines("1") + '{"event_id": "2"')
    (stack.drops / "document.json").write_text(json.dumps([event("3"), event("4")], indent=2))
    (stack.drops / "half.json").write_text(json.dumps([event("5"), event("6")], indent=2)[:-3])
    with stack.dropping() as query:
        _until(lambda: bool(query.isActive and len(stack.bronze()) == 4))
    stack.stream()
    stack.archive()
    version = stack.batch()
    assert (version.accepted, version.quarantined) == (3, 2)
    assert stack.quarantined() == {"not_json_objects": 2}


def test_files_of_other_tools_are_read_as_they_are_meant_and_those_of_utf_16_are_one_quarantined_message_each(
    new_stack: NewStack,
) -> None:
    stack = new_stack(drops=True)
    stack.settings = stack.settings.model_copy(update={"drops_wait": 1})
    documents = [json.dumps([event("2"), event("3")], indent=2), *(json.dumps(event(id_), indent=2) for id_ in "45")]
    (stack.drops / "a.json").write_text(lines("1"), encoding="utf-8-sig")
    (stack.drops / "b.json").write_text(documents[0], encoding="utf-8-sig")
    (stack.drops / "c.json").write_text("\n".join(documents[1:]))
    for number, encoding in enumerate(("utf-16-le", "utf-16-be")):
        (stack.drops / f"wide{number}.json").write_text("\ufeff" + lines("6", "7"), encoding=encoding)
    with stack.dropping() as query:
        _until(lambda: bool(query.isActive and len(stack.bronze()) == 6))
    version = stack.count_everything()
    assert (version.accepted, version.quarantined) == (5, 2)
    assert stack.quarantined() == {"invalid_utf8": 2}
    assert stack.verify().exact


def test_a_large_file_is_taken_in_commits_of_bounded_size(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drops, "COMMIT_BYTES", 1_000)
    (stack.drops / "a.json").write_text(lines(*map(str, range(20))))
    before = _commits(stack)
    stack.take_drops()
    assert dropped(stack) == numbered(*map(str, range(20)))
    assert _commits(stack) == before + 7
    stack.take_drops()
    assert len(dropped(stack)) == 20


def test_a_folder_that_cannot_be_read_any_more_stops_the_query_with_its_name(stack: Stack) -> None:
    folder = stack.drops
    with stack.dropping() as query:
        query.processAllAvailable()
        folder.rmdir()
        _until(lambda: not query.isActive)
        with pytest.raises(StreamingQueryException, match=f"No such file or directory: '{folder}'"):
            query.processAllAvailable()


def test_a_query_of_dropped_files_that_fails_is_an_error_that_names_the_cause(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    (stack.drops / "a.json").write_text(lines("1"))
    monkeypatch.setattr(Dropped, "take", _fail)
    streams = Streams(stack.spark, stack.settings, stack.pipeline)
    try:
        streams.start(accept_loss=False)
        (query,) = [q for q in stack.spark.streams.active if q.name == f"drops {stack.pipeline.name}"]
        _until(lambda: not query.isActive)
        with pytest.raises(StreamFailed, match=rf"^drops {stack.pipeline.name} stopped: OSError: the disk is gone$"):
            streams.look()
    finally:
        assert streams.stop()


def test_a_folder_that_cannot_be_made_is_an_error_that_names_it(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    settings = stack.settings.model_copy(update={"drops_path": tmp_path / "file"})
    with (
        stack.working(Role.SPEED) as ledger,
        pytest.raises(LakeError, match=f"folder of dropped files {tmp_path}/file/.* cannot be made: Not a directory"),
    ):
        Drops(stack.lake, ledger, settings).start()


def test_only_one_process_takes_the_files_of_a_pipeline(stack: Stack) -> None:
    other = Ledger(stack.connection(Role.SPEED), stack.pipeline)
    with stack.dropping(), pytest.raises(LedgerError, match="another process already does the drops"):
        Drops(stack.lake, other, stack.settings).start()


def _fail(*_: object) -> None:
    raise OSError("the disk is gone")


def _until(condition: Callable[[], bool]) -> None:
    Retrying(stop=stop_after_delay(SECONDS), wait=wait_fixed(0.2), retry=retry_if_result(lambda done: not done))(
        condition
    )


def _commits(stack: Stack) -> int:
    """How many commits the master dataset has."""
    return len(list(Path(urlsplit(stack.lake.path("bronze")).path).glob("_delta_log/*.json")))
