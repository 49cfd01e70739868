"""The oracle of the random messages is a second account: it knows nothing of the first, and says what the docs say."""

import ast
from decimal import Decimal
from typing import Any

import pytest

from app.settings import HOME
from tests.fuzz import definitions, messages
from tests.fuzz.account import account
from tests.fuzz.oracle import events, parsed
from tests.fuzz.plain import Alert, Definition, Event, Field, Measure, Message, View
from tests.fuzz.shrink import halved, written
from tests.fuzz.typed import UNFIT, Number, typed

ORACLE = ("plain", "typed", "oracle", "account", "expressions", "messages", "values")
DEFINITION = Definition(
    name="d",
    fields=(Field("id", "string"), Field("at", "timestamp"), Field("n", "int", required=False)),
    event_time="at",
    views=(View("v", ("id",), (Measure("count", "count"), Measure("top", "top", ("n",), "at", 2))),),
    alerts=(Alert("a", ("id",), "n", 5, 2, 3, ("at",)),),
)


@pytest.mark.parametrize("name", ORACLE)
def test_the_oracle_imports_nothing_of_what_it_is_held_against(name: str) -> None:
    tree = ast.parse((HOME / f"tests/fuzz/{name}.py").read_text())
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}

    own = {module for module in imported if module.startswith("tests.")}
    assert own <= {f"tests.fuzz.{module}" for module in ORACLE}
    assert {module.split(".")[0] for module in imported - own} <= {
        "collections", "dataclasses", "datetime", "decimal", "fractions", "functools", "itertools", "json", "random",
        "re", "sys", "typing",
    }  # fmt: skip


def test_the_eight_definitions_together_have_all_that_can_be_declared() -> None:
    drawn = [definitions.drawn(seed) for seed in definitions.SEEDS]
    fields = [field for definition in drawn for field in definition.fields]
    views = [view for definition in drawn for view in definition.views]

    assert {field.kind for field in fields} >= set(definitions.KINDS)
    assert {field.kind.partition("(")[0] for field in fields if field.clean} == {
        "string", "int", "bigint", "boolean", "date", "timestamp", "decimal"
    }  # fmt: skip
    assert any(field.derived for field in fields)
    assert {measure.op for view in views for measure in view.measures} == {
        "count", "sum", "min", "max", "mean", "variance", "latest", "top"
    }  # fmt: skip
    forms = {(bool(view.keys), view.window and view.window[0] == view.window[1]) for view in views}
    assert forms == {(keys, window) for keys in (True, False) for window in (None, True, False)}
    assert any(view.indexes and not view.window for view in views)
    assert any(view.indexes and view.window for view in views)
    for several in ("alerts", "rollups", "checks", "dedup"):
        assert any(getattr(one, several) for one in drawn), several
    assert any(definition.dedup is None for definition in drawn)
    assert any(not definition.alerts for definition in drawn)
    assert any(rollup.most for definition in drawn for rollup in definition.rollups)


@pytest.mark.parametrize("seed", definitions.SEEDS)
def test_of_each_definition_enough_is_accepted_and_enough_is_not(seed: int) -> None:
    definition = definitions.drawn(seed)
    found = events(definition, messages.drawn(definition, seed, 1_000))

    accepted = sum(event.reason is None for event in found)
    assert len(found) / 4 < accepted < len(found) * 3 / 4
    assert len({event.reason for event in found}) > 12


@pytest.mark.parametrize("seed", [*definitions.SEEDS, *range(1_000, 1_100)])
def test_a_drawn_definition_is_one_that_the_product_takes(seed: int) -> None:
    assert definitions.pipeline(definitions.drawn(seed), "any").name == "any"


def test_a_seed_draws_the_same_again() -> None:
    definition = definitions.drawn(5)

    assert messages.drawn(definition, 5, 200) == messages.drawn(definition, 5, 200)
    assert messages.drawn(definition, 5, 200) != messages.drawn(definition, 6, 200)


@pytest.mark.parametrize(
    ("message", "reasons"),
    [
        (None, ["null_value"]),
        (b" " * 1_048_577, ["too_large"]),
        (b" " * 1_048_576, ["not_json_objects"]),
        (b"\xed\xa0\x80", ["invalid_utf8"]),
        (b"\xef\xbb\xbf{}", ["not_json_objects"]),
        (b"{'id': 1}", ["not_json_objects"]),
        (b'{"x": NaN}', ["not_json_objects"]),
        (b'{"x": 01}', ["not_json_objects"]),
        (b'{"x": "\x01"}', ["not_json_objects"]),
        (b'{"x": ' + b"[" * 1_000 + b"]" * 1_000 + b"}", ["not_json_objects"]),
        (b'{"x": ' + b"1" * 1_001 + b"}", ["not_json_objects"]),
        (b"[]", ["not_json_objects"]),
        (b"1", ["not_json_objects"]),
        (b'[null, {}, {"id": "a"}]', ["not_an_object", "missing_id", "missing_at"]),
        (b'[1, {}, {"id": "a"}]', ["not_json_objects"]),
        (b"null", ["not_an_object"]),
        (b'{"id": "\\ud83d", "at": "2026-01-01"}', ["invalid_id"]),
        (b'{"id": true, "at": "2026-01-01"}', ["invalid_id"]),
        (b'{"id": "a\\u0000", "at": "2026-01-01"}', ["invalid_id"]),
        (b'{"id": 1.10, "at": "2026-01-01"}', [None]),
        (b'{"id": null, "id": "b", "at": "2026-01-01"}', [None]),
        (b'{"id": "' + b"x" * 1_024 + b'", "at": "2026-01-01"}', [None]),
        (b'{"id": "' + b"x" * 1_025 + b'", "at": "2026-01-01"}', ["too_long_id"]),
    ],
)
def test_the_reason_of_a_message_is_the_first_that_applies(message: bytes | None, reasons: list[str | None]) -> None:
    assert [event.reason for event in events(DEFINITION, [Message(0, 0, 0, message)])] == reasons


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        (Number("1.10"), "string", "1.10"),
        (Number("-0"), "string", "-0"),
        ({}, "string", UNFIT),
        (Number("1213.0"), "int", 1213),
        (Number("1.213e3"), "int", 1213),
        (Number("1.5"), "int", UNFIT),
        (" +5 ", "int", 5),
        ("2147483648", "int", UNFIT),
        (Number("9007199254740994.0"), "bigint", UNFIT),
        ("2.675", "decimal(9,2)", Decimal("2.68")),
        (Number("9999999.995"), "decimal(9,2)", UNFIT),
        ("-0.005", "decimal(9,2)", Decimal("-0.01")),
        ("1e0005", "decimal(9,2)", UNFIT),
        (True, "boolean", True),
        (" No ", "boolean", False),
        (True, "int", UNFIT),
        ("1970-01-02", "date", 1),
        ("1970-1-2", "date", UNFIT),
        ("0000-01-01", "date", UNFIT),
        ("1970-01-01", "timestamp", 0),
        ("1970-01-01T00:00:01.5+00:00", "timestamp", 1_500_000),
        ("1970-01-01 01:00:00+01:00", "timestamp", 0),
        ("1970-01-01T24:00:00", "timestamp", UNFIT),
        ("12:30", "timestamp", UNFIT),
    ],
)
def test_a_value_is_read_as_its_type(value: Any, kind: str, expected: Any) -> None:
    assert typed(value, kind) == expected


def test_rows_of_views_and_changes_of_alerts_are_counted_by_hand() -> None:
    rows = [("a", 1, 6), ("b", 2, 9), ("a", 3, 7), ("a", 4, 4), ("a", 5, 2), ("a", 6, 9)]
    found = [Event((0, at, 0), at, None, {"id": key, "at": at, "n": n}) for key, at, n in rows]

    shown = account(DEFINITION, [*found, Event((0, 9, 0), 9, "missing_id", {})])

    assert shown["v"] == [("a", 5, [{"n": 9}, {"n": 2}]), ("b", 1, [{"n": 9}])]
    assert shown["a"] == [("a", 0, 3, 0, True, 3), ("a", 0, 5, 0, False, 5)]
    assert shown["quarantine"] == [("missing_id", 1)]


def test_messages_that_fail_are_halved_to_the_fewest() -> None:
    sent = [Message(0, offset, 0, b"") for offset in range(100)]

    few = halved(sent, lambda some: {17, 60} <= {message.offset for message in some})

    assert [message.offset for message in few] == [17, 60]


def test_json_is_written_as_it_was_read() -> None:
    text = '{"a":[1.10,-0,1e400,"\\u00e9\\ud83d",null,true,{}]}'

    assert written(parsed(text)) == text
