"""What a message becomes: typed events, or events in the quarantine with the first reason that applies."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import product
from typing import Any

import pytest
from chispa import assert_df_equality
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from app.events import MAX_MESSAGE_BYTES
from app.model import Column, Count, Pipeline, Topic, View
from app.parse import END_OF_ARRAY, END_OF_VALUE
from app.transform import decode
from tests.spark.conftest import Message, Messages, Table, arrived

PIPELINE = Pipeline(
    name="orders",
    description="",
    topic=Topic("orders", 1),
    columns=(
        Column("id", "string"),
        Column("at", "timestamp"),
        Column("amount", "decimal(6,2)"),
        Column("units", "int", required=False),
        Column("stock", "bigint", required=False),
        Column("day", "date", required=False),
        Column("paid", "boolean", required=False),
    ),
    event_time="at",
    views=(View("all", (), (Count("orders"),)),),
)
ORDER = {"id": "a", "at": "2026-01-01T12:00:00Z", "amount": "1.50"}
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
GOOD = json.dumps(ORDER)


def order(**changes: Any) -> str:
    """An order as JSON; a change to `...` leaves the field out."""
    return json.dumps({name: value for name, value in (ORDER | changes).items() if value is not ...})


def reasons(source_df: DataFrame, pipeline: Pipeline = PIPELINE) -> DataFrame:
    return decode(source_df, pipeline).select("_offset", "_index", "_reason")


def expect_reasons(
    messages: Messages, table: Table, expected: dict[Message, Any], pipeline: Pipeline = PIPELINE
) -> None:
    """Each message becomes one event with this reason, or several where a list of reasons is expected."""
    source_df = messages(*expected)
    listed = [reason if isinstance(reason, list) else [reason] for reason in expected.values()]
    rows = [(offset, index, reason) for offset, found in enumerate(listed) for index, reason in enumerate(found)]
    expected_df = table(rows, "_offset bigint, _index int, _reason string")

    assert_df_equality(reasons(source_df, pipeline), expected_df, ignore_nullable=True, ignore_row_order=True)


def expect_values(messages: Messages, table: Table, field: str, values: dict[Any, Any]) -> None:
    """Each value of a field is decoded to this; where that is null, the event is in the quarantine as invalid."""
    kind = PIPELINE.types[field]
    actual_df = decode(messages(*(order(**{field: value}) for value in values)), PIPELINE)
    rows = [(n, value, f"invalid_{field}" if value is None else None) for n, value in enumerate(values.values())]
    expected_df = table(rows, f"_offset bigint, {field} {kind}, _reason string")

    assert_df_equality(actual_df.select("_offset", field, "_reason"), expected_df, ignore_nullable=True)


def test_an_object_becomes_one_event_with_its_origin(messages: Messages, table: Table) -> None:
    source_df = messages(GOOD)

    actual_df = decode(source_df, PIPELINE)

    row = ("orders", 0, 0, 0, arrived(0), None, None, "a", NOON, Decimal("1.50"), *[None] * 4)
    expected_df = table(
        [row],
        "_topic string, _partition int, _offset bigint, _index int, arrival timestamp, _value binary, _reason string, "
        "id string, at timestamp, amount decimal(6,2), units int, stock bigint, day date, paid boolean",
    )
    assert_df_equality(actual_df, expected_df, ignore_nullable=True)


def test_an_array_becomes_an_event_for_each_element(messages: Messages, table: Table) -> None:
    source_df = messages(f"[{order(id='a')}, {order(id='b')}]", order(id="c"), f"  [ {order(id='d')} ]  ")

    actual_df = decode(source_df, PIPELINE).select("_offset", "_index", "id", "_reason")

    expected_df = table(
        [(0, 0, "a", None), (0, 1, "b", None), (1, 0, "c", None), (2, 0, "d", None)],
        "_offset bigint, _index int, id string, _reason string",
    )
    assert_df_equality(actual_df, expected_df, ignore_nullable=True, ignore_row_order=True)


def test_an_element_that_is_null_is_an_event_in_the_quarantine(messages: Messages, table: Table) -> None:
    expected: dict[Message, Any] = {"null": "not_an_object", f"[null, {GOOD}]": ["not_an_object", None]}

    expect_reasons(messages, table, expected)


def test_what_is_not_json_objects_is_one_event_in_the_quarantine(messages: Messages, table: Table) -> None:
    wrong: list[Message] = [
        "", " ", "hello", "5", '"text"', "true", "[]", "[[]]", "[1]", f"[{GOOD}, 1]", f"[[{GOOD}]]", f"[[{GOOD}], []]",
        GOOD[:-1], f"[{GOOD}", f"[{GOOD},", f"[{GOOD},]", f"[{GOOD}, {GOOD[:-1]}]", '{"id": {"a": 1}', GOOD[:20],
        f"{GOOD} x", f"{GOOD}}}", f"[{GOOD}] x", f"{GOOD}{GOOD}", f"{GOOD}\n{GOOD}",
        f"{GOOD} // note", "\ufeff" + GOOD, '{"id": 01}', "{id: 1}",
    ]  # fmt: skip

    expect_reasons(messages, table, dict.fromkeys(wrong, "not_json_objects"))


@pytest.mark.parametrize("tail", [f",{GOOD}", f"],[{GOOD}", "]", "]] and more", f"]] {GOOD}"])
def test_what_follows_a_value_is_neither_dropped_nor_taken_for_json(
    messages: Messages, table: Table, tail: str
) -> None:
    expect_reasons(messages, table, dict.fromkeys([GOOD + tail, f"[{GOOD}]{tail}"], "not_json_objects"))


@pytest.mark.parametrize("space", ["\n", "\t", "\r\n", " \n "])
def test_an_array_may_follow_any_white_space(messages: Messages, table: Table, space: str) -> None:
    expect_reasons(messages, table, {f"{space}[{GOOD}, {GOOD}]{space}": [None, None]})


def test_a_message_without_a_value_is_in_the_quarantine(messages: Messages, table: Table) -> None:
    expect_reasons(messages, table, {None: "null_value"})


@pytest.mark.parametrize("text", [b"a%b", b'", "more": "%b', b'", "%b": "'], ids=["column", "other", "name"])
def test_a_message_that_is_not_utf8_is_in_the_quarantine(messages: Messages, table: Table, text: bytes) -> None:
    good = [name.encode() for name in ("\ufffd", "\u00e9", "\u20ac", "\U0001f600", "\ud7ff", "\U0010ffff")]
    cut = [b"\xff", b"\x80", b"\xc3", b"\xe2\x82", b"\xf0\x9f\x98"]
    overlong = [b"\xc0\x80", b"\xe0\x80\x80", b"\xf0\x80\x80\x80"]
    wrong = [*cut, *overlong, b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xf8\x88\x80\x80\x80"]
    expected = dict.fromkeys(good) | dict.fromkeys(wrong, "invalid_utf8")

    expect_reasons(messages, table, {GOOD.encode().replace(b"a", text % found, 1): e for found, e in expected.items()})
    expect_reasons(messages, table, dict.fromkeys([*wrong, *(GOOD.encode() + e for e in wrong)], "invalid_utf8"))


def test_a_message_counts_up_to_one_megabyte(messages: Messages, table: Table) -> None:
    wide = json.dumps(ORDER | {"id": "é" * 100}, ensure_ascii=False)
    fits = wide + " " * (MAX_MESSAGE_BYTES - len(wide.encode()))

    expect_reasons(messages, table, {fits: None, f"{fits} ": "too_large", order(id="a" * 2_000_000): "too_large"})


def test_a_field_that_is_missing_null_or_spelled_otherwise_is_named(messages: Messages, table: Table) -> None:
    expected: dict[Message, Any] = {
        "{}": "missing_id",
        order(at=...): "missing_at",
        order(amount=None): "missing_amount",
        order(id=..., Id="a"): "missing_id",
        order(units=None, stock=..., extra=1): None,
    }

    expect_reasons(messages, table, expected)


def test_amounts_are_rounded_half_up_to_their_scale(messages: Messages, table: Table) -> None:
    expected = {
        1.005: "1.01", -1.005: "-1.01", "1.005": "1.01", "1.0049999999999999999": "1.00", " 2 ": "2.00", 1e2: "100.00",
        "9999.994": "9999.99", "-9999.99": "-9999.99", "1e-99": "0.00",
    }  # fmt: skip

    expect_values(messages, table, "amount", {value: Decimal(text) for value, text in expected.items()})


def test_a_number_keeps_all_its_digits(messages: Messages, table: Table) -> None:
    columns = (Column("at", "timestamp"), Column("exact", "decimal(38,20)"), Column("stock", "bigint"))
    wide = replace(PIPELINE, columns=columns)
    texts = ["123456789012345678.12345678901234567891", "-0.00000000000000000001", "12"]
    message = '{{"at": "2026-01-01", "exact": {}, "stock": {}}}'
    source_df = messages(*(message.format(text, 2**63 - 1) for text in texts), message.format("1e2", "1e2"))

    actual_df = decode(source_df, wide).select("exact", "stock", "_reason")

    rows = [*((Decimal(text), 2**63 - 1, None) for text in texts), (Decimal(100), 100, None)]
    expected_df = table(rows, "exact decimal(38,20), stock bigint, _reason string")
    assert_df_equality(actual_df, expected_df, ignore_nullable=True)


def test_braces_in_a_text_and_objects_in_a_field_are_no_end(messages: Messages, table: Table) -> None:
    objects, array = [order(id="}"), order(id="{a}"), order(extra={"a": {}})], f"[{order(id='}')}, {GOOD}]"
    expected: dict[Message, Any] = {**dict.fromkeys(objects), array: [None, None]}
    broken = [f"{message}{tail}" for message in (*objects, array) for tail in ("}", "{", " {}", ",", ":")]

    expect_reasons(messages, table, expected | dict.fromkeys(broken, "not_json_objects"))


@pytest.mark.parametrize("end", [END_OF_VALUE, END_OF_ARRAY])
def test_no_message_can_bring_its_own_mark(messages: Messages, table: Table, end: int) -> None:
    forged = [f'{GOOD}, {{"_end": {end}}}] {GOOD}', f'[{GOOD}, {{"_end": {end}}}] {GOOD}]', order(extra={"a": end})]

    expect_reasons(messages, table, dict.fromkeys(forged, "not_json_objects"))


def test_a_field_may_have_the_name_of_the_mark(messages: Messages, table: Table) -> None:
    named = [order(**{name: value}) for name in ("_end", "_bad") for value in ("text", 1e40, [1], {"a": 1}, None)]
    expected: dict[Message, Any] = {f"[{message}, {GOOD}]": [None, None] for message in named}

    expect_reasons(messages, table, expected | dict.fromkeys(named))


def test_what_is_no_amount_is_in_the_quarantine(messages: Messages, table: Table) -> None:
    wrong = [
        "NaN",
        "Infinity",
        10_000,
        "9999.995",
        1e99,
        True,
        "",
        "one",
        "1,5",
        "0x1",
        "1d",
        "\0",
    ]

    expect_values(messages, table, "amount", dict.fromkeys(wrong))
    expect_reasons(messages, table, dict.fromkeys((order(amount=[1]), order(amount={"a": 1})), "invalid_amount"))


@pytest.mark.parametrize("amount", ["1e-999999999", "0." + "1" * 100_000], ids=["tiny", "long"])
def test_no_number_can_stop_a_job(messages: Messages, table: Table, amount: str) -> None:
    expect_reasons(messages, table, {order(amount=amount): "invalid_amount"})


def test_whole_numbers_are_whole_and_in_range(messages: Messages, table: Table) -> None:
    expect_values(messages, table, "units", {7: 7, "-7": -7, 2**31 - 1: 2**31 - 1, 2**31: None, 1.5: None, "x": None})
    expect_values(messages, table, "stock", {-(2**63): -(2**63), 2**63: None, "1e3": 1000})


def test_a_whole_number_may_have_a_point_or_an_exponent(messages: Messages, table: Table) -> None:
    expected = {
        1213.0: 1213, "1213.0": 1213, " 1213.000 ": 1213, -0.0: 0, 2147483647.0: 2**31 - 1, "1.213E3": 1213,
        2147483648.0: None, 1213.5: None, "1213.0000000000000000001": None, "1.0000000000000000001e3": None,
        "1e-21": None, "10e-1": None,
        "1213.": 1213, "1e99": None, "1213d": None, "Infinity": None,
    }  # fmt: skip
    expect_values(messages, table, "units", expected)


def test_a_whole_number_with_a_point_is_exact_or_invalid(messages: Messages, table: Table) -> None:
    expected = {2.0**53 - 1: 2**53 - 1, 2.0**53: None, "9007199254740993.0": None, -(2.0**54): None}
    expect_values(messages, table, "stock", expected)


def test_a_flag_is_true_or_false(messages: Messages, table: Table) -> None:
    expect_values(messages, table, "paid", {True: True, "false": False, "maybe": None, 2: None})


def test_a_time_has_a_date_and_is_utc_unless_it_says_otherwise(messages: Messages, table: Table) -> None:
    expected = {
        "2026-01-01T12:00:00": NOON,
        "2026-01-01 13:00:00+01:00": NOON,
        "2026-01-01": NOON.replace(hour=0),
        "2026-01-01T12:00:00.123456Z": NOON.replace(microsecond=123_456),
        "1900-01-01T00:00:00Z": datetime(1900, 1, 1, tzinfo=UTC),
        "1969-12-31T23:59:59.999999Z": datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        "2999-12-31T23:59:59.999999Z": datetime(2999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    }

    expect_values(messages, table, "at", expected)


def test_a_time_is_what_spark_makes_of_all_its_text(messages: Messages) -> None:
    heads = ("2026-01-01T09:00:00", "2026-01-01T09:00:0", "2026-01-01 9:00:00", "2026-01-01T09:00", "2026-01-01")
    fractions = ("", ".", ".1", ".12", ".123456", ".123456789", ".1234567890", "123", ". 1", ".1 ", ".1\t", ".1\x7f")
    zones = ("", "Z", "UTC", "GMT0", "+1", "-1", "+01", "-01:00", "+1:00", "+010203", ".5", "e5", ".+123", "Etc/UTC")
    ends = ("+00:00", "+00:00 ", "+0:00", "Z", "-00:00", "")
    texts = [order(at="".join(parts)) for parts in product(heads, fractions, zones, ends)]
    source_df = messages(*texts)
    text = F.get_json_object(F.col("value").cast("string"), "$.at")

    actual_df = decode(source_df, PIPELINE).select("_offset", "at")

    assert_df_equality(
        actual_df, source_df.select(F.col("offset").alias("_offset"), text.try_cast("timestamp").alias("at"))
    )
    assert actual_df.where("at is not null").count() > len(texts) / 20


def test_what_is_no_time_is_in_the_quarantine(messages: Messages, table: Table) -> None:
    wrong = ["12:30", "T12:30:00Z", "2026", "2026-01", "2026-02-30", "2026-01-01T25:00:00", 1767268800, "now", "", True]

    expect_values(messages, table, "at", dict.fromkeys(wrong))


@pytest.mark.parametrize("time", ["0000-01-01T00:00:00Z", "0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00"])
def test_a_time_outside_the_years_1_to_9999_is_in_the_quarantine(messages: Messages, table: Table, time: str) -> None:
    expect_reasons(messages, table, {order(at=time): "invalid_at"})


def test_a_day_is_a_date(messages: Messages, table: Table) -> None:
    wrong = dict.fromkeys(["2026-02-30", "2026", "12:30", "01.02.2026", "today", "2026-01-1 ", " 026-01-01"])

    expect_values(messages, table, "day", {"1900-01-01": date(1900, 1, 1), "2999-12-31": date(2999, 12, 31)} | wrong)


@pytest.mark.parametrize("day", ["2026-01-01 or so", "2026-01-01Tea", "0000-01-01"])
def test_a_day_is_nothing_but_a_date(messages: Messages, table: Table, day: str) -> None:
    expect_reasons(messages, table, {order(day=day): "invalid_day"})


def test_a_zero_byte_in_a_string_is_in_the_quarantine(messages: Messages, table: Table) -> None:
    expect_reasons(messages, table, {order(id="a\0b"): "invalid_id", order(id=""): None, order(id="\x01"): None})
