"""The serving layer's job: publishes the merged views of each named pipeline to the lake, and prints them.

spark-submit app/serving_layer.py [PIPELINE …] [--rows N]
"""

import functools
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])  # not this folder, where spark-submit points it

from pyspark.sql import DataFrame

from app.job import job, side_by_side
from app.lake import Lake
from app.model import Alert, Pipeline, Rollup, View
from app.serving import merged
from app.session import session
from app.settings import settings


@job("serving")
def main(pipelines: list[Pipeline], rows: int) -> None:
    at = settings()
    spark = session(at, "tidemark serving")

    @functools.cache
    def lake_of(pipeline: Pipeline) -> Lake:
        return Lake(spark, at.lake_path, pipeline)

    def publish(copied: tuple[Pipeline, View | Alert | Rollup]) -> tuple[Lake, str, DataFrame]:
        pipeline, view = copied
        lake = lake_of(pipeline)
        return lake, view.name, lake.replace(f"serving/{view.name}", merged(spark, at, pipeline, view))

    views = [(pipeline, view) for pipeline in pipelines for view in pipeline.served]
    for lake, name, table in side_by_side(at.side_by_side, publish, views):
        print(f"{lake.pipeline.name}.{name}: {table.count():,} rows at {lake.path(f'serving/{name}')}")
        table.drop("_offsets").show(rows, truncate=False)
    spark.stop()


if __name__ == "__main__":
    main()
