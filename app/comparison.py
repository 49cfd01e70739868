"""Whether two DataFrames hold the same rows, each as often, and which rows differ."""

from collections.abc import Iterable

from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F

from app.findings import SHOWN

SALTS = (1, 2)  # one of each hash: rows that are not the same agree in both sums once in about 2^128
WIDTH = 500  # characters that are shown of a row, which may hold a large message

Digest = tuple[int, ...]  # how many rows, and the sum of each hash over them
Sides = tuple[str | None, str | None]  # what is held, and what must be, of rows with one identity; None: no such row


def digest(rows: DataFrame) -> Digest:
    """The digest of all columns of all rows, whatever their order."""
    (only,) = digests(rows, [("true", tuple(rows.columns))])
    return only


def digests(rows: DataFrame, parts: Iterable[tuple[str, tuple[str, ...]]]) -> list[Digest]:
    """The digest of each part of the rows (a condition, and columns), all in one pass."""
    sums = [column for where, columns in parts for column in _sums(F.expr(where), columns)]
    numbers = [int(number or 0) for number in rows.agg(*sums).first() or Row()]
    size = 1 + len(SALTS)
    return [tuple(numbers[first : first + size]) for first in range(0, len(numbers), size)]


def _sums(where: Column, columns: tuple[str, ...]) -> list[Column]:
    # A hash passes over nulls; what says of each value whether it is one makes null, 'a' another row than 'a', null.
    values = [part for name in columns for part in (F.isnull(name), F.col(name))]
    hashes = (F.xxhash64(F.lit(salt), *values).cast("decimal(20,0)") for salt in SALTS)
    return [F.count_if(where), *(F.sum(F.when(where, number)) for number in hashes)]


def compared(
    held: DataFrame, must: DataFrame, identity: tuple[str, ...], expected: Digest | None = None
) -> tuple[int, int, list[Sides]]:
    """How many rows are held, how many are not as they must be, and some of these (see `differing`).

    `expected`: the digest of `must`, where it is known already.
    """
    given = digest(held)
    if given == (digest(must) if expected is None else expected):
        return given[0], 0, []
    return given[0], *differing(held, must, identity)


def differing(held: DataFrame, must: DataFrame, identity: tuple[str, ...]) -> tuple[int, list[Sides]]:
    """How many rows, told apart by `identity`, are not as they must be, and some of these: both sides as text."""
    text = F.substring(F.to_json(F.struct(*held.columns), {"ignoreNullFields": "false"}), 1, WIDTH)
    counted = held.withColumns({"_held": F.lit(1), "_must": F.lit(0)}).unionAll(
        must.withColumns({"_held": F.lit(0), "_must": F.lit(1)})
    )
    counted = counted.groupBy(*held.columns).agg(F.sum("_held").alias("_held"), F.sum("_must").alias("_must"))
    unequal = counted.filter("_held <> _must").withColumn("_text", text).groupBy(*identity)
    sides = unequal.agg(_side("_held").alias("held"), _side("_must").alias("must")).persist()
    try:
        shown = sides.orderBy(*identity, "held").limit(SHOWN).collect()
        return sides.count(), [(row["held"], row["must"]) for row in shown]
    finally:
        sides.unpersist()


def _side(count: str) -> Column:
    """The rows of one side with the same identity, and how often each is there; null: none."""
    times = F.when(F.col(count) > 1, F.concat(F.lit(" "), F.col(count), F.lit(" times"))).otherwise("")
    there = F.when(F.col(count) > 0, F.concat("_text", times))
    return F.nullif(F.array_join(F.sort_array(F.collect_list(there)), " and "), F.lit(""))
