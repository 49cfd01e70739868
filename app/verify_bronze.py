"""Proves the master dataset: every message between the first and the last that it holds is there, and once."""

from collections.abc import Iterator

from pyspark.sql import Column, Window
from pyspark.sql import functions as F

from app import losses
from app.findings import SHOWN, Findings
from app.lake import Lake, any_of, between
from app.ledger import Ledger, Offsets
from app.losses import Loss


def verify_bronze(lake: Lake, ledger: Ledger, end: Offsets, found: Findings) -> None:
    """Looks at all messages below `end`. Offsets are missing where Kafka's follow each other and these do not.

    What an operator has accepted as lost is not missing.
    """
    offset, before = F.col("offset"), F.col("_before")
    previous = F.lag("offset", 1, -1).over(Window.partitionBy("partition").orderBy("offset"))
    held = lake.bronze().filter(between({}, end)).select("partition", "offset").withColumn("_before", previous)
    missing = (F.col("partition") >= 0) & (offset > before + 1) & ~_accepted(losses.recorded(ledger, "archive"))
    wrong = (offset == before) | missing
    ((messages, differing),) = held.agg(F.count("*"), F.count_if(wrong)).collect()
    shown = held.filter(wrong).orderBy("partition", "offset").limit(SHOWN).collect() if differing else []
    found.add("bronze", messages, differing, [_sides(*row) for row in shown])


def _accepted(lost: list[Loss]) -> Column:
    return any_of(
        (F.col("partition") == partition) & (F.col("_before") + 1 >= first) & (F.col("offset") <= following)
        for partition, first, following in _joined(lost)
    )


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


def _sides(partition: int, offset: int, before: int) -> tuple[str | None, str | None]:
    if offset == before:
        once = f"partition {partition}, offset {offset}"
        return f"{once}, more than once", once
    return None, f"partition {partition}, offsets {before + 1} to {offset - 1}"
