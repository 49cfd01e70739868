"""A column that is a string has the text that was sent, and what is no string or number is refused."""

import json
from typing import Any

import pytest
from chispa import assert_df_equality
from hypothesis import given, settings
from hypothesis import strategies as st

from app.transform import decode
from tests.spark.conftest import Message, Messages, Table
from tests.spark.test_decode import GOOD, ORDER, PIPELINE, expect_reasons, order

NUMBERS = [
    "1.10", "1.1", "1e3", "1000", "1E+3", "-0", "0", "-0.0", "0.10", "123456789012345678.25", "123456789012345678.5",
    "1e400", "-1e400", "5e-324", "12345678901234567890123456789012345678901", "1.0", "10.0e-1", "2147483648",
]  # fmt: skip
STRINGS = [
    "1.10", "-0.0", "0", "1.0E25", "true", "false", "null", "{", "[", "{}", '{"id":7}', '["Ada"]', '"Infinity"', "?",
    "a?b", "\\ud83d", "\\", "\\\\", '"', '\\"', "a\"b|c", "|", "|true", "|1.10", "tru", "𝄞?", "é?", "0\n1.5\n",
    "\u2028?", "a\r\nb?", "",
]  # fmt: skip
NO_STRINGS = ["true", "false", "{}", "[]", '{"id": 7}', '["Ada"]', "[1.5]", '{"a": {"b": [true, "|"]}}']
HALVES = ["\\ud83d", "\\uDe00", "a\\ud83d", "\\ude00\\ud83d", "\\ud83d\\ud83d\\ude00", "\\ud83dx\\ude00", "\\\\\\ud83d"]


def raw(value: str, **changes: Any) -> str:
    """An order whose id is a JSON text."""
    return order(id="IS", **changes).replace('"IS"', value)


def expect_ids(messages: Messages, table: Table, expected: dict[str, str | None]) -> None:
    """Each message, and all of them as one array, have these ids; null: it is invalid."""
    for source_df in (messages(*expected), messages(f"[{','.join(expected)}]")):
        actual_df = decode(source_df, PIPELINE).orderBy("_offset", "_index").select("id", "_reason")

        rows = [(id_, None if id_ is not None else "invalid_id") for id_ in expected.values()]
        assert_df_equality(actual_df, table(rows, "id string, _reason string"), ignore_nullable=True)


def test_a_number_is_the_text_that_was_sent(messages: Messages, table: Table) -> None:
    expect_ids(messages, table, {raw(number): number for number in NUMBERS})


def test_a_string_is_what_it_is_whatever_it_looks_like(messages: Messages, table: Table) -> None:
    written: dict[str, str | None] = {raw(json.dumps(text)): text for text in STRINGS}
    escaped: dict[str, str | None] = {raw(json.dumps(text, ensure_ascii=False), x="1"): text for text in STRINGS}
    expect_ids(messages, table, written | escaped)


def test_what_is_no_string_is_refused(messages: Messages, table: Table) -> None:
    expect_ids(messages, table, dict.fromkeys(map(raw, NO_STRINGS)))


def test_half_a_character_is_refused_and_what_looks_like_one_is_not(messages: Messages, table: Table) -> None:
    refused: dict[str, str | None] = dict.fromkeys(raw(f'"{half}"') for half in HALVES)
    whole: dict[str, str | None] = {
        raw('"\\ud83d\\uDE00?"'): "😀?",
        raw('"\\\\ud83d?"'): "\\ud83d?",
        raw('"?"', other="\ud83d"): "?",
    }
    expect_ids(messages, table, refused | whole)


def test_a_name_may_be_written_with_escapes_and_stand_twice(messages: Messages, table: Table) -> None:
    start = json.dumps({name: value for name, value in ORDER.items() if name != "id"})[:-1]
    expected: dict[str, str | None] = {
        f'{start}, "\\u0069d": 1.10}}': "1.10", f'{start}, "id": {{}}, "id": 1.10}}': "1.10",
        f'{start}, "id": 1.10, "id": true}}': None, f'{start}, "id": "x", "id": 1.5, "x": {{"id": 2.5}}}}': "1.5",
        f'{start}, "id|": "x", "id": 1.5}}': "1.5", f'{start}, "id": 1.5, "a\\"id": {{}}}}': "1.5",
    }  # fmt: skip
    expect_ids(messages, table, expected)


def test_a_null_is_missing_also_beside_what_is_doubtful(messages: Messages, table: Table) -> None:
    expect_reasons(
        messages,
        table,
        {f"[{raw('null')}, {raw('1.5')}, {raw('{}')}, {GOOD}]": ["missing_id", None, "invalid_id", None]},
    )


WRONG = [
    "NaN",
    "Infinity",
    "-Infinity",
    "01",
    "+1",
    ".5",
    "1.",
    "'a'",
    '"a\x01"',
    '"\\x"',
    '"\\u12"',
    '"\\ud8"',
    "tru",
    "nul",
]


@pytest.mark.parametrize(
    "wrong", [GOOD.replace('"', "'"), *map(raw, WRONG), *(GOOD[:-1] + f', "x": {w}}}' for w in WRONG)]
)
def test_only_json_is_json(messages: Messages, table: Table, wrong: str) -> None:
    expect_reasons(messages, table, {wrong: "not_json_objects", f"[{wrong}]": "not_json_objects"})


def test_arrays_without_end_cost_no_more_than_their_bytes(messages: Messages, table: Table) -> None:
    many = [raw("1.5")] * 5_000
    assert decode(messages(f"[{','.join(many)}]"), PIPELINE).where("id = '1.5'").count() == 5_000
    harmless = ("-" * 200_000, '\\"' * 100_000, "1.5e" * 50_000, "\\\\" * 100_000)
    halves = raw('"?' + "\\ud83d" * 50_000 + '"')
    expected: dict[Message, Any] = dict.fromkeys(raw(f'"?{text}"') for text in harmless)
    expect_reasons(messages, table, expected | {halves: "invalid_id"})


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=20)
@given(values=st.lists(VALUES, min_size=1, max_size=30))
def test_any_value_is_taken_as_it_was_sent_or_refused(messages: Messages, values: list[Any]) -> None:
    source_df = messages(*(raw(json.dumps(value)) for value in values))
    found = decode(source_df, PIPELINE).orderBy("_offset").select("id", "_reason").collect()
    expected: list[tuple[str | None, str | None]] = []
    for value in values:
        if value is None:
            expected.append((None, "missing_id"))
        elif isinstance(value, bool | list | dict) or (isinstance(value, str) and "\0" in value):
            expected.append((None, "invalid_id"))
        else:
            expected.append((value if isinstance(value, str) else json.dumps(value), None))
    assert [tuple(row) for row in found] == expected
