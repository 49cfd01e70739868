"""A lake table of a view holds what a recount of the clean events gives, as of the published version."""

from decimal import Decimal
from typing import Any

import pytest
from chispa import assert_df_equality
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from app.hive import cursor
from app.pipelines.sensors import PIPELINE
from tests.conftest import SQL_SECONDS
from tests.integration.conftest import NewStack, Stack

READING = {
    "building": "b1", "room": "102", "temperature_unit": "C", "humidity_unit": "%", "co2_unit": "ppm",
}  # fmt: skip
SENSORS: dict[str, Any] = {
    name: getattr(PIPELINE, name) for name in ("columns", "event_time", "checks", "dedup", "lake", "views")
}
MEASURED = {"celsius": "decimal(7,2)", "humidity": "decimal(5,1)", "co2": "int"}
COLUMNS = ("sensor_id", "count", "celsius_mean", "humidity_min", "co2_max", "_version")
MEANS = {"celsius": 8, "humidity": 7, "co2": 6}  # digits after the point


def reading(number: int) -> dict[str, str]:
    """Readings of two sensors, some a minute apart, one in five quarantined, one in seven in °F."""
    time = f"2026-01-01T09:{number // 4 % 3:02}:{number % 60:02}Z"
    measured = {"temperature": f"{number * 37 % 50}.{number % 10}7", "humidity": f"{number % 90}.3", "co2": "-1"}
    if number % 5:
        measured["co2"] = str(400 + number * 13 % 500)
    found = READING | measured | {"reading_id": f"{number}", "sensor_id": f"s{number % 2}", "event_time": time}
    return found | ({"temperature_unit": "F", "temperature": "71.33"} if number % 7 == 0 else {})


def recounted(stack: Stack, version: int) -> DataFrame:
    """What the gold table must hold, of the silver one."""
    silver = stack.spark.read.format("delta").load(stack.lake.path("silver"))
    start = F.date_trunc("minute", "event_time").alias("window_start")
    measures = [F.count("*").alias("count")]
    for name, kind in MEASURED.items():
        mean = F.sum(F.col(name).cast("decimal(20,10)")) / F.count("*")
        measures += [
            mean.cast(f"decimal(38,{MEANS[name]})").alias(f"{name}_mean"),
            F.min(name).cast(kind).alias(f"{name}_min"),
            F.max(name).cast(kind).alias(f"{name}_max"),
        ]
    rows = silver.groupBy("sensor_id", start).agg(*measures)
    end = F.col("window_start") + F.expr("interval 1 minute")
    names = [name for name in rows.columns if name not in ("sensor_id", "window_start")]
    return rows.select("sensor_id", "window_start", end.alias("window_end"), *names, F.lit(version).alias("_version"))


@pytest.mark.usefixtures("hive_server")
def test_gold_is_what_a_recount_of_silver_gives_after_two_batches_and_what_sql_gives(new_stack: NewStack) -> None:
    stack = new_stack(**SENSORS)
    for version, upto in enumerate((23, 60), start=1):
        stack.send(*(reading(number) for number in range(upto - 23, upto)))
        assert stack.count_everything().version == version
        gold = stack.spark.read.format("delta").load(stack.lake.path("gold"))
        assert gold.count() == 6
        expected = recounted(stack, version)
        assert gold.dtypes == expected.dtypes
        assert_df_equality(gold, expected, ignore_row_order=True, ignore_nullable=True, ignore_metadata=True)
        assert in_sql(stack) == stack.table("gold", *COLUMNS)
    stack.send(reading(61))
    stack.stream()
    assert gold.agg(F.sum("count")).first() == (sum(1 for number in _sent() if number % 5),)


def _sent() -> set[int]:
    return {*range(23), *range(37, 60)}


def in_sql(stack: Stack) -> list[tuple[Any, ...]]:
    """The gold table as HiveServer2 answers, sorted."""
    with cursor(stack.settings, SQL_SECONDS) as asked:
        asked.execute(f"SELECT {', '.join(COLUMNS)} FROM {stack.pipeline.name}.gold")
        return sorted(asked.fetchall())


def test_gold_of_no_events_has_the_columns_and_no_row(new_stack: NewStack) -> None:
    stack = new_stack(**SENSORS)
    stack.batch()
    gold = stack.spark.read.format("delta").load(stack.lake.path("gold"))
    assert gold.columns == [*PIPELINE.views[0].output_names, "_version"]
    assert gold.count() == 0
    stack.send(reading(1) | {"temperature": "20.05"})
    stack.count_everything()
    assert stack.table("gold", "sensor_id", "celsius_mean", "_version") == [("s1", Decimal("20.05000000"), 2)]
