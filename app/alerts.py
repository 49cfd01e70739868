"""Increments of an alert: what a sequence of readings says of it, whatever came before and comes after.

The summaries of two sequences of which one follows the other can be put together (see the migration that makes
`tidemark.alert_merge`). Micro-batches, segments and versions hold such sequences of each partition; so each is
summarised by itself, and what is put together is what the readings of all of them say.

    reading    _offset, _index, high (above the upper limit), low (below the lower one), row (the columns shown)
    summary    first, last: [offset, index]; head, marks: array of {on, at: [offset, index], row}; all; tail
"""

from pyspark.sql import Column
from pyspark.sql import functions as F

from app.measures import State

CHUNK = 65_536  # offsets that the readings of one summary lie within, so that no array of them grows without end
PARTS = ("head", "all", "tail", "marks")  # what is told of a sequence, besides where it begins and ends


def chunk() -> Column:
    """Which chunk of its partition an event lies in."""
    return F.expr(f"_offset div {CHUNK}")


def readings(state: State, among: Column) -> Column:
    """The readings of a group, in no order: of its events for which `among` is true. An aggregate."""
    above, below = state.limits
    value, row = F.col(state.by), F.struct(*(F.col(name) for name in state.of))
    high, low = (value > F.lit(above)).alias("high"), (value < F.lit(below)).alias("low")
    return F.collect_list(F.when(among, F.struct("_offset", "_index", high, low, row.alias("row"))))


def summary(ordered: Column, state: State) -> Column:
    """The summary of readings in the order of their positions; null where there is none."""
    first, last = F.try_element_at(ordered, F.lit(1)), F.try_element_at(ordered, F.lit(-1))
    places = [_at(first).alias("first"), _at(last).alias("last")]
    whole = F.aggregate(
        ordered,
        _of_none(first),
        lambda before, reading: _followed(before, reading, state.n),
        lambda all_of_them: F.struct(*places, *(all_of_them[part].alias(part) for part in PARTS)),
    )
    return F.when(first.isNotNull(), whole)


def _of_none(example: Column) -> Column:
    # An empty array of the type that it will have.
    none = F.slice(F.array(_switch(example)), 1, 0)
    return F.struct(none.alias("head"), F.lit(True).alias("all"), F.lit(0).alias("tail"), none.alias("marks"))


def _followed(before: Column, reading: Column, n: int) -> Column:
    """The summary of some readings and the one after them."""
    high, run, leading = reading["high"], before["tail"], before["all"]
    marked = F.when(high, ~leading & (run == n - 1)).otherwise(reading["low"])
    changed = marked & ~F.try_element_at(before["marks"], F.lit(-1))["on"].eqNullSafe(high)
    return F.struct(
        _appended(before["head"], reading, leading & high & (run < n)).alias("head"),
        (leading & high).alias("all"),
        F.when(high, F.least(run + 1, F.lit(n))).otherwise(0).alias("tail"),
        _appended(before["marks"], reading, changed).alias("marks"),
    )


def _appended(switches: Column, reading: Column, condition: Column) -> Column:
    return F.when(condition, F.concat(switches, F.array(_switch(reading)))).otherwise(switches)


def _switch(reading: Column) -> Column:
    return F.struct(reading["high"].alias("on"), _at(reading).alias("at"), reading["row"].alias("row"))


def _at(reading: Column) -> Column:
    return F.array(reading["_offset"], reading["_index"].cast("bigint"))
