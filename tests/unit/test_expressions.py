"""Expressions are written anew so that they cannot fail; what could fail all the same is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.expressions import tolerant, validate

TYPES = {
    "at": "timestamp", "day": "date", "kind": "string", "note": "string", "amount": "decimal(12,2)", "whole": "bigint",
    "rank": "int", "flag": "boolean",
}  # fmt: skip

WRITTEN = {
    "amount / rank": "try_divide(`amount`, `rank`)",
    "amount + rank - 1": "try_subtract(try_add(`amount`, `rank`), 1)",
    "rank % 2 = mod(whole, 2)": "(try_mod(`rank`, 2) = try_mod(`whole`, 2))",
    "-amount * 2": "try_multiply(try_subtract(0, `amount`), 2)",
    "amount > -1.5": "(`amount` > -1.5)",
    "abs(rank)": "if((`rank` < 0), try_subtract(0, `rank`), `rank`)",
    "at <= arrival + interval 1 day": "(`at` <= try_add(`arrival`, INTERVAL '1' DAY))",
    "at - arrival < interval '2' hours": "(try_subtract(`at`, `arrival`) < INTERVAL '2' HOUR)",
    "cast(kind as int) > 3": "(TRY_CAST(`kind` AS INT) > 3)",
    "kind::decimal(5,2) > 1": "(TRY_CAST(`kind` AS DECIMAL(5, 2)) > 1)",
    "date(kind) = day": "(TRY_CAST(`kind` AS DATE) = `day`)",
    "at > timestamp '2020-01-01'": "(`at` > TRY_CAST('2020-01-01' AS TIMESTAMP))",
    "1.5BD + 1L + 1e3": "try_add(try_add(TRY_CAST('1.5' AS DECIMAL(2, 1)), 1L), 1e3)",
    "to_date(kind, 'yyyy-MM-dd') = day": "(try_to_date(`kind`, 'yyyy-MM-dd') = `day`)",
    "element_at(split(kind, ','), -1)": "try_element_at(split(`kind`, ','), -1)",
    "split(kind, ',')[0]": "get(split(`kind`, ','), 0)",
    "kind || note || 'x'": "concat(concat(`kind`, `note`), 'x')",
    "case when flag then rank else 0 end": "CASE WHEN `flag` THEN `rank` ELSE 0 END",
    "case kind when 'a' then 1 end": "CASE `kind` WHEN 'a' THEN 1 END",
    "kind not in ('a', 'b') or kind not like 'c%'": "((NOT (`kind` IN ('a', 'b'))) OR (NOT (`kind` LIKE 'c%')))",
    "kind is distinct from note": "(NOT (`kind` <=> `note`))",
    "rank = whole is null": "((`rank` = `whole`) IS NULL)",
    "exists(array(amount), x -> x / rank > 0)": "exists(array(`amount`), `x` -> (try_divide(`x`, `rank`) > 0))",
    "transform(split(kind, ','), (x, i) -> cast(x as int) + i)[0]": (
        "get(transform(split(`kind`, ','), (`x`, `i`) -> try_add(TRY_CAST(`x` AS INT), `i`)), 0)"
    ),
    "regexp_replace(kind, '(\\\\d+)-(a)', '$2$1')": "regexp_replace(`kind`, '(\\\\d+)-(a)', '$2$1')",
    "kind rlike r'\\d+' -- digits": "(`kind` RLIKE r'\\d+')",
    "kind = 'it\\'s' or kind = \"a'b\"": "((`kind` = 'it\\'s') OR (`kind` = \"a'b\"))",
    "left(kind, 2) <> left(kind, whole)": "(left(`kind`, 2) <> left(`kind`, TRY_CAST(`whole` AS INT)))",
    "coalesce(nullif(trim(note), ''), 'none')": "coalesce(nullif(trim(`note`), ''), 'none')",
}

CAST = "write the cast, which is null there: cast(x as …)"
REFUSED = {
    "raise_error(kind)": "raise_error can fail, or has not been tried; use a check of the pipeline",
    "assert_true(flag)": "use a check of the pipeline",
    "rank div 2 = 1": "use cast(a / b as bigint)",
    "unbase64(kind) is null": "use to_binary(text, 'base64')",
    "monotonically_increasing_id() = 1": "allowed are the functions in app/functions.py",
    "unheard_of(kind)": "unheard_of can fail, or has not been tried; allowed are the functions in app/functions.py",
    "kind = 5": f"number and string do not go together; Spark would cast, and fail on a value that is none; {CAST}",
    "at > '2020-01-01'": "string and time do not go together",
    "coalesce(rank, 'none')": "number and string do not go together",
    "rank in (1, kind)": "number and string do not go together",
    "rank between 1 and note": "number and string do not go together",
    "case when flag then kind else 1 end": "number and string do not go together",
    "case when kind then 1 end": "`kind` is string, where a boolean is expected",
    "flag and kind": f"`kind` is string, where a boolean is expected; Spark would cast, .*{CAST}",
    "if(kind, 1, 2)": "`kind` is string, where a boolean is expected",
    "exists(split(kind, ','), x -> x > 5)": "number and string do not go together",
    "amount + kind": f"try_add does not take number, string; .*{CAST}",
    "year(kind) = 1": f"year takes time, not string; .*{CAST}",
    "substr(kind, note) = ''": "substr takes string, number, number (or none), not string, string",
    "round(amount, -1)": "round takes number, literal number from 0 on (or none), not number, number$",
    "element_at(split(kind, ','), rank)": "literal number other than 0, not array of strings, number",
    "split_part(kind, ',', 0)": "literal number other than 0",
    "kind rlike note": "rlike takes string, literal string, not string, string",
    "regexp_extract(kind, 'a') = 'a'": "regexp_extract wants group 1, and 'a' has 0",
    "regexp_replace(kind, '(a)', '$2')": "regexp_replace wants group 2, and '(a)' has 1",
    "regexp_replace(kind, 'a', '$')": "no other $ or backslash",
    "timestamp '2020-13-01' < at": "'2020-13-01' is no timestamp; write '2026-01-31'",
    "cast(kind as interval day) is null": "a cast to .* is not understood; allowed: string, tinyint",
    "amount = 1 = flag": "can be read in two ways; use parentheses",
    "kind || rank + 1 = ''": "can be read in two ways; use parentheses",
    "extract(year from at) = 1": "is not understood; write functions as f(a, b)",
    "interval '1 02' day to hour < interval 1 day": "write a number and a unit: interval 1 day",
    "map('a', 1)['a'] = 1": "map can fail",
    "kind like any ('a', 'b')": "is not understood; write it another way",
    "rank & 1 = 1": "is not understood; write it another way",
}


@pytest.mark.parametrize("expression", WRITTEN)
def test_an_expression_is_written_as_what_cannot_fail(expression: str) -> None:
    assert tolerant(expression, TYPES) == WRITTEN[expression]


@pytest.mark.parametrize("expression", [text for text in WRITTEN.values() if "left" not in text])
def test_what_was_written_is_understood_as_itself(expression: str) -> None:
    assert tolerant(expression, TYPES) == expression


@pytest.mark.parametrize("expression", REFUSED)
def test_what_could_fail_on_some_message_is_refused_with_what_to_write_instead(expression: str) -> None:
    said = REFUSED[expression].replace("(", r"\(").replace(")", r"\)").replace("$ or", r"\$ or")

    with pytest.raises(ValueError, match=r"^checks\[c\]: .*" + said):
        validate(expression, TYPES, "checks[c]")


LEVELS = (("or",), ("and",), ("=", "<", ">="), ("+", "-"), ("*", "/", "%"))  # of Spark's operators, loosest first


@st.composite
def conditions(draw: st.DrawFn, level: int = 0) -> tuple[str, str]:
    """An expression twice: with the parentheses that Spark needs, and with all."""
    if level == len(LEVELS):
        name = draw(st.sampled_from(["amount", "rank", "whole", "2", "-whole"]))
        return name, f"({name})"
    if level > 2 and draw(st.integers(0, 3)) == 0:
        few, all_ = draw(conditions(level=3))
        return f"({few})", all_
    first = draw(conditions(level=level + 1))
    if level == 1 and draw(st.booleans()):
        first = (f"not {first[0]}", f"(not {first[1]})")
    # A comparison has two sides; sums, products, and conditions may go on.
    more = draw(st.integers(1, 1) if level == 2 else st.integers(0, 2))
    for _ in range(more):
        operator = draw(st.sampled_from(LEVELS[level]))
        second = draw(conditions(level=level + 1))
        first = (f"{first[0]} {operator} {second[0]}", f"({first[1]} {operator} {second[1]})")
    return first


@given(conditions())
def test_operators_bind_as_they_do_in_spark(both: tuple[str, str]) -> None:
    few, all_ = both

    assert tolerant(few, TYPES) == tolerant(all_, TYPES)
