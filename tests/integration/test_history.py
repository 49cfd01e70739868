"""History files: every line in the master dataset once, in order, whatever the files hold."""

import io
import json
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

import pytest

from app import history
from app.lake import FILES
from app.lines import LIMIT, Content, lines
from tests.integration.conftest import NewStack, Stack, event

PART = 1 << 16  # bytes of a file that a task reads
AWKWARD = {
    "a byte order mark": b"\xef\xbb\xbf" + b'{"n": 1}\n{"n": 2}\n',
    "Windows": b'{"n": 1}\r\n\r\n{"n": 2}\r\n',
    "old Macintosh": b'{"n": 1}\r{"n": 2}\r',
    "UTF-16": '\ufeff{"n": 1}\n{"n": 2}\n'.encode("utf-16-le"),
    "no newline at the end": b'{"n": 1}\n{"n": 2}',
    "blank lines": b' \n\t\n\n  {"n": 1} \t\n \r\n',
    "zero bytes": b'\x00\n{"n": "\x00"}\n\x00\x00\n',
    "not UTF-8": b"\xff\n\xe2\n\xf0\x9f\n\xed\xa0\x80x\n\xc3(\n",
    "long lines": b'{"n": 1}\n' + b"a" * (LIMIT - 1) + b"\n" + b"b" * 3 * LIMIT + b"\n" + b"c" * LIMIT + b" \n2\n",
    "a line that no executor reads": b'{"n": 1}\n' + b"a" * 3 * LIMIT + b"\n{}\n" + b"[" * 9 * LIMIT + b"\n \n[1]",
    "many lines": b"".join(b'{"n": %d}\n' % number for number in range(20_000)),
}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(history, "HOME", tmp_path)
    return tmp_path


@pytest.fixture
def loaded(new_stack: NewStack, home: Path, monkeypatch: pytest.MonkeyPatch) -> Stack:
    """A pipeline with all the awkward files, each of which Spark reads in parts."""
    for number, content in enumerate(AWKWARD.values()):
        (home / f"{number:02}.json").write_bytes(content)
    stack = new_stack(history=("*.json",), max_quarantined_percent=100)
    for name, value in {"maxPartitionBytes": f"{PART}", "openCostInBytes": "0"}.items():
        stack.spark.conf.set(f"spark.sql.files.{name}", value)
    monkeypatch.setattr(history, "PIECE", 4 * LIMIT)
    try:
        stack.batch()
    finally:
        for name in ("maxPartitionBytes", "openCostInBytes"):
            stack.spark.conf.unset(f"spark.sql.files.{name}")
    return stack


def test_lines_are_those_of_a_dropped_file_in_order_without_holes_and_all_are_accounted_for(
    loaded: Stack, home: Path
) -> None:
    expected = [
        line.text for path in sorted(home.iterdir()) for line in lines(io.BytesIO(path.read_bytes()), Content())
    ]
    found = loaded.lake.bronze().orderBy("offset").select("partition", "offset", "value", "source").collect()
    by_source: dict[str, list[bytes]] = {}
    for row in found:
        by_source.setdefault(row["source"], []).append(bytes(row["value"]))
    assert [row["offset"] for row in found] == list(range(len(expected)))
    assert {row["partition"] for row in found} == {FILES}
    assert len(by_source) == len(AWKWARD)
    assert list(chain(*by_source.values())) == expected
    assert loaded.lake.held() == {FILES: len(expected)}
    assert not list(Path(loaded.lake.path("_history").removeprefix("file:")).rglob("*"))
    assert loaded.rows(f"SELECT sum(events) FROM serving.{loaded.pipeline.name}_quarantine") == [(len(expected),)]
    assert loaded.verify().exact


def test_a_large_file_is_read_and_written_in_parts_of_one_commit(new_stack: NewStack, home: Path) -> None:
    size = 40_000
    (home / "a.json").write_text("".join(f"{json.dumps(event(str(number)))}\n" for number in range(size)))
    assert (home / "a.json").stat().st_size > 4 << 20
    stack = new_stack(history=("*.json",), dedup=None)
    stack.spark.conf.set("spark.sql.files.minPartitionNum", "4")
    try:
        version = stack.batch()
    finally:
        stack.spark.conf.set("spark.sql.files.minPartitionNum", "1")
    assert (version.accepted, version.cut[FILES]) == (size, size)
    assert len(stack.lake.bronze().inputFiles()) > 1
    assert stack.spark._jsparkSession.sharedState().cacheManager().isEmpty()


def test_a_master_dataset_with_holes_in_its_numbers_goes_on_after_the_last(new_stack: NewStack, home: Path) -> None:
    (home / "a.json").write_text(f"{json.dumps(event('1'))}\n")
    stack = new_stack(history=("*.json",), dedup=None)
    now = datetime.now(UTC)
    old = [(None, FILES, offset, now, None, json.dumps(event(f"{offset}")).encode(), "old") for offset in (0, 1 << 33)]
    schema = "topic string, partition int, offset bigint, timestamp timestamp, key binary, value binary, source string"
    stack.append(stack.spark.createDataFrame(old, schema))
    assert stack.batch().cut == {FILES: (1 << 33) + 2}
    assert [offset for _, offset, _ in stack.bronze()] == [0, 1 << 33, (1 << 33) + 1]
    assert stack.batch().accepted == 3
    assert stack.verify().exact


def test_a_file_without_a_line_is_no_history(new_stack: NewStack, home: Path) -> None:
    for number, content in enumerate((b"", b"\n", b"\xef\xbb\xbf \r\n")):
        (home / f"{number}.json").write_bytes(content)
    stack = new_stack(history=("*.json",))
    assert history.new_history(stack.lake) == {}
    assert stack.batch().cut == {}
