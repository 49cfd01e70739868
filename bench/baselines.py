"""What the speed layer is compared with: plain Spark over the same topic, fields and measures."""

from psycopg2.extras import execute_values
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from app.postgres import Connection
from app.source import FETCH_BYTES

FIELDS = "event_id string, client string, amount decimal(12,2), event_time timestamp"


def source(servers: str, topic: str) -> dict[str, str]:
    """Options of a Kafka source that reads a topic from its start, in requests as large as the speed layer's."""
    return {
        "kafka.bootstrap.servers": servers,
        "subscribe": topic,
        "startingOffsets": "earliest",
        "kafka.max.partition.fetch.bytes": str(FETCH_BYTES),
    }


def parsed(messages: DataFrame) -> DataFrame:
    event = F.from_json(F.col("value").cast("string"), FIELDS).alias("event")
    return messages.select("timestamp", event).select("timestamp", "event.*")


def without_duplicates(events: DataFrame) -> DataFrame:
    return events.withWatermark("timestamp", "1 hour").dropDuplicatesWithinWatermark(["event_id"])


def grouped(events: DataFrame) -> DataFrame:
    return events.groupBy("client").agg(
        F.count(F.lit(1)).alias("count"), F.sum("amount").alias("total"), F.count("amount").alias("values"),
        F.min("amount").alias("min"), F.max("amount").alias("max"),
    )  # fmt: skip


def catch_up(spark: SparkSession, servers: str, topic: str) -> None:
    """Kafka → from_json → groupBy → noop."""
    messages = spark.read.format("kafka").options(**source(servers, topic)).load()
    grouped(parsed(messages)).write.format("noop").mode("overwrite").save()


def catch_up_without_duplicates(spark: SparkSession, servers: str, topic: str, checkpoint: str) -> None:
    """Kafka → from_json → dropDuplicatesWithinWatermark → groupBy → noop, as one micro-batch."""
    messages = spark.readStream.format("kafka").options(**source(servers, topic)).load()
    firsts = without_duplicates(parsed(messages))

    def write(events: DataFrame, _: int) -> None:
        grouped(events).write.format("noop").mode("overwrite").save()

    query = firsts.writeStream.option("checkpointLocation", checkpoint).foreachBatch(write).start()
    query.processAllAvailable()
    query.stop()


def upsert(events: DataFrame, connection: Connection) -> None:
    """The events of a micro-batch as most would write them: collect the groups, and upsert them."""
    rows = [tuple(row) for row in grouped(events).collect()]
    with connection, connection.cursor() as cursor:
        execute_values(
            cursor,
            "INSERT INTO plain AS t VALUES %s ON CONFLICT (client) DO UPDATE SET "
            "count = t.count + excluded.count, total = t.total + excluded.total, values = t.values + excluded.values, "
            "min = least(t.min, excluded.min), max = greatest(t.max, excluded.max)",
            rows,
        )


PLAIN_TABLE = (
    "CREATE TEMP TABLE plain (client text PRIMARY KEY, count bigint, total numeric(22,2), values bigint, "
    "min numeric(12,2), max numeric(12,2))"
)
