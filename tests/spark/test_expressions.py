"""Expressions as Spark computes them: null where they would fail, and what they were before where they would not."""

from collections.abc import Iterable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from app.expressions import tolerant, validate
from app.measures import SIMPLE_TYPES
from tests.spark.conftest import Table

TYPES = {
    "kind": "string", "note": "string", "whole": "int", "large": "bigint", "amount": "decimal(12,2)",
    "wide": "decimal(38,10)", "flag": "boolean", "at": "timestamp", "day": "date",
}  # fmt: skip
GOOD = {
    "kind": "12", "note": "a-b", "whole": 7, "large": 10**12, "amount": Decimal("-1.50"),
    "wide": Decimal("0.0000000001"), "flag": True, "at": datetime(2026, 1, 31, 12, 30, 1, 5, UTC),
    "day": date(2024, 2, 29),
}  # fmt: skip

# What fails, and on what; where it would on the good ones too, what it does not fail on.
FAILS: dict[str, dict[str, Any]] = {
    "cast(kind as int)": {"kind": "twelve"},
    "kind::timestamp": {"kind": "then"},
    "cast(wide as decimal(5,2))": {"wide": Decimal(10**27)},
    "int(large)": {"large": 2**31},
    "amount / whole": {"whole": 0},
    "amount % whole": {"whole": 0},
    "mod(large, whole)": {"whole": 0},
    "whole + 1": {"whole": 2**31 - 1},
    "whole - 8": {"whole": -(2**31)},
    "large * 10": {"large": 2**62},
    "wide * wide": {"wide": Decimal(10**27)},
    "-whole": {"whole": -(2**31)},
    "abs(large)": {"large": -(2**63)},
    "at + interval 1 day * whole": {"whole": 2**31 - 1},
    "element_at(split(note, '-'), 2)": {"note": "a"},
    "split(note, '-')[1]": {"note": "a"},
    "to_date(kind)": {"kind": "2026-02-30"},
    "to_timestamp(kind, 'yyyy-MM-dd')": {"kind": "31.1.2026"},
    "to_number(kind, '99')": {"kind": "x"},
    "to_binary(kind, 'hex')": {"kind": "xyz"},
    "url_decode(kind)": {"kind": "%zz"},
    "parse_url(kind, 'HOST')": {"kind": "http://a b"},
    "make_timestamp(whole, 1, 1, 0, 0, 0)": {"whole": 10**9},
    "case when amount / whole > 1 then kind end": {"whole": 0},
    "exists(array(whole), x -> 1 / x > 0)": {"whole": 0},
    "transform(split(kind, ','), x -> cast(x as int))[0]": {"kind": "a,b"},
}

SOUND: dict[str, dict[str, Any]] = {
    "kind::timestamp": {"kind": "2026-01-31 12:00:00"},
    "int(large)": {"large": 2**31 - 1},
    "large * 10": {"large": 1},
    "to_date(kind)": {"kind": "2024-02-29"},
    "to_timestamp(kind, 'yyyy-MM-dd')": {"kind": "2026-01-31"},
    "parse_url(kind, 'HOST')": {"kind": "http://a/b"},
    "make_timestamp(whole, 1, 1, 0, 0, 0)": {"whole": 2026},
    "transform(split(kind, ','), x -> cast(x as int))[0]": {"kind": "1,2"},
}

# What binds how, and what keeps its type.
SAME = [
    "whole + large * 2 - amount / 3",
    "large - whole - 1",
    "amount / whole * 2",
    "wide * amount",
    "amount * amount + wide",
    "wide / 3",
    "amount % 1",
    "large % whole",
    "not flag and whole > 1 or flag",
    "not whole = 7 or flag and amount < 0",
    "whole between 1 + 2 and 3 * 4 and flag",
    "(whole in (7, 8)) is not null",
    "kind not like '1%' or kind not in ('a') and note rlike '^\\\\w-\\\\w$'",
    "note rlike r'^\\w-\\w$'",
    "kind <=> null",
    "kind is not distinct from note",
    "kind || note || 'x'",
    "case when flag then kind when whole > 1 then note else 'none' end",
    "case whole when 7 then amount when 8 then wide end",
    "if(flag, amount, whole)",
    "nvl2(note, whole, large)",
    "at + interval 1 day - interval 2 hours",
    "at - interval 1 month",
    "day + 1",
    "day - 1",
    "at - timestamp '2026-01-01 10:00:00'",
    "at > timestamp '2026-01-01' and day < date '2026-01-01'",
    "1.5BD + 1L + .5",
    "1e3",
    "'it\\'s \\n \\\\d' || \"a'b\"",
    "round(wide, 2)",
    "coalesce(nullif(trim(note), ''), 'none')",
    "to_date('31.1.2026', 'd.M.yyyy')",
    "filter(split(note, '-'), (x, i) -> i > 0 and x > 'a')[0]",
    "decimal(amount) + cast(kind as decimal(20,5))",
    "regexp_replace(note, '(\\\\w)-(\\\\w)', '$2+$1')",
]


# What a column can be made of: of each kind one, but literals.
MADE = [
    "kind", "whole", "amount", "flag", "at", "day", "coalesce(day, day)", "day + 1", "cast(kind as binary)", "null",
    "at - timestamp '2026-01-01'", "day - date '2026-01-01'", "at - day", "split(kind, ',')", "array(whole)",
    "array(at)", "array(flag)",
]  # fmt: skip


def row(table: Table, **values: Any) -> DataFrame:
    """One event with these values, out of the sight of the optimizer, which would compute with them in advance."""
    schema = ", ".join(f"{name} {kind}" for name, kind in TYPES.items())
    return table([tuple((GOOD | values).values())], schema).repartition(1)


def before_and_after(source_df: DataFrame, expressions: Iterable[str]) -> DataFrame:
    """Two columns for each expression: what it is as it was written, and as it is written anew."""
    return source_df.select(*(F.expr(text) for before in expressions for text in (before, tolerant(before, TYPES))))


@pytest.mark.parametrize("expression", FAILS)
def test_what_fails_on_a_message_is_null_instead_and_otherwise_the_same(table: Table, expression: str) -> None:
    broken_df, sound_df = row(table, **FAILS[expression]), row(table, **SOUND.get(expression, {}))

    with pytest.raises(Exception, match=r"\[[A-Z_.]+\]|overflow"):
        broken_df.select(F.expr(expression)).collect()
    assert broken_df.select(F.expr(tolerant(expression, TYPES))).collect() == [(None,)]
    same_df = before_and_after(sound_df, [expression])
    (before, after), (before_type, after_type) = same_df.collect()[0], (field.dataType for field in same_df.schema)
    assert (after, after_type) == (before, before_type)


def test_what_does_not_fail_is_the_same_and_of_the_same_type(table: Table) -> None:
    actual_df = before_and_after(row(table), SAME)

    values, types = [*actual_df.collect()[0]], [field.dataType for field in actual_df.schema]
    assert dict(zip(SAME, values[1::2], strict=True)) == dict(zip(SAME, values[::2], strict=True))
    assert dict(zip(SAME, types[1::2], strict=True)) == dict(zip(SAME, types[::2], strict=True))


def test_the_opposite_of_a_decimal_has_a_digit_more(spark: SparkSession) -> None:
    source_df = spark.sql("SELECT cast(-1.50 AS decimal(12,2)) AS amount")
    actual_df = source_df.select(*(F.expr(tolerant(text, TYPES)).alias(text) for text in ("-amount", "abs(amount)")))
    assert dict(actual_df.dtypes) == {"-amount": "decimal(13,2)", "abs(amount)": "decimal(13,2)"}
    assert [*actual_df.collect()[0]] == [Decimal("1.50"), Decimal("1.50")]


@pytest.mark.parametrize("expression", MADE)
def test_a_cast_is_refused_where_spark_has_none_and_nowhere_else(table: Table, expression: str) -> None:
    source_df, written = row(table), tolerant(expression, TYPES)

    def refused_by_spark(column_type: str) -> bool:
        try:
            source_df.select(F.expr(f"try_cast({written} as {column_type})"))
        except AnalysisException:
            return True
        return False

    def refused(column_type: str) -> bool:
        try:
            validate(expression, TYPES, "expression", column_type)
        except ValueError:
            return True
        return False

    types = (*SIMPLE_TYPES, "decimal(12,2)", "binary")
    assert {kind: refused(kind) for kind in types} == {kind: refused_by_spark(kind) for kind in types}
