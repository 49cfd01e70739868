r"""The exact texts of the columns that are strings, where Spark's parser may have given others.

Spark's parser makes a string of whatever stands where one is declared. A string is what it was, and so are most whole
numbers. But 1.10 has become 1.1, true and an object their texts, and half a surrogate pair a question mark. What a
string was made of shows only in the message. So a message of which a string *looks* like one of these is parsed once
more, as strings alone: those that were strings end with a bar, numbers and booleans begin with one.

    {"client": "Ada", "id": 1.10, "paid": true, "rest": {}}
    {"client|": "Ada|", "id|": "|1.10", "paid|": "|true", "rest|": {}}

No function here is one that ends Spark's generated code, and no regular expression goes back over what it has read, or
deeper with what follows: the text may be hostile.
"""

from functools import reduce
from operator import or_

from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from app.model import Column, Pipeline

# A line that may be of no string: a number as Java writes it, half a character, a boolean, an object or an array.
OTHER = r"""(?m)^(-?[0-9]+\.[0-9E.-]+|0|"-?Infinity"|true|false|[\[{].*)$|\?"""
HIGH, LOW = r"\\u[dD][89abAB][0-9a-fA-F]{2}", r"\\u[dD][c-fC-F][0-9a-fA-F]{2}"
HALF = f"{HIGH}(?!{LOW})|(?<!{HIGH}){LOW}"
VALUES = r'"([^"]*+)"|(-?[0-9][-+.eE0-9]*+|true|false)'
NO_STRING = "\0"  # which no column takes


def strings(pipeline: Pipeline) -> list[Column]:
    """The fields that are strings."""
    return [column for column in pipeline.fields if column.type == "string"]


def added(parsed: DataFrame, pipeline: Pipeline) -> DataFrame:
    """Messages with `_doubtful`, and `_typed`, which is what was parsed once more of one that is.

    Takes `_object`, `_array` and their text `_json`, which it drops.
    """
    fields = strings(pipeline)
    if not fields:
        return parsed.drop("_json")
    in_object = reduce(or_, (_is_doubtful(F.col(f"_object.{column.name}")) for column in fields))
    in_array = reduce(or_, (_is_one_doubtful(F.col(f"_array.{column.name}")) for column in fields))
    doubtful = F.coalesce(F.when(F.isnotnull("_object"), in_object).otherwise(in_array), F.lit(False))
    found = parsed.withColumn("_doubtful", doubtful)
    typed = F.when(F.col("_doubtful"), F.try_parse_json(_as_strings(F.col("_json"))))
    return found.withColumn("_typed", typed).drop("_json")


def element(pipeline: Pipeline) -> SparkColumn:
    """Of an element of a doubtful message its strings, as a struct of texts with bars."""
    place = F.when(F.isnotnull("_object"), "$").otherwise(F.concat(F.lit("$["), F.col("_index"), F.lit("]")))
    struct = ",".join(f"`{column.name}|`:string" for column in strings(pipeline))
    return F.try_variant_get("_typed", place, f"struct<{struct}>")


def text(name: str, parsed: SparkColumn) -> SparkColumn:
    """The text of a column that is a string: `parsed` first, or that of the `element`; NO_STRING for what is none."""
    found = F.col(f"_strings.`{name}|`")
    number = found.startswith("|") & ~found.isin("|true", "|false")
    string = F.substr(found, F.lit(1), F.length(found) - 1)
    typed = F.when(found.endswith("|"), string).when(number, F.substr(found, F.lit(2))).otherwise(NO_STRING)
    return F.when(~F.col("_doubtful"), parsed).when(F.isnotnull(found), typed)


def without_half_characters(text: SparkColumn) -> SparkColumn:
    r"""JSON in which `?` and a zero byte stand for each half of a surrogate pair without the other.

    No string may hold the one, and no number, time or boolean the other, which Spark does not trim.
    """
    # Two backslashes are one that is written as it is; written in another way, each begins an escape.
    plain = F.replace(text, F.lit("\\\\"), F.lit("\\u005c"))
    return F.when(_has_surrogates(text), F.regexp_replace(plain, F.lit(HALF), F.lit(r"?\\u0000"))).otherwise(text)


def _has_surrogates(text: SparkColumn) -> SparkColumn:
    return text.contains("\\ud") | text.contains("\\uD")


def _is_doubtful(value: SparkColumn) -> SparkColumn:
    """Whether a string of the first parse may have been something else; in little code: Java compiles no large one."""
    number = (value < ":") & (value.contains(".") | (value < "#") | (value == "0"))  # "Infinity" has quotes
    container = value.between("[", "\\") | value.between("{", "|")
    return number | container | value.isin("true", "false") | value.contains("?")


def _is_one_doubtful(values: SparkColumn) -> SparkColumn:
    """Whether one of an array of strings may have been something else."""
    return F.array_join(values, "\n").rlike(OTHER)


def _as_strings(text: SparkColumn) -> SparkColumn:
    """A JSON text with a bar at the end of each name and string, and each number and boolean as a string after one."""
    escaped = F.replace(F.replace(text, F.lit("\\\\"), F.lit("\\u005c")), F.lit('\\"'), F.lit("\\u0022"))
    # Now every quote begins or ends a string.
    return F.regexp_replace(without_half_characters(escaped), F.lit(VALUES), F.lit('"$1|$2"'))
