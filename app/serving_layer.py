"""The serving layer's job: publishes the merged views of each named pipeline to the lake, and prints them.

spark-submit app/serving_layer.py [PIPELINE …] [--rows N]
"""

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])  # not this folder, where spark-submit points it

from app.job import job
from app.lake import Lake
from app.model import Pipeline
from app.serving import merged
from app.session import session
from app.settings import settings


@job("serving")
def main(pipelines: list[Pipeline], rows: int) -> None:
    at = settings()
    spark = session(at, "tidemark serving")
    for pipeline in pipelines:
        lake = Lake(spark, at.lake_path, pipeline)
        for view in pipeline.served:
            table = lake.replace(f"serving/{view.name}", merged(spark, at, pipeline, view))
            print(f"{pipeline.name}.{view.name}: {table.count():,} rows at {lake.path(f'serving/{view.name}')}")
            table.drop("_offsets").show(rows, truncate=False)
    spark.stop()


if __name__ == "__main__":
    main()
