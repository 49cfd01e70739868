"""What the batch layer computes: the increments of all events between two cuts, and the events themselves."""

from dataclasses import dataclass

import pyarrow as pa
from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from app.duplicates import ORDER, duplicates_marked, identity, identity_hash
from app.lake import Lake, between
from app.ledger import Offsets, messages_between
from app.model import Pipeline
from app.transform import aggregate, decode

FEW = 500_000  # messages of which every process can hold the identities
AS_MANY = 1_000_000_000  # partitions: more than there are, which is as many as there are


class OutOfOrder(Exception):
    """A new event arrived before its duplicate that an earlier version has counted: only a full batch can mend that."""


@dataclass(frozen=True)
class Counts:
    """Events of a range by what became of them; their sum is what was produced."""

    accepted: int
    duplicates: int
    quarantined: int

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            self.accepted + other.accepted, self.duplicates + other.duplicates, self.quarantined + other.quarantined
        )


@dataclass(frozen=True)
class Computed:
    """Events of a range with `_duplicate`, cached until `release`; how many; the increments of every view."""

    marked: DataFrame
    counts: Counts
    increments: pa.Table

    @property
    def events(self) -> DataFrame:
        """The events without duplicates."""
        return _firsts(self.marked)

    def release(self) -> None:
        """Lets go of the cached events. Spark caches a DataFrame, not those made of it: this must be the same one."""
        self.marked.unpersist()


def compute(lake: Lake, pipeline: Pipeline, start: Offsets, cut: Offsets) -> Computed:
    """Counts the events from `start` on and below `cut`; duplicates of anything below `start` do not count.

    Raises:
        OutOfOrder: a new event precedes one below `start` that it is a duplicate of.
    """
    new = marked = _marked(lake, pipeline, start, cut).persist()
    try:
        if pipeline.dedup and start:
            few = messages_between(start, cut) <= FEW
            ids = _suspected(new, lake.ids(start), pipeline, few)
            if ids is not None:
                marked = _known_marked(new, ids, pipeline, few).persist()
        increments = aggregate(_firsts(marked), pipeline).toArrow()
        counts = _counts(marked)
    except BaseException:
        marked.unpersist()
        raise
    finally:
        if new is not marked:
            new.unpersist()
    return Computed(marked, counts, increments)


def events_below(lake: Lake, pipeline: Pipeline, cut: Offsets) -> DataFrame:
    """All events below `cut`, without duplicates: those that `compute` counts from the start on."""
    return _firsts(_marked(lake, pipeline, {}, cut))


def _firsts(marked: DataFrame) -> DataFrame:
    return marked.filter("_duplicate = 0")


def _marked(lake: Lake, pipeline: Pipeline, start: Offsets, cut: Offsets) -> DataFrame:
    # Spark writes a cut into the class that filters by it. Coalescing ends that class, so that the large ones which
    # decode are the same for every cut, and are not compiled, and found by Java to be hot, anew in each batch.
    messages = lake.bronze().filter(between(start, cut)).coalesce(AS_MANY)
    return duplicates_marked(decode(messages, pipeline), pipeline)


def _suspected(marked: DataFrame, ids: DataFrame, pipeline: Pipeline, few: bool) -> DataFrame | None:
    """The `ids` between the first and the last that have the hash of an event in `marked`; None: no one has.

    A number is read in a fraction of the time that an identity takes, and duplicates come soon after each other.
    """
    hashes = marked.select(identity_hash(pipeline).alias("_hash"))
    among = ids.join(_small(hashes, few), "_hash", "left_semi").groupBy("_partition")
    found = among.agg(F.min("_offset").alias("first"), F.max("_offset").alias("last")).collect()
    first = {row["_partition"]: row["first"] for row in found}
    end = {row["_partition"]: row["last"] + 1 for row in found}
    return ids.filter(between(first, end, "_partition", "_offset")) if found else None


def _known_marked(marked: DataFrame, ids: DataFrame, pipeline: Pipeline, few: bool) -> DataFrame:
    """Marks 1 what is in `ids`, the events counted before, and 2 what precedes its duplicate there."""
    events = marked.withColumn("_identity", identity(pipeline))
    among = ids.join(_small(events.select("_identity"), few), "_identity", "left_semi")
    # Computed now: a DataFrame made of the ids would be planned anew, and its cache be lost, when they are added to.
    known = among.select("_identity", F.struct(*ORDER).alias("_first")).localCheckpoint()
    joined = events.join(_small(known, few), "_identity", "left")
    precedes = F.when(F.struct(*ORDER) < F.col("_first"), 2).otherwise(1)
    flag = F.when(F.col("_first").isNotNull() & F.col("_reason").isNull(), precedes).otherwise(F.col("_duplicate"))
    return joined.withColumn("_duplicate", flag).drop("_identity", "_first")


def _small(rows: DataFrame, few: bool) -> DataFrame:
    """Rows to join with those of a larger table, which is not shuffled where they are `few`."""
    return F.broadcast(rows) if few else rows


def _counts(marked: DataFrame) -> Counts:
    accepted = (F.col("_duplicate") == 0) & F.col("_reason").isNull()
    row = marked.agg(
        F.count_if(accepted).alias("accepted"),
        F.count_if(F.col("_duplicate") > 0).alias("duplicates"),
        F.count_if(F.col("_reason").isNotNull()).alias("quarantined"),
        F.count_if(F.col("_duplicate") == 2).alias("out_of_order"),
    ).first() or Row(accepted=0, duplicates=0, quarantined=0, out_of_order=0)
    if row["out_of_order"]:
        raise OutOfOrder(f"{row['out_of_order']} events arrived before a duplicate that is already counted")
    return Counts(row["accepted"], row["duplicates"], row["quarantined"])
