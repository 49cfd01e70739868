"""Reading a Kafka topic as a stream."""

import json

from pyspark.sql import DataFrame, SparkSession

from app.ledger import Offsets
from app.log import COMMITTED
from app.settings import Settings

FETCH_BYTES = 8 * 1024 * 1024
# Having read what it wants, a task's consumer has already asked for more, and Spark then asks where the partition ends.
# A broker answers the second only after the first, which waits for news: half a second by default, twice.
FETCH_WAIT = 1  # milliseconds


def kafka_stream(spark: SparkSession, settings: Settings, topic: str, start: Offsets) -> DataFrame:
    """The messages of a topic from `start` on: key, value, topic, partition, offset, timestamp, and a null source.

    A micro-batch reads every partition to its last stable offset: of two duplicates, the first to arrive is in no later
    one, unless it came in a transaction that was open for longer.
    """
    stream = (
        spark.readStream.format("kafka")
        .option("kafka.bootstrap.servers", settings.kafka_bootstrap_servers)
        .option("subscribe", topic)
        .option("startingOffsets", json.dumps({topic: start}))
        .option("failOnDataLoss", "true")
        .option("kafka.isolation.level", COMMITTED)
        .option("kafka.max.partition.fetch.bytes", FETCH_BYTES)
        .option("kafka.fetch.max.wait.ms", FETCH_WAIT)
        .load()
    )
    return stream.selectExpr(
        "topic", "partition", "offset", "timestamp", "key", "value", "cast(null as string) as source"
    )
