"""Which events are duplicates of others: for the batch layer those of a range, for the speed layer those of a stream.

The columns of `events` are those that `transform` gives.
"""

from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from app.events import ARRIVAL
from app.measures import POSITION
from app.model import Pipeline

ORDER = (ARRIVAL, *POSITION)  # the first of two duplicates is the one that arrived first


def identity(pipeline: Pipeline) -> SparkColumn:
    """What makes an event a duplicate of another: its id. A quarantined event is like no other."""
    if pipeline.dedup is None:
        raise ValueError(f"{pipeline.name} declares no dedup; nothing identifies its events")
    own = F.concat(F.lit("event:"), F.col(pipeline.dedup.id).cast("string"))
    return F.when(F.col("_reason").isNull(), own).otherwise(F.concat_ws("/", *POSITION))


def identity_hash(pipeline: Pipeline) -> SparkColumn:
    """64 bits of what makes an event a duplicate of another. Those of two that are none may be the same, if rarely."""
    return F.xxhash64(identity(pipeline))


def duplicates_marked(events: DataFrame, pipeline: Pipeline) -> DataFrame:
    """Events with `_duplicate`: 0 for the first to arrive of those with the same id, 1 for the others."""
    if pipeline.dedup is None:
        return events.withColumn("_duplicate", F.lit(0))
    rank = F.row_number().over(Window.partitionBy("_identity").orderBy(*ORDER))
    ranked = events.withColumn("_identity", identity(pipeline)).withColumn("_rank", rank)
    return ranked.withColumn("_duplicate", (F.col("_rank") > 1).cast("int")).drop("_identity", "_rank")


def firsts_of_stream(events: DataFrame, pipeline: Pipeline) -> DataFrame:
    """A stream's events but for the duplicates of those that it has met, by Spark's stateful deduplication.

    It has no watermark: no event can be too late for it, and no micro-batch searches the whole memory for what to
    forget. What bounds the memory is that the speed layer renews it.
    """
    if pipeline.dedup is None:
        return events
    # Spark keeps the row that comes first in its partition: in order of arrival that is the first to arrive, and an
    # event that is read again to fill the memory comes before its duplicate that is not yet counted.
    ordered = events.withColumn("_identity", identity(pipeline)).repartition("_identity").sortWithinPartitions(*ORDER)
    return ordered.dropDuplicates(["_identity"]).drop("_identity")
