"""The messages of the housing file: which records, with which digits, in which batches; and files that are refused."""

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from app.pipelines.housing import PIPELINE
from app.settings import HOME
from producers.housing import HEADER, MOST, main, messages, records
from producers.producing import Message, ProduceError

FILE = HOME / "datasets/housing.csv"
ROW = "0.00632,18,2.31,0,0.538,6.575,65.2,4.09,1,296,15.3,396.9,4.98,24"

Written = Callable[..., Path]


@pytest.fixture
def written(tmp_path: Path) -> Written:
    """Writes a file of these rows below the header, and tells where it is."""

    def write(*rows: str, header: str = ",".join(HEADER), end: str = "\n") -> Path:
        file = tmp_path / "edited.csv"
        file.write_bytes("".join(line + end for line in (header, *rows)).encode())
        return file

    return write


def batches(file: Path = FILE, size: int = 100, partitions: int = 1) -> list[Message]:
    return list(messages(records(file), size, partitions))


def events(of: list[Message]) -> list[dict[str, Any]]:
    """The records of all messages."""
    return [record for message in of for record in json.loads(message.value, parse_float=Decimal)]


def test_the_bundled_file_is_five_batches_of_100_and_one_of_6() -> None:
    assert [len(json.loads(message.value)) for message in batches()] == [100] * 5 + [6]


def test_every_record_is_its_line_of_the_file_with_its_number_and_every_digit() -> None:
    lines = FILE.read_text().splitlines()[1:]
    texts = [
        record
        for message in batches()
        for record in json.loads(message.value, parse_float=str, parse_int=str)  # as they stand in the message
    ]

    assert [list(record) for record in texts] == [["id", *map(str.lower, HEADER)]] * 506
    assert [",".join(list(record.values())[1:]) for record in texts] == lines
    assert [record["id"] for record in texts] == [str(number) for number in range(1, 507)]


def test_the_bundled_file_is_what_its_users_expect() -> None:
    medv = [Decimal(record["medv"]) for record in events(batches())]

    assert [len(medv), *map(int, (min(medv), max(medv)))] == [506, 5, 50]
    assert f"{sum(medv) / len(medv):.4f}" == "22.5328"


def test_the_bundled_file_is_described_by_column() -> None:
    described = (HOME / "datasets/README.md").read_text()

    assert f"{len(records(FILE))} rows" in described
    assert all(f"| `{name}` |" in described for name in HEADER)


def test_the_pipeline_reads_no_field_that_is_not_sent() -> None:
    assert {field.name for field in PIPELINE.fields} <= set(events(batches())[0])


@pytest.mark.parametrize("size", [1, 7, 253, 505, 506, 507, MOST])
def test_batches_of_any_size_hold_the_same_records(size: int) -> None:
    made = batches(size=size, partitions=3)

    assert events(made) == events(batches())
    assert {len(json.loads(message.value)) for message in made[:-1]} <= {size}
    assert [message.key.decode() for message in made] == [str(1 + start) for start in range(0, 506, size)]


def test_batches_go_to_the_wanted_partitions_in_turn() -> None:
    assert [message.partition for message in batches(partitions=3)] == [0, 1, 2, 0, 1, 2]
    assert {message.partition for message in batches(partitions=1)} == {0}


def test_a_batch_that_is_delivered_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    for message in batches():
        assert capsys.readouterr().out == ""
        assert message.on_delivered is not None
        message.on_delivered()
        size = len(json.loads(message.value))
        assert capsys.readouterr().out == f"Sent batch of {size} records to Kafka\n"


def test_the_largest_batch_is_far_from_what_kafka_takes_at_most() -> None:
    assert max(len(message.value) for message in batches(size=MOST)) < 2**20 / 4


def test_in_an_edited_file_the_ids_of_the_other_rows_stay(tmp_path: Path) -> None:
    lines = FILE.read_text().splitlines()
    lines[7] = lines[7].rsplit(",", 1)[0] + ",49.95"
    (tmp_path / "edited.csv").write_text("\n".join([*lines, ROW]) + "\n")
    before, after = events(batches()), events(batches(tmp_path / "edited.csv"))

    assert after[6] == before[6] | {"medv": Decimal("49.95")}
    assert after[506] == before[0] | {"id": 507}
    assert after[:6] + after[7:506] == before[:6] + before[7:]


@pytest.mark.parametrize("text", ["396.90", "0.00632", "18", "-1.50", "12345678901234567890.12345678901234567890"])
def test_a_number_keeps_its_digits(written: Written, text: str) -> None:
    (message,) = batches(written(ROW.replace("396.9,", f"{text},")))

    assert f'"b": {text}, '.encode() in message.value


def test_a_number_of_a_spreadsheet_is_one_too(written: Written) -> None:
    assert events(batches(written(ROW.replace("0.00632", " 6.32E-03 "))))[0]["crim"] == Decimal("0.00632")


@pytest.mark.parametrize(
    ("text", "sent"), [("", None), (" ", None), ("high", "high"), ("NaN", "NaN"), ("1_0", "1_0"), ("1e999", "1e999")]
)
def test_what_is_no_number_is_sent_as_it_is(written: Written, text: str, sent: str | None) -> None:
    (record,) = events(batches(written(ROW.replace("396.9,", f"{text},"))))

    assert record["b"] == sent


@pytest.mark.parametrize(
    ("change", "end"), [({}, "\n"), ({"header": "\ufeff" + ",".join(HEADER)}, "\r\n"), ({}, "\n\n")]
)
def test_a_file_may_have_a_byte_order_mark_other_line_ends_and_empty_lines(
    written: Written, change: dict[str, str], end: str
) -> None:
    assert [record["id"] for record in events(batches(written(ROW, ROW, end=end, **change)))] == [1, 2]


def test_a_file_of_no_rows_is_no_message(written: Written) -> None:
    assert batches(written()) == []


@pytest.mark.parametrize(
    ("rows", "change", "said"),
    [
        ([ROW, ROW + ",1", ROW], {}, r"edited\.csv, line 3: 15 values, expected 14"),
        ([ROW, "1,2"], {}, r"edited\.csv, line 3: 2 values, expected 14"),
        ([ROW, "", "x"], {}, r"edited\.csv, line 4: 1 values, expected 14"),
        ([ROW, '"'], {}, r"edited\.csv, after line 3: unexpected end of data; expected a CSV file in UTF-8"),
        ([ROW], {"header": "CRIM,ZN"}, r"edited\.csv, line 1: the header is 'CRIM,ZN', expected 'CRIM,ZN,INDUS,"),
        ([ROW], {"header": ";".join(HEADER)}, r"line 1: the header is 'CRIM;ZN;.*', expected 'CRIM,ZN,"),
        ([], {"header": ROW}, r"line 1: the header is '0\.00632,18,.*', expected 'CRIM,ZN,"),
    ],
)
def test_a_file_that_is_refused_is_refused_by_line(
    written: Written, rows: list[str], change: dict[str, str], said: str
) -> None:
    with pytest.raises(ProduceError, match=said):
        records(written(*rows, **change))


@pytest.mark.parametrize("content", [b"", b"\xff\xfeC\x00R\x00", b"\x89PNG\r\n"])
def test_what_is_no_csv_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "other").write_bytes(content)

    with pytest.raises(ProduceError, match=r"other, (line 1: the header is ''|after line 0: .* CSV file in UTF-8)"):
        records(tmp_path / "other")


def test_a_refused_file_ends_the_command_before_kafka_is_asked(written: Written) -> None:
    done = CliRunner().invoke(main, ["--bootstrap-servers", "127.0.0.1:1", "--file", str(written(ROW, "1"))])

    assert (done.exit_code, done.stdout) == (1, "")
    assert "line 3: 1 values, expected 14" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["--file", "missing.csv"],
        ["--file", "."],
        ["--batch-size", "0"],
        ["--batch-size", str(MOST + 1)],
        ["--partitions", "0"],
        ["--partitions", str(PIPELINE.topic.partitions + 1)],
        ["--rate", "-1"],
    ],
)
def test_an_option_that_is_not_possible_is_refused_by_name(arguments: list[str]) -> None:
    done = CliRunner().invoke(main, arguments)

    assert done.exit_code == 2
    assert arguments[0] in done.stderr
    assert arguments[1] in done.stderr
