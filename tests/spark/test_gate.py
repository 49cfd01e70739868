"""The gate: what every store can hold passes, and what is refused has no values from there on."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from chispa import assert_df_equality
from pyspark.sql import functions as F

from app.limits import KEY_BYTES, STATE_BYTES, STRING_BYTES, moments
from app.model import Alert, Column, Count, Derived, Latest, Max, Pipeline, Sliding, Topic, TopN, Tumbling, View
from app.parse import EXCERPT_BYTES
from app.settings import HOME
from app.transform import aggregate, decode
from tests.spark.conftest import Message, Messages, Table
from tests.spark.test_decode import GOOD, expect_reasons, order
from tests.spark.test_decode import PIPELINE as ORDERS

COUNT = Count("orders")


def pipeline(*views: View | Alert, **columns: str) -> Pipeline:
    """Orders with views; `columns`: expressions that clean one of its columns, or derive another string."""
    fields = {column.name: column for column in ORDERS.fields}
    cleaned = (replace(column, clean=columns.get(name)) for name, column in fields.items())
    derived = (Derived(name, "string", text) for name, text in columns.items() if name not in fields)
    return replace(ORDERS, columns=(*cleaned, *derived), views=views or ORDERS.views)


@pytest.mark.parametrize("text", ["url_decode(id)", "concat(id, chr(0))", "cast(unhex(id) as string)"])
@pytest.mark.parametrize("name", ["id", "made"])
def test_a_string_that_an_expression_made_is_held_to_what_postgres_takes(
    messages: Messages, table: Table, name: str, text: str
) -> None:
    given = {"url_decode(id)": "a%00b", "cast(unhex(id) as string)": "61ff"}.get(text, "a")
    expect_reasons(messages, table, {order(id=given): f"invalid_{name}"}, pipeline(**{name: text}))


def test_bytes_that_are_text_are_taken(messages: Messages, table: Table) -> None:
    expect_reasons(messages, table, {order(id="61c3a9"): None}, pipeline(made="cast(unhex(id) as string)"))


@pytest.mark.parametrize("character", ["a", "é", "😀"])
def test_a_key_has_at_most_so_many_bytes(messages: Messages, table: Table, character: str) -> None:
    fits = character * (KEY_BYTES // len(character.encode()))
    expected: dict[Message, Any] = {
        order(id=fits): None,
        order(id=f"{fits}a"): "too_long_id",
        order(id=f"{'a' * 4000}"): "too_long_id",
    }
    expect_reasons(messages, table, expected, pipeline(View("ids", ("id",), (COUNT,))))
    expect_reasons(messages, table, dict.fromkeys(expected), pipeline())  # where it is no key


def test_a_key_is_as_long_as_it_was_made(messages: Messages, table: Table) -> None:
    by_id = View("ids", ("id",), (COUNT,))
    cut, grown = pipeline(by_id, id="left(id, 10)"), pipeline(by_id, id="repeat(id, 2000)")
    expect_reasons(messages, table, {order(id="a" * 4000): None}, cut)
    expect_reasons(messages, table, {order(id="a"): "too_long_id"}, grown)


def test_all_keys_of_a_view_count_together(messages: Messages, table: Table) -> None:
    view = View("pairs", ("id", "made", Tumbling("1 hour")), (COUNT,))
    room = KEY_BYTES - 16
    expected: dict[Message, Any] = {
        order(id="a" * (room // 2)): None,
        order(id="a" * (room // 2 + 1)): "too_long_made",
        order(id="a" * (room + 1)): "too_long_id",
    }
    expect_reasons(messages, table, expected, pipeline(view, made="lower(id)"))


@pytest.mark.parametrize("shown", [Latest(("id",), by="at"), Max("id", of="id")])
def test_what_readers_search_by_fits_an_index(messages: Messages, table: Table, shown: Any) -> None:
    found = View("days", ("amount",), (shown,), indexes=("id",))
    expected: dict[Message, Any] = {order(id="a" * KEY_BYTES): None, order(id="a" * (KEY_BYTES + 1)): "too_long_id"}
    expect_reasons(messages, table, expected, pipeline(found))
    expect_reasons(messages, table, dict.fromkeys(expected), pipeline(replace(found, indexes=())))


def test_a_string_that_an_expression_made_is_no_longer_than_a_message(messages: Messages, table: Table) -> None:
    expected: dict[Message, Any] = {
        order(id="a" * (STRING_BYTES // 8)): None,
        order(id="a" * (STRING_BYTES // 8 + 1)): "too_long_made",
    }
    expect_reasons(messages, table, expected, pipeline(made="repeat(id, 8)"))


def test_the_json_that_an_event_adds_to_a_key_is_bounded(messages: Messages, table: Table) -> None:
    top = View("top", (), (TopN("top", ("id", "made"), by="amount", n=100),))
    size = STATE_BYTES // 100 // 2
    expected: dict[Message, Any] = {
        order(id="a" * (size - 200)): None,
        order(id="a" * (size + 200)): "too_long_made",
        order(id="a" * (2 * size)): "too_long_id",
        order(id="\x01" * (size // 5)): "too_long_made",  # six bytes each
    }
    expect_reasons(messages, table, expected, pipeline(top, made="lower(id)"))


@pytest.mark.parametrize("window", [Tumbling("7 days"), Sliding("10 minutes", "1 minute"), Tumbling("1 second")])
def test_every_window_that_holds_an_event_is_in_the_years_that_all_have(
    messages: Messages, table: Table, window: Any
) -> None:
    """The bounds themselves are held by the law in tests/unit/test_limits.py."""
    expected: dict[Message, Any] = {
        order(at="0001-01-01T00:00:00Z"): None if window.length == "1 second" else "invalid_at",
        order(at="0001-01-09T00:00:00Z"): None,
        order(at="9999-12-20T00:00:00Z"): None,
        order(at="9999-12-31T23:59:59.999999Z"): "invalid_at",
    }
    source_df = messages(*expected)
    of = pipeline(View("windows", (window,), (COUNT,)))
    expect_reasons(messages, table, expected, of)
    expect_reasons(messages, table, dict.fromkeys(expected), pipeline())
    ends = [F.unix_micros(F.min("window_start")), F.unix_micros(F.max("window_end"))]
    ((first, last),) = aggregate(decode(source_df, of), of).agg(*ends).collect()
    assert moments([]).first <= first
    assert last <= moments([]).last


def test_what_is_refused_has_no_values(messages: Messages, table: Table) -> None:
    source_df = messages(order(id="a\0b", units=7, paid=True), order(amount="x"), GOOD)

    actual_df = decode(source_df, ORDERS).select("_reason", "id", "at", "amount", "units", "paid")

    rows = [("invalid_id", *[None] * 5), ("invalid_amount", *[None] * 5)]
    good = [(None, "a", datetime(2026, 1, 1, 12, tzinfo=UTC))]
    expected_df = table(rows + [(*one, None, None, None) for one in good], "_reason string, id string, at timestamp, "
                        "amount decimal(6,2), units int, paid boolean")  # fmt: skip
    assert_df_equality(actual_df.drop("amount"), expected_df.drop("amount"), ignore_nullable=True)
    assert actual_df.where("_reason is not null and amount is not null").isEmpty()


def test_what_is_refused_is_in_no_measure(messages: Messages) -> None:
    views = View("all", (), (Max("most", of="amount"), Latest(("id",), by="at"), TopN("top", ("id",), by="at", n=2)))
    of = pipeline(views)
    rows = aggregate(decode(messages(order(id="a\0b")), of), of).collect()
    assert [row["view"] for row in rows] == [1]
    assert rows[0]["max_amount"] is None
    kept = [json.loads(value) for name, value in rows[0].asDict().items() if name.startswith("top")]
    assert [[item["row"] for item in items] for items in kept] == [[{"id": None}]] * 2


def test_an_excerpt_is_the_start_of_a_message_or_the_columns_of_an_element(messages: Messages, table: Table) -> None:
    long = order(id="x" * 10_000, amount="?")
    assert f"at most {EXCERPT_BYTES:,} bytes of text" in (HOME / "docs/pipelines.md").read_text()
    source_df = messages(long, f"[{GOOD}, {order(amount='?', more=[1])}, null]", GOOD, b"\xff", f" {order(at=1)}")

    actual_df = decode(source_df, ORDERS).select("_offset", "_index", F.col("_value").cast("string").alias("text"))

    element = '{"id":"a","at":"2026-01-01T12:00:00Z","amount":"?"}'
    rows = [(0, 0, long[:EXCERPT_BYTES]), (1, 0, None), (1, 1, element), (1, 2, "null"), (2, 0, None)]
    expected_df = table([*rows, (4, 0, f" {order(at=1)}")], "_offset bigint, _index int, text string")
    assert_df_equality(actual_df.where("_offset <> 3"), expected_df, ignore_nullable=True, ignore_row_order=True)


def test_all_excerpts_of_a_message_have_not_much_more_than_it(messages: Messages) -> None:
    for element in ("{}", "null", '{"id": 1}', '{"other": 1}'):
        text = f"[{','.join([element] * 20_000)}]"
        (total,) = decode(messages(text), ORDERS).agg(F.sum(F.octet_length("_value"))).first() or (0,)
        assert total <= 2 * len(text)


def test_a_topic_may_have_any_columns_at_all(messages: Messages, table: Table) -> None:
    one = Pipeline(
        name="one", description="", topic=Topic("one", 1), columns=(Column("at", "timestamp"),), event_time="at",
        views=(View("all", (), (COUNT,)),),
    )  # fmt: skip
    expect_reasons(messages, table, {'{"at": "2026-01-01"}': None, "{}": "missing_at", "[{}]": ["missing_at"]}, one)
