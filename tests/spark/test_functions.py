"""No function that an expression may use fails, whatever it is given."""

import itertools
import random
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from app.calls import Part, call
from app.functions import FUNCTIONS, OPERATORS
from tests.spark.conftest import Table

NASTY: dict[str, list[Any]] = {
    "s string": [
        None, "", " ", "abc", "-1", "1.5", "1e400", "NaN", "2026-02-30", "9" * 20, "é€😀", "%zz", "a" * 1000, "\\", "(",
        "$1", "{", '{"a": 1}', "[1,2", "\0", "http://a b/%", "=", "AAA", "true", "P", "10000-01-01", "-9999-01-01", "!",
    ],
    "n1 int": [None, 0, 1, -1, 2**31 - 1, -(2**31), 7, 100, -100, 10_000, 13, 32, 64],
    "n2 bigint": [None, 0, 1, -1, 2**63 - 1, -(2**63), 253402300799999999, 10**15, -62135596800, 12],
    "n3 decimal(12,2)": [None, *map(Decimal, ("0", "0.01", "-9999999999.99", "9999999999.99", "-0.50"))],
    "n4 decimal(38,10)": [None, *map(Decimal, ("0", f"{'9' * 28}.{'9' * 10}", f"-{'9' * 28}.{'9' * 10}", "1.5"))],
    "n5 decimal(38,0)": [None, *map(Decimal, ("0", "9" * 38, "-" + "9" * 38, "1"))],
    "n6 double": [None, 0.0, -0.0, float("nan"), float("inf"), -float("inf"), 1e308, 5e-324, 0.1],
    "t1 timestamp": [
        None, *(datetime(*day, 23, 59, 59, tzinfo=UTC) for day in ((1, 1, 2), (9999, 12, 30), (2024, 2, 29))),
    ],
    "t2 date": [None, date(1, 1, 1), date(9999, 12, 31), date(2024, 2, 29), date(1500, 1, 1)],
    "b boolean": [None, True, False],
}  # fmt: skip
COLUMNS = {
    "s": ["s", "reverse(s)"],
    "n": ["n1", "n2", "n3", "n4", "n5", "n6"],
    "t": ["t1", "t2"],
    "i": ["(t1 - timestamp '2020-01-01')", "interval '100000' month"],
    "b": ["b"],
    "x": ["cast(s as binary)"],
    "S": ["array(s, 'a', null)", "split(s, '')"],
    "N": ["array(n1, n1)", "array(n5)"],
    "T": ["array(t1)"],
    "B": ["array(b)"],
    "_": ["null"],
    "q": ["'a'"],
    "l": ["1", "40"],
    "z": ["0"],
    "m": ["-1", "-40"],
}
OF = {"a": "SNTB", "k": "n", "w": "n", "c": "n", ".": "".join(COLUMNS)}
# Literals that a function needs to be anything but refused.
NEEDED = {
    "date_format": ["'yyyy-MM-dd'", "'EEE'"],
    "date_part": ["'year'", "'week'", "'second'"],
    "datepart": ["'dow'"],
    "from_unixtime": ["'yyyy'"],
    "from_utc_timestamp": ["'Europe/Berlin'"],
    "next_day": ["'MO'"],
    "regexp_extract": ["'(a)'"],
    "regexp_extract_all": ["'(a)'"],
    "regexp_replace": ["'(a)'", "'$1'"],
    "to_char": ["'yyyy'"],
    "to_utc_timestamp": ["'America/New_York'"],
    "to_varchar": ["'yyyy'"],
    "try_make_timestamp": ["'Europe/Berlin'"],
    "try_make_timestamp_ltz": ["'Europe/Berlin'"],
    "try_to_binary": ["'hex'", "'base64'", "'utf-8'"],
    "try_to_date": ["'yyyy-MM-dd'"],
    "try_to_number": ["'999'", "'S9.9'"],
    "try_to_timestamp": ["'yyyy-MM-dd'"],
}


@pytest.fixture(scope="module")
def nasty(table: Table) -> DataFrame:
    """Sixty events of nasty values, each beside many others."""
    choice = random.Random(1).choice  # noqa: S311
    rows = [tuple(kept[n] if n < len(kept) else choice(kept) for kept in NASTY.values()) for n in range(60)]
    return table(rows, ", ".join(NASTY)).repartition(1).cache()


def calls(name: str, signature: str) -> Iterator[str]:
    """Calls of a function: all columns for each argument, beside the first for the others."""
    specs = [(part.rstrip("?*"), part[-1] in "?*") for part in signature.split()]
    for given in range(len(specs) + 1):
        if all(optional for _, optional in specs[given:]):
            kinds = ["".join(OF.get(kind, kind) for kind in spec) for spec, _ in specs[:given]]
            options = [[(kind, text) for kind in some for text in _texts(name, kind)] for some in kinds]
            for varied in range(max(given, 1)):
                some = (option if position == varied else option[:1] for position, option in enumerate(options))
                for arguments in itertools.product(*some):
                    with suppress(ValueError):  # a group that '(a)' does not have
                        yield call(name, [Part(text, kind) for kind, text in arguments]).text


def _texts(name: str, kind: str) -> list[str]:
    return NEEDED.get(name, COLUMNS[kind]) if kind == "q" else COLUMNS[kind]


def require_no_error(nasty: DataFrame, expressions: set[str]) -> None:
    """Fails for an expression that Spark takes, and that fails on an event; some of them must be taken."""
    taken = []
    for expression in sorted(expressions):
        try:
            nasty.select(F.expr(expression))
            taken.append(F.expr(expression))
        except AnalysisException:  # such as a bigint where only an int will do: no job with it would start
            continue
    assert taken, expressions
    nasty.select(*taken).write.format("noop").mode("overwrite").save()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_never_fails(nasty: DataFrame, name: str) -> None:
    require_no_error(nasty, {text for signature in FUNCTIONS[name].takes.split("|") for text in calls(name, signature)})


@pytest.mark.parametrize("name", OPERATORS)
def test_an_operator_never_fails(nasty: DataFrame, name: str) -> None:
    pairs = (itertools.product(COLUMNS[kinds[0]], COLUMNS[kinds[1]]) for kinds in OPERATORS[name])
    require_no_error(nasty, {f"{name}({one}, {other})" for pair in pairs for one, other in pair})


@pytest.mark.parametrize(
    "name", ["if", "coalesce", "nullif", "greatest", "least", "equal_null", "array", "abs", "negative"]
)
def test_what_is_made_of_others_never_fails(nasty: DataFrame, name: str) -> None:
    count = {"if": 3, "abs": 1, "negative": 1}.get(name, 2)
    numbers = itertools.product(COLUMNS["n"], repeat=min(count, 2))
    wanted = [[Part("b", "b")] * (count - 2) + [Part(text, "n") for text in texts] for texts in numbers]
    require_no_error(nasty, {call(name, parts).text for parts in wanted})
