"""Proves the master dataset: each message that its appends have read is there once, and they have read all.

Each range that is noted holds as many messages as were read, and the ranges of a partition follow each other. Rows
before the first of them are of a release without notes: there each offset follows the one before. What an operator has
accepted as lost is not missing. Last, it holds each message that Kafka still has.
"""

from collections.abc import Iterator
from typing import NamedTuple

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from app import losses
from app.findings import SHOWN, Findings
from app.lake import Lake, any_of, between
from app.ledger import Ledger, Offsets
from app.losses import Loss
from app.master import Noted
from app.ranges import Ranges
from app.settings import Settings
from app.verify_kafka import lacking

RANGES = "of int, first long, following long"
Sides = tuple[str | None, str | None]  # what is held, and what must be


class Count(NamedTuple):
    """How many rows there are, how many of them are wrong, and how many offsets; the offset after the last old row."""

    rows: int
    wrong: int
    offsets: int
    next: int


def verify_bronze(lake: Lake, ledger: Ledger, settings: Settings, found: Findings) -> None:
    """Looks at all messages that it holds now. Right also while the archive adds to it, and Kafka deletes.

    Raises what `lacking` does.
    """
    noted = lake.noted()
    note, lost = noted.note, list(_joined(losses.recorded(ledger, "archive")))
    ranges: Ranges = note.ranges | {  # the last append has noted its sum alone
        p: [*note.ranges.get(p, []), (first, following, 0)] for p, (first, following) in note.appended.items()
    }
    old = note.cut | {p: of[0][0] for p, of in ranges.items()} if noted.commit else None
    gapless = not lake.pipeline.topic.compacted
    offset, before = F.col("offset"), F.col("_before")
    held = _placed(lake, noted, ranges).withColumn("_old", F.lit(True) if old is None else between({}, old))
    skips = (offset > before + 1) & ~_accepted(lost) & F.lit(gapless)
    outside = (F.col("partition") >= 0) & F.col("first").isNull() & (~F.col("_old") | skips)
    held = held.withColumn("_wrong", (offset == before) | outside)
    counts = _counted(held)
    messages, differing = sum(one.rows for one in counts.values()), sum(one.wrong for one in counts.values())
    rows = held.filter("_wrong").orderBy("partition", "offset").limit(SHOWN).collect() if differing else []
    shown = [_sides(row["partition"], row["offset"], row["_before"], row["_old"]) for row in rows]
    begun = {p: of[0][0] for p, of in ranges.items()}  # where Kafka compacts, what precedes it may end anywhere
    if gapless:
        begun = {p: one.next for (p, first), one in counts.items() if first is None}
    counted = {(p, first): one.offsets for (p, first), one in counts.items() if first is not None}
    for number, sides in [*_not_as_read(noted, counted), *_holes(ranges, begun, lost)]:
        differing += number
        shown.append(sides)
    missing, named = lacking(lake, ledger, settings, noted)
    differing += missing
    shown += [(None, name) for name in named]
    found.add("bronze", messages, differing, shown[:SHOWN])


def _placed(lake: Lake, noted: Noted, ranges: Ranges) -> DataFrame:
    """Each message with the offset before it in its partition, and the first offset of the range that it is in."""
    named = [(p, first, following) for p, of in ranges.items() for first, following, _ in of]
    previous = F.lag("offset", 1, -1).over(Window.partitionBy("partition").orderBy("offset"))
    rows = lake.bronze(noted.newest.version if noted.newest else None).select("partition", "offset")
    inside = (
        (F.col("partition") == F.col("of"))
        & (F.col("offset") >= F.col("first"))
        & (F.col("offset") < F.col("following"))
    )
    of_ranges = F.broadcast(lake.spark.createDataFrame(named, RANGES))
    return rows.withColumn("_before", previous).join(of_ranges, inside, how="left")


def _accepted(lost: list[Loss]) -> Column:
    return any_of(
        (F.col("partition") == partition) & (F.col("_before") + 1 >= first) & (F.col("offset") <= following)
        for partition, first, following in lost
    )


def _counted(held: DataFrame) -> dict[tuple[int, int | None], Count]:
    """What each partition holds in each range, known by its first offset, and in none."""
    found = held.groupBy("partition", "first").agg(
        F.count("*"),
        F.count_if("_wrong"),
        F.count_if(F.col("offset") != F.col("_before")),
        F.coalesce(F.max(F.when(F.col("_old"), F.col("offset") + 1)), F.lit(0)),
    )
    return {(partition, first): Count(*counts) for partition, first, *counts in found.collect()}


def _not_as_read(noted: Noted, counted: dict[tuple[int, int], int]) -> Iterator[tuple[int, Sides]]:
    """The ranges that hold another number of messages than was read, and how many more or less."""
    for partition, of in noted.note.ranges.items():
        for first, following, read in of:
            if (there := counted.get((partition, first), 0)) != read:
                where = f"partition {partition}, offsets {first} to {following - 1}"
                yield abs(there - read), (f"{where}: {there:,} messages", f"{where}: {read:,} messages were read")
    if noted.commit and noted.note.appended:
        there = sum(counted.get((p, first), 0) for p, (first, _) in noted.note.appended.items())
        written = there if noted.commit.rows is None else noted.commit.rows
        if there != written:
            where = "; ".join(f"partition {p}, offsets {a} to {b - 1}" for p, (a, b) in noted.note.appended.items())
            yield abs(there - written), (f"{where}: {there:,} messages", f"{where}: {written:,} messages were written")


def _holes(ranges: Ranges, begun: Offsets, lost: list[Loss]) -> Iterator[tuple[int, Sides]]:
    """What no range covers, nor an older row, and was not accepted as lost; and what two of them cover."""
    for partition, of in ranges.items():
        end = begun.get(partition, 0)
        for first, following, _ in of:
            accepted = any(p == partition and start <= end and first <= next_ for p, start, next_ in lost)
            if first > end and not accepted:
                yield first - end, (None, f"partition {partition}, offsets {end} to {first - 1}")
            elif first < end:
                once = f"partition {partition}, offsets {first} to {min(end, following) - 1}"
                yield min(end, following) - first, (f"{once}, read more than once", once)
            end = max(end, following)


def _joined(lost: list[Loss]) -> Iterator[Loss]:
    """Losses that follow each other as one; `lost` is in order of offset."""
    whole: dict[int, Loss] = {}
    for partition, first, following in lost:
        earlier = whole.get(partition)
        if earlier and first <= earlier[2]:
            whole[partition] = (partition, earlier[1], max(following, earlier[2]))
            continue
        if earlier:
            yield earlier
        whole[partition] = (partition, first, following)
    yield from whole.values()


def _sides(partition: int, offset: int, before: int, old: bool) -> Sides:
    once = f"partition {partition}, offset {offset}"
    if offset == before:
        return f"{once}, more than once", once
    if not old:
        return f"{once}, which no append has read", None
    return None, f"partition {partition}, offsets {before + 1} to {offset - 1}"
