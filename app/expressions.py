"""Spark SQL expressions of a definition: what they may say, and a form of them that gives null in place of an error.

An expression is computed for every event, so one that fails on some message (a cast, a division by zero, an overflow)
would stop the stream. `tolerant` writes it anew so that it cannot: a cast becomes try_cast, `+` becomes try_add, and so
on. What could fail all the same is refused when the pipeline is constructed. The definition keeps the text as it was
written.
"""

from collections.abc import Mapping

import sqlglot
from sqlglot import expressions as sql

from app.calls import KINDS, Part, cast, conditions
from app.declared import known
from app.events import ARRIVAL
from app.rewriting import Rewriting, Verbatim

CHANGING = (sql.CurrentTimestamp, sql.CurrentDate, sql.Localtimestamp, sql.Rand, sql.Randn, sql.Uuid, sql.Shuffle)


def validate(text: str, types: Mapping[str, str], field: str, column_type: str | None = None) -> None:
    """Refuses what is not one expression over one event, and what could fail on some message. `types`: of the columns.

    `column_type`: of the column that it is to be cast to; None: it is a condition, so a boolean.

    Raises:
        ValueError: the message names the field, and what is wrong or allowed.
    """
    try:
        statements = sqlglot.parse(text, dialect="spark")
    except sqlglot.errors.SqlglotError as error:
        raise ValueError(f"{field}: {text!r} is not a Spark SQL expression: {error}") from error
    parsed = statements[0] if len(statements) == 1 else None
    if not isinstance(parsed, sql.Condition) or parsed.find(sql.Query):
        raise ValueError(f"{field}: {text!r} is not one Spark SQL expression; a statement, query or alias is none")
    if parsed.find(sql.AggFunc, sql.Window):
        raise ValueError(f"{field}: {text!r} is over many events; allowed: an expression over one event")
    if parsed.find(*CHANGING) or any(f.name.lower() == "now" for f in parsed.find_all(sql.Anonymous)):
        raise ValueError(f"{field}: {text!r} changes when it is computed again; allowed: columns and {ARRIVAL}")
    known(
        (column.name if len(column.parts) == 1 else column.sql() for column in parsed.find_all(sql.Column)),
        [*types, ARRIVAL],
        field,
    )
    try:
        part = _written(text, types)
        if column_type is None:
            conditions(part)
        else:
            cast(part, column_type)
    except sqlglot.errors.SqlglotError as error:
        raise ValueError(f"{field}: {text!r} is not understood; write functions as f(a, b)") from error
    except ValueError as error:
        raise ValueError(f"{field}: {text!r}: {error}") from error


def tolerant(text: str, types: Mapping[str, str]) -> str:
    """An expression that means the same, and is null where the given one would fail. `types`: of the columns, by name.

    Raises:
        ValueError: it could fail all the same; `validate` refuses it.
    """
    return _written(text, types).text


def _written(text: str, types: Mapping[str, str]) -> Part:
    kinds = {name: KINDS[kind.partition("(")[0]] for name, kind in types.items()} | {ARRIVAL: "t"}
    return Rewriting(text, kinds).write(sqlglot.parse_one(text, dialect=Verbatim))
