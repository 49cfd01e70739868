"""Cleaning and checks: what a column holds afterwards, and which reason sends an event to the quarantine."""

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

from chispa import assert_df_equality

from app.model import Check, Column, Count, Derived, Pipeline, Topic, View
from app.transform import decode
from tests.spark.conftest import Messages, Table, arrived

SALE = {"at": "2026-01-01T00:00:00Z", "kind": " Tea ", "amount": 2, "units": 4}
PIPELINE = Pipeline(
    name="sales",
    description="",
    topic=Topic("sales", 1),
    columns=(
        Column("at", "timestamp"),
        Column("kind", "string", clean="nullif(lower(trim(kind)), '')"),
        Column("amount", "decimal(6,2)", clean="amount / 3"),
        Column("units", "int", clean="units + length(kind)", required=False),
    ),
    event_time="at",
    checks=(Check("amount_low", "amount >= 0.5"), Check("units_high", "coalesce(units, 0) < 100")),
    views=(View("all", (), (Count("sales"),)),),
)


def sale(**changes: Any) -> str:
    """A sale as JSON; a change to `...` leaves the field out."""
    return json.dumps({name: value for name, value in (SALE | changes).items() if value is not ...})


def expect_reasons(messages: Messages, table: Table, expected: dict[str, str | None], **changes: Any) -> None:
    actual_df = decode(messages(*expected), replace(PIPELINE, **changes)).select("_offset", "_reason")
    expected_df = table(enumerate(expected.values()), "_offset bigint, _reason string")

    assert_df_equality(actual_df, expected_df, ignore_nullable=True)


def test_cleaning_sees_the_columns_as_they_were_decoded_and_keeps_the_type(messages: Messages, table: Table) -> None:
    source_df = messages(sale(), sale(units=None), sale(amount=5))

    actual_df = decode(source_df, PIPELINE).selectExpr("kind", "cast(amount as string)", "units", "_reason")

    expected_df = table(
        [("tea", "0.67", 4 + len(" Tea "), None), ("tea", "0.67", None, None), ("tea", "1.67", 9, None)],
        "kind string, amount string, units int, _reason string",
    )
    assert_df_equality(actual_df, expected_df, ignore_nullable=True)
    assert dict(decode(source_df, PIPELINE).dtypes)["amount"] == "decimal(6,2)"


def test_a_required_column_that_cleaning_empties_is_missing(messages: Messages, table: Table) -> None:
    expect_reasons(messages, table, {sale(kind="  "): "missing_kind", sale(kind="x"): None})


def test_a_default_by_cleaning_does_not_help_a_required_column(messages: Messages, table: Table) -> None:
    columns = (Column("at", "timestamp"), Column("kind", "string", clean="coalesce(kind, 'none')"))

    expect_reasons(messages, table, {sale(kind=...): "missing_kind", sale(): None}, columns=columns, checks=())


def test_a_default_by_cleaning_fills_an_optional_column(messages: Messages, table: Table) -> None:
    columns = (Column("at", "timestamp"), Column("kind", "string", clean="coalesce(kind, 'none')", required=False))

    actual_df = decode(messages(sale(kind=...), sale(kind=None), sale()), replace(PIPELINE, columns=columns, checks=()))

    expected_df = table([("none", None), ("none", None), (" Tea ", None)], "kind string, _reason string")
    assert_df_equality(actual_df.select("kind", "_reason"), expected_df, ignore_nullable=True)


def test_an_event_that_fails_a_check_has_its_name_as_reason(messages: Messages, table: Table) -> None:
    expected = {
        sale(amount=1.48): "amount_low",
        sale(amount=1.49): None,
        sale(units=95): "units_high",
        sale(units=94): None,
    }

    expect_reasons(messages, table, expected)


def test_a_check_that_is_null_has_failed(messages: Messages, table: Table) -> None:
    expected = {sale(units=1): None, sale(units=...): "few", sale(units=None): "few"}

    expect_reasons(messages, table, expected, checks=(Check("few", "units < 100"),))


def test_a_check_may_compare_with_the_arrival(messages: Messages, table: Table) -> None:
    times = [arrived(0).replace(hour=hour).isoformat() for hour in (1, 2)]
    check = Check("in_future", "at <= arrival + interval 1 hour")

    expect_reasons(messages, table, {sale(at=times[0]): None, sale(at=times[1]): "in_future"}, checks=(check,))


def test_a_derived_column_is_computed_from_the_cleaned_fields_and_the_arrival(messages: Messages, table: Table) -> None:
    columns = (
        *PIPELINE.columns,
        Derived("seen_at", "timestamp", "arrival"),
        Derived("price", "decimal(8,4)", "amount / units", required=False),
    )
    source_df = messages(sale(amount=3, units=1, price=5), sale(units=None), b"broken")

    actual_df = decode(source_df, replace(PIPELINE, columns=columns)).select("seen_at", "price", "_reason")

    expected_df = table(
        [(arrived(0), Decimal("0.1667"), None), (arrived(1), None, None), (None, None, "not_json_objects")],
        "seen_at timestamp, price decimal(8,4), _reason string",
    )
    assert_df_equality(actual_df, expected_df, ignore_nullable=True)


def test_a_required_derived_column_without_a_value_is_missing(messages: Messages, table: Table) -> None:
    columns = (*PIPELINE.columns, Derived("price", "decimal(8,4)", "amount / units"))

    expect_reasons(messages, table, {sale(): None, sale(units=...): "missing_price"}, columns=columns)


def test_the_first_reason_wins(messages: Messages, table: Table) -> None:
    expected: dict[str, str | None] = {
        sale(amount=0, units=1000): "amount_low",
        sale(amount=0, kind=" "): "missing_kind",
        sale(kind=" ", units="many"): "invalid_units",
        sale(at="then", kind=...): "invalid_at",
        sale(at=..., amount="much"): "missing_at",
    }

    expect_reasons(messages, table, expected)


def test_a_value_that_is_not_of_the_type_of_an_optional_column_is_refused(messages: Messages, table: Table) -> None:
    expect_reasons(messages, table, {sale(units="many"): "invalid_units", sale(units=...): None})


def test_a_cleaned_value_that_does_not_fit_its_column_is_in_the_quarantine(messages: Messages, table: Table) -> None:
    columns = (Column("at", "timestamp"), Column("amount", "decimal(6,2)", clean="amount * 100"))

    expect_reasons(
        messages, table, {sale(amount=99): None, sale(amount=100): "invalid_amount"}, columns=columns, checks=()
    )


def test_a_check_that_gives_null_where_it_cannot_be_computed_has_failed(messages: Messages, table: Table) -> None:
    expect_reasons(messages, table, {sale(units=-5): "right"}, checks=(Check("right", "try_cast(kind as int) > 0"),))
