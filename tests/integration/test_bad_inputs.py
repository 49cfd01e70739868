"""The table of bad inputs: each kind of value, in a column of each type and role. The oracle says what is right."""

import itertools
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from app import history
from app.postgres import Role
from app.settings import Settings
from tests.fuzz import table
from tests.fuzz.account import account
from tests.fuzz.definitions import KINDS, pipeline
from tests.fuzz.oracle import events
from tests.fuzz.plain import Message
from tests.fuzz.run import Layers, read, unequal
from tests.fuzz.shrink import report
from tests.integration.conftest import NewStack, Stack

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("kind", KINDS)
def test_what_becomes_of_every_kind_of_value_in_every_role(spark: SparkSession, database: Settings, kind: str) -> None:
    layers, definition, sent = Layers(spark, database), table.definition(kind), table.messages(kind)

    differences = layers.differences(definition, sent)

    assert differences == [], report(layers, definition, sent, differences, 30)


def test_what_becomes_of_every_kind_of_value_in_files(
    new_stack: NewStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = b"".join(line + b"\n" for (*_, role), line in table.lines() if role == "history")
    (tmp_path / "history.json").write_bytes(text)
    monkeypatch.setattr(history, "HOME", tmp_path)
    made = pipeline(table.wide(), "any")
    own = {field.name: getattr(made, field.name) for field in fields(made) if field.name not in ("name", "topic")}
    stack = new_stack(**own | {"history": ("history.json",), "drops": True})
    (stack.drops / "a.json").write_bytes(b'{"file": "dropped"}\n' + text)

    stack.take_drops()
    stack.batch()

    kept = arrived(stack)
    assert sorted(line for (*_, role), line in table.lines()) == sorted(
        message.value or b"" for message in kept if message.value != b'{"file": "dropped"}'
    )
    expected = account(table.wide(), events(table.wide(), kept))
    assert unequal(expected, read(stack.connection(Role.READ), stack.pipeline.name, table.wide())) == []
    assert stack.verify().exact


def arrived(stack: Stack) -> list[Message]:
    """The lines, with the places that the master dataset has given them."""
    rows = stack.lake.bronze().selectExpr("partition", "offset", "unix_micros(timestamp)", "value").collect()
    return [Message(partition, offset, micros, bytes(value)) for partition, offset, micros, value in rows]


def test_no_cell_of_the_table_is_empty_but_those_that_no_definition_can_have(
    capsys: pytest.CaptureFixture[str],
) -> None:
    filled = {cell for kind in KINDS for cell, _ in table.cells(kind)} | {cell for cell, _ in table.lines()}
    roles = (*table.ROLES, "element", *table.FILES)
    empty = [cell for cell in itertools.product(table.VALUES, KINDS, roles) if cell not in filled]

    with capsys.disabled():
        print("\nempty cells:", *sorted({f"{kind} as {role}" for _, kind, role in empty}), sep="\n  ")
    assert {(kind, role) for _, kind, role in empty} == {(kind, "event_time") for kind in KINDS if kind != "timestamp"}
