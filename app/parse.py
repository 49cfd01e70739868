"""From raw messages to JSON objects whose fields are still text.

raw         topic, partition, offset, timestamp, value
elements    _topic, _partition, _offset, arrival, _value, _broken, _index, _is_object, _in_array, _element, and
            a text for each column
"""

from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from app import typed_text
from app.events import ARRIVAL, MAX_MESSAGE_BYTES
from app.measures import digits
from app.model import Column, Pipeline

DOUBLE_DIGITS = 15  # that a double holds of any decimal number
EXCERPT_BYTES = 4096  # of the text of an event that is quarantined; all of it is in the master dataset
NOT_JSON = "not_json_objects"
END_OF_VALUE, END_OF_ARRAY = 736_254_098_127_465_390, 736_254_098_127_465_391
# Spark takes more for JSON than RFC 8259 does.
RFC_8259 = {"allowSingleQuotes": "false", "allowNonNumericNumbers": "false"}


def elements(raw: DataFrame, pipeline: Pipeline) -> DataFrame:
    """One row for each element of a message that is a JSON array of objects, one row for any other message.

    `_index` is the place in the array, 0 for a single object, and null where a message holds neither; `_broken` then
    says why. `_is_object` is false for an element that is none. The columns of the pipeline are texts, as `_text_` and
    their name: a number keeps the digits that its column can hold, and all of them where that is a string. An object,
    array or boolean where a string is declared is a zero byte, which no column takes. `_value` and `_element` are for
    `excerpt`.
    """
    exploded = _exploded(typed_text.added(_parsed(_prepared(raw, pipeline), pipeline), pipeline))
    found = {c.name: f"coalesce(_object.`{c.name}`, _element.`{c.name}`)" for c in pipeline.fields}
    texts = {f"_text_{name}": F.expr(f"try_cast({value} as string)") for name, value in found.items()}
    if strings := typed_text.strings(pipeline):
        exploded = exploded.withColumn("_strings", typed_text.element(pipeline))
        texts |= {(text := f"_text_{c.name}"): typed_text.text(c.name, texts[text]) for c in strings}
    is_object = F.isnotnull("_object") | F.isnotnull("_element")
    return exploded.withColumns({"_is_object": is_object, **texts}).drop("_object", "_doubtful", "_typed", "_strings")


def excerpt() -> SparkColumn:
    """At most EXCERPT_BYTES of the text of an event of `elements`: of an element that of the pipeline's columns.

    All elements of a message together have not much more than their message.
    """
    element = F.coalesce(F.to_json("_element"), F.lit("null")).cast("binary")
    return F.substring(F.when(F.col("_in_array"), element).otherwise(F.col("_value")), 1, EXCERPT_BYTES)


def _prepared(raw: DataFrame, pipeline: Pipeline) -> DataFrame:
    """Messages with the text to parse in `_object` or in `_array`; both are null for one that is `_broken`.

    Spark's parser stops after the first value, whatever follows it. Nothing follows the object of a message whose
    first closing brace is its last byte. Any other message is put in an array that ends in a mark of our own, so
    that a parser that finds the mark where it belongs has read all of it.
    """
    text = F.col("value").cast("string")
    # To split a text, Java decodes it, and what is not UTF-8 comes back as other bytes. So a message that begins with
    # the part before its first brace, and has one byte more, is valid, too: one look tells both, in half the time.
    flat = text.startswith(F.col("_before")) & (F.octet_length("_before") == F.octet_length("value") - 1)
    if any(_field_type(column) == "variant" for column in pipeline.fields):
        text = typed_text.without_half_characters(text)  # a variant that holds one is lost with all of its object
    trimmed = F.btrim(text, F.lit(" \t\r\n"))
    is_array = trimmed.startswith("[") & trimmed.endswith("]")
    elements = F.substr(trimmed, F.lit(1), F.length(trimmed) - 1)
    array = F.when(is_array, F.concat(elements, F.lit(_mark(END_OF_ARRAY)))).otherwise(
        F.concat(F.lit("["), text, F.lit(_mark(END_OF_VALUE)))
    )
    unmarked = ~text.contains(str(END_OF_ARRAY)) & ~text.contains(str(END_OF_VALUE))
    broken = (
        F.when(F.col("value").isNull(), "null_value")
        .when(F.octet_length("value") > MAX_MESSAGE_BYTES, "too_large")
        .when(~F.col("_flat") & ~F.is_valid_utf8(F.col("value").cast("string")), "invalid_utf8")
    )
    readable = F.col("_broken").isNull()
    before = F.get(F.split(F.col("value").cast("string"), F.lit("}"), 2), F.lit(0))
    found = raw.withColumn("_before", before).withColumn("_flat", flat)
    return found.withColumn("_broken", broken).select(
        F.col("topic").alias("_topic"),
        F.col("partition").alias("_partition"),
        F.col("offset").alias("_offset"),
        F.col("timestamp").alias(ARRIVAL),
        F.col("value").alias("_value"),
        "_broken",
        F.when(readable & F.col("_flat"), text).alias("_object"),
        F.when(readable & ~F.col("_flat") & unmarked, array).alias("_array"),
    )


def _field_type(column: Column) -> str:
    """A number with a fraction that becomes a string goes through a double; as a variant, at a price, it does not."""
    number = digits(column.type)
    return "variant" if number and number.scale and number.precision > DOUBLE_DIGITS else "string"


def _mark(end: int) -> str:
    return f',{{"_end":{end}}}]'


def _parsed(prepared: DataFrame, pipeline: Pipeline) -> DataFrame:
    """Messages with `_object`, a struct, or with `_array` of structs with the same fields, the mark last."""
    fields = ",".join(f"`{column.name}`:{_field_type(column)}" for column in pipeline.fields)
    return prepared.select(
        *("_topic", "_partition", "_offset", ARRIVAL, "_value"),
        # Every field of a struct takes time, whether it is there or not.
        F.from_json("_object", f"struct<{fields},_bad:string>", RFC_8259 | {"columnNameOfCorruptRecord": "_bad"}).alias(
            "_object"
        ),
        F.from_json("_array", f"array<struct<{fields},_end:string>>", RFC_8259).alias("_array"),
        F.coalesce("_object", "_array").alias("_json"),
        # What a parser reads is compiled only in a select of its own, and Spark would merge the two selects if this
        # one did not read those columns twice.
        F.when(F.isnull("_object") & F.isnull("_array"), F.coalesce("_broken", F.lit(NOT_JSON)))
        .otherwise(NOT_JSON)
        .alias("_broken"),
    )


def _exploded(parsed: DataFrame) -> DataFrame:
    """One row an element of a message: `_index`, and `_object` or `_element`; `_index` is null where there is none."""
    last = F.size("_array") - 1
    end = F.get("_array", last)["_end"]
    whole = (end == str(END_OF_ARRAY)) & (last > 0) | (end == str(END_OF_VALUE)) & (last == 1)
    # Numbers are exploded, not structs: that is nearly free.
    numbers = (
        F.when(F.col("_object").isNotNull() & F.col("_object._bad").isNull(), F.array(F.lit(0)))
        .when(whole, F.sequence(F.lit(0), last - 1))
        .otherwise(F.array(F.lit(None).cast("int")))
    )
    element, in_array = F.get("_array", F.col("_index")), F.isnotnull("_index") & (end == str(END_OF_ARRAY))
    exploded = parsed.withColumn("_index", F.explode(numbers))
    return exploded.withColumns({"_element": element, "_in_array": F.coalesce(in_array, F.lit(False))}).drop("_array")
