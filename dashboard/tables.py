"""Rows of the API as a table."""

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pyarrow as pa
import streamlit as st

BROWSER_DIGITS = 15  # that a number keeps in a browser


def table(answer: dict[str, Any]) -> pa.Table:
    """The rows of an answer. Decimals are numbers, so that they sort as such, unless a browser would round them."""
    convert: dict[str, Callable[[Any], Any]] = {"decimal": Decimal, "json": json.dumps}
    columns = {}
    for name, kind in answer["meta"]["columns"].items():
        exact = convert.get(kind.partition("(")[0], lambda value: value)
        column = pa.array([None if row[name] is None else exact(row[name]) for row in answer["rows"]])
        wide = pa.types.is_decimal(column.type) and column.type.precision > BROWSER_DIGITS
        columns[name] = pa.array([row[name] for row in answer["rows"]]) if wide else column
    return pa.table(columns)


def all_digits(shown: pa.Table) -> dict[str, Any]:
    """How decimals are shown: with all their digits, where the default is to round to four."""
    decimals = {field.name: field.type.scale for field in shown.schema if pa.types.is_decimal(field.type)}
    return {name: st.column_config.NumberColumn(format=f"%.{scale}f") for name, scale in decimals.items()}


def show(answer: dict[str, Any]) -> None:
    shown = table(answer)
    st.dataframe(shown, column_config=all_digits(shown), hide_index=True, width="stretch")
