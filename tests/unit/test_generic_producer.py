"""Events that are made of a definition: what they look like, how they are keyed and timed, and who makes them."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from app import pipelines
from app.model import Column, Count, Dedup, Example, Pipeline, Topic, Tumbling, View
from app.pipelines.transactions import PIPELINE as TRANSACTIONS
from embedded.process import Server
from embedded.stack import Ports, Stack
from producers import generic
from producers.generic import Generic, main
from producers.producing import Delivery, Message
from tests.unit.sequences import NOON, event, messages

COLUMNS = (
    Column("id", "string"),
    Column("shop", "string"),
    Column("low", "decimal(12,2)"),
    Column("high", "decimal(12,2)"),
    Column("units", "int"),
    Column("paid", "boolean"),
    Column("ordered", "timestamp"),
    Column("shipped", "timestamp"),
    Column("due", "date"),
    Column("note", "string", required=False),
)
MINUTES = View("minutes", (Tumbling("1 minute"),), (Count("orders"),))
SHOPS = View("shops", ("shop",), (Count("orders"),))
ONE = {
    "id": "1", "shop": "Ä", "low": "1.50", "high": 9.25, "units": 3, "paid": True, "extra": 1, "due": "2026-01-03",
    "ordered": "2026-01-01T10:00:00Z", "shipped": "2026-01-01T11:00:00Z",
}  # fmt: skip
TWO = ONE | {"shop": "b", "low": -4, "high": 20, "units": 90, "paid": False, "shipped": "2026-01-01 20:00:00+01:00"}
ORDERS = Pipeline(
    name="orders",
    description="",
    topic=Topic("orders", 3),
    columns=COLUMNS,
    event_time="ordered",
    dedup=Dedup("id", "1 hour"),
    views=(MINUTES, SHOPS),
    examples=(
        Example(json.dumps([ONE, TWO])),
        Example(json.dumps(ONE | {"shop": "refused", "units": -1}), reason="units_negative"),
        Example("{", reason="not_json_objects"),
    ),
)

sequences = st.builds(
    Generic,
    pipeline=st.sampled_from([ORDERS, TRANSACTIONS, replace(ORDERS, examples=())]),
    duplicates=st.sampled_from([0.0, 50.0]),
    late=st.sampled_from([0.0, 50.0]),
    seed=st.integers(),
)


def events(pipeline: Pipeline, count: int = 200) -> list[dict[str, Any]]:
    return [event(message) for message in messages(Generic(pipeline, seed=1), count)]


def time(text: str) -> datetime:
    return datetime.fromisoformat(text)


@given(sequences)
def test_a_seed_gives_the_same_messages_again_and_none_gives_others(sequence: Generic) -> None:
    unseeded = [messages(replace(sequence, seed=None)) for _ in range(2)]

    assert messages(sequence) == messages(sequence)
    assert unseeded[0] != unseeded[1]


@given(sequences)
def test_every_event_has_the_columns_of_the_pipeline_and_no_others(sequence: Generic) -> None:
    columns = {column.name for column in sequence.pipeline.columns}
    required = {column.name for column in sequence.pipeline.columns if column.required}

    for message in messages(sequence):
        assert required <= set(event(message)) <= columns


@given(sequences)
def test_every_new_event_has_an_id_of_its_own_that_only_its_duplicate_repeats(sequence: Generic) -> None:
    assert sequence.pipeline.dedup is not None
    first = [message for message in messages(sequence) if message.kind != "duplicate"]
    again = [message for message in messages(sequence) if message.kind == "duplicate"]

    assert len({event(message)[sequence.pipeline.dedup.id] for message in first}) == len(first) == 40
    assert {message.value for message in again} <= {message.value for message in first}


def test_events_are_keyed_by_the_first_column_that_a_view_is_keyed_by() -> None:
    assert {(m.key.decode(), event(m)["shop"]) for m in messages(Generic(ORDERS, seed=1))} == {("Ä", "Ä"), ("b", "b")}


def test_events_of_a_pipeline_without_such_a_view_go_to_all_partitions() -> None:
    assert len({message.key for message in messages(Generic(replace(ORDERS, views=(MINUTES,))))}) == 40


def test_numbers_lie_between_those_of_the_accepted_examples_all_at_the_same_place() -> None:
    made = events(ORDERS)

    assert {-4 <= one["low"] <= Decimal("1.5") and 3 <= one["units"] <= 90 for one in made} == {True}
    assert all(one["low"] <= one["high"] for one in made)
    assert len({one["units"] for one in made}) > 20
    assert all(type(one["units"]) is int and one["low"].as_tuple().exponent == -2 for one in made)


def test_what_has_no_between_is_as_in_one_of_the_accepted_examples() -> None:
    assert {(one["shop"], one["paid"]) for one in events(ORDERS)} == {("Ä", True), ("b", False)}


def test_an_event_happens_now_and_its_other_times_keep_their_distance() -> None:
    made = events(ORDERS)
    distances = [time(one["shipped"]) - time(one["ordered"]) for one in made]

    assert {one["ordered"] for one in made} == {"2026-06-01T12:00:00.000Z"}
    assert timedelta(hours=1) <= min(distances) < timedelta(hours=2)
    assert timedelta(hours=8) < max(distances) <= timedelta(hours=9)
    assert {one["due"] for one in made} == {"2026-06-03"}


def test_a_number_keeps_all_the_digits_that_its_column_has() -> None:
    columns = (*COLUMNS, Column("wide", "decimal(38,10)"))
    wide = "1234567890123456789012345678.0123456789"
    pipeline = replace(ORDERS, columns=columns, examples=(Example(json.dumps(ONE | {"wide": wide})),))

    assert {str(one["wide"]) for one in events(pipeline, 5)} == {wide}


@pytest.mark.parametrize("kind", ["int", "bigint", "decimal(12,2)"])
def test_an_id_that_is_a_number_is_another_one_each_time(kind: str) -> None:
    pipeline = replace(ORDERS, columns=(Column("id", kind), *COLUMNS[1:]))

    assert len({one["id"] for one in events(pipeline)}) == 200


def test_a_value_that_is_not_understood_is_sent_as_in_the_example() -> None:
    odd = {"units": True, "due": "soon", "shipped": "2026-01-01T10:00:00 Europe/Berlin", "note": {"a": 1.5}}
    pipeline = replace(ORDERS, examples=(Example(json.dumps(ONE | odd)),))

    assert {name: events(pipeline, 1)[0][name] for name in odd} == odd


@pytest.mark.parametrize("percent", [0.0, 3.0, 40.0, 100.0])
@pytest.mark.parametrize(("option", "kind"), [("duplicates", "duplicate"), ("late", "late")])
def test_shares_are_those_that_were_asked_for(option: str, kind: str, percent: float) -> None:
    shares: dict[str, Any] = {option: percent}
    found = Counter(message.kind for message in messages(Generic(ORDERS, seed=1, **shares), 4_000))

    assert found[kind] / 40 == pytest.approx(percent, abs=0 if percent in (0, 100) else 2.5)


def test_late_events_are_up_to_three_days_late() -> None:
    late = [NOON - time(event(message)["ordered"]) for message in messages(Generic(ORDERS, late=100.0, seed=1), 500)]

    assert timedelta(0) < min(late) < timedelta(hours=12)
    assert timedelta(days=2) < max(late) <= timedelta(days=3)


def test_an_unknown_pipeline_is_refused_with_those_there_are() -> None:
    done = CliRunner().invoke(main, ["nope"])

    assert done.exit_code == 2
    assert f"no pipeline is called 'nope'; there are: {', '.join(pipelines.names())}" in done.stderr


def test_the_command_sends_to_the_topic_of_the_pipeline_as_many_as_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[str, str, float, list[Message]]] = []

    def produce(made: Any, topic: str, servers: str, rate: float) -> Delivery:
        sent.append((topic, servers, rate, list(made)))
        delivery = Delivery(None, topic)
        delivery.kinds.update(message.kind for message in sent[0][3])
        return delivery

    monkeypatch.setattr(generic, "produce", produce)
    options = ["--count", "4", "--rate", "7", "--seed", "1", "--duplicates", "100", "--bootstrap-servers", "here:1"]
    done = CliRunner().invoke(main, ["transactions", *options])

    assert done.exit_code == 0
    assert done.stdout.endswith("(4 duplicate, 4 new)\n")
    topic, servers, rate, made = sent[0]
    assert (topic, servers, rate, len(made)) == ("transactions", "here:1", 7.0, 8)
    assert {abs(datetime.now(UTC) - time(event(m)["event_time"])) < timedelta(minutes=1) for m in made} == {True}


@pytest.mark.parametrize(
    ("pipeline", "command"),
    [(TRANSACTIONS, ["producers.transactions"]), (ORDERS, ["producers.generic", "orders"])],
    ids=["its own", "any pipeline's"],
)
def test_the_stack_starts_the_producer_of_a_pipeline_or_else_that_of_any(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pipeline: Pipeline, command: list[str]
) -> None:
    started: list[Sequence[str]] = []

    def start(_: Stack, __: Server, words: Sequence[str]) -> None:
        started.append(words)

    monkeypatch.setattr(Stack, "start", start)
    Stack(tmp_path, Ports(1, 2, 3, 4, 5, 6), [pipeline]).start_producers(pipeline, {"rate": 5, "unheard-of": 1})

    assert [words[1:] for words in started] == [["-P", "-m", *command, "--rate", "5"]]


def test_the_stack_drops_files_too_where_the_pipeline_takes_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[Sequence[str]] = []
    monkeypatch.setattr(Stack, "start", lambda _, __, words: started.append(words))
    sensors = pipelines.load("sensors")
    servers = Stack(tmp_path, Ports(1, 2, 3, 4, 5, 6), [sensors]).start_producers(sensors, {"rate": 5})

    assert [words[4:] for words in started] == [
        ["--rate", "5"],
        ["--rate", "5", "--files", f"{tmp_path}/drops/sensors", "--twice", "10", "--half-written", "10"],
    ]
    assert len(servers) == 2
