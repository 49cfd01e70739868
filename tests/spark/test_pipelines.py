"""The examples that a pipeline carries are its test: what they say of each message is what becomes of it."""

import importlib.util
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from app import new_pipeline, pipelines
from app.events import EXAMPLES_ARRIVE, MESSAGE
from app.model import Check, Column, Count, Dedup, Example, Pipeline, Topic, View
from app.transform import aggregate, decode
from producers.generic import Generic
from tests.spark.conftest import Table

Found = list[set[str | None]]
ALL_TYPES = Pipeline(
    name="all_types",
    description="A column of every type, and no example",
    topic=Topic("all_types", 1),
    columns=(
        Column("id", "int"),
        Column("at", "timestamp"),
        Column("text", "string"),
        Column("whole", "bigint"),
        Column("digit", "decimal(1,0)"),
        Column("share", "decimal(2,2)"),
        Column("wide", "decimal(38,10)"),
        Column("flag", "boolean"),
        Column("day", "date"),
    ),
    event_time="at",
    dedup=Dedup("id", "1 hour"),
    views=(View("texts", ("text",), (Count("events"),)),),
)


def decoded(table: Table, pipeline: Pipeline, messages: list[str], arrival: datetime = EXAMPLES_ARRIVE) -> DataFrame:
    """The events of messages that all arrive at the same time."""
    rows = [(pipeline.topic.name, 0, n, arrival, bytearray(text.encode())) for n, text in enumerate(messages)]
    return decode(table(rows, MESSAGE), pipeline)


def reasons(events: DataFrame, messages: int) -> Found:
    """What became of the events of each message: their reasons, None for accepted."""
    found: Found = [set() for _ in range(messages)]
    for row in events.select("_offset", "_reason").collect():
        found[row["_offset"]].add(row["_reason"])
    return found


def check_examples(table: Table, pipeline: Pipeline) -> None:
    """Every message becomes what its example says, and the accepted ones reach every view.

    Raises:
        AssertionError: one does not; the message names the pipeline, the example, and what became of it.
    """
    assert any(example.reason is None for example in pipeline.examples), f"{pipeline.name} has no accepted example"
    events = decoded(table, pipeline, [example.message for example in pipeline.examples]).cache()
    for example, found in zip(pipeline.examples, reasons(events, len(pipeline.examples)), strict=True):
        assert found == {example.reason}, f"{pipeline.name}: {example.message} becomes {found}, not {example.reason!r}"
    rows = aggregate(events.where(F.col("_reason").isNull()), pipeline).select("view").distinct().collect()
    missing = [view.name for number, view in enumerate(pipeline.views) if number not in {row["view"] for row in rows}]
    assert not missing, f"{pipeline.name}: the accepted examples give no row of {', '.join(missing)}"


@pytest.fixture
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    """A pipeline that was just written and not touched since."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    spec = importlib.util.spec_from_file_location("fresh", new_pipeline.write("fresh", tmp_path))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: Pipeline = module.PIPELINE
    return found


@pytest.mark.parametrize("name", pipelines.names())
def test_the_examples_of_a_pipeline_become_what_they_say(table: Table, name: str) -> None:
    check_examples(table, pipelines.load(name))


def test_the_examples_of_a_freshly_written_pipeline_become_what_they_say(table: Table, fresh: Pipeline) -> None:
    check_examples(table, fresh)

    assert {example.reason for example in fresh.examples} == {None, "amount_negative", "missing_amount"}


@pytest.mark.parametrize(
    ("example", "complaint"),
    [
        (Example('{"kind": "tea"}'), r"becomes \{'missing_event_id'\}, not None"),
        (Example('{"kind": "tea"}', "missing_kind"), r"becomes \{'missing_event_id'\}, not 'missing_kind'"),
        (Example("[]"), r"becomes \{'not_json_objects'\}, not None"),
    ],
    ids=["not accepted", "another reason", "no event"],
)
def test_an_example_that_says_what_is_not_so_fails(
    table: Table, fresh: Pipeline, example: Example, complaint: str
) -> None:
    with pytest.raises(AssertionError, match=complaint):
        check_examples(table, replace(fresh, examples=(*fresh.examples, example)))


def test_a_pipeline_fails_without_an_accepted_example(table: Table, fresh: Pipeline) -> None:
    refused = tuple(example for example in fresh.examples if example.reason)

    with pytest.raises(AssertionError, match="fresh has no accepted example"):
        check_examples(table, replace(fresh, examples=refused))


def test_a_check_that_the_examples_do_not_meet_fails(table: Table, fresh: Pipeline) -> None:
    with pytest.raises(AssertionError, match=r"becomes \{'amount_small'\}, not None"):
        check_examples(table, replace(fresh, checks=(Check("amount_small", "amount >= 1"),)))


@pytest.mark.parametrize("made_of", ["examples", "types"])
def test_made_up_events_are_accepted(table: Table, fresh: Pipeline, made_of: str) -> None:
    """Of a pipeline with examples, and of one that has only the types of its columns."""
    pipeline = fresh if made_of == "examples" else ALL_TYPES
    now = datetime.now(UTC)
    sent = [message.value.decode() for message in Generic(pipeline, late=20, seed=1).messages(range(200), lambda: now)]

    assert reasons(decoded(table, pipeline, sent, now), len(sent)) == [{None}] * 200
