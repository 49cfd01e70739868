"""The streaming job: archives the topics, takes dropped files, writes Parquet tables, and runs the speed layers.

spark-submit app/streaming_job.py [PIPELINE …] [--accept-loss]
"""

import sys
from collections.abc import Callable
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])  # not this folder, where spark-submit points it

from app.archive import Archive
from app.drops import Drops
from app.job import connected, job
from app.lake import Lake
from app.ledger import Ledger
from app.model import Pipeline
from app.parquet_stream import ParquetStream
from app.postgres import Connection, Role
from app.session import session
from app.settings import Settings, settings
from app.speed import Speed
from app.watch import Watch


@job("streaming")
def main(pipelines: list[Pipeline], accept_loss: bool) -> None:
    at = settings()
    spark = session(at, "tidemark streaming", streaming=True)
    with connected(at, Role.SPEED) as connect:
        watch = Watch(spark)
        for pipeline in pipelines:
            start(pipeline, watch, at, connect, accept_loss)
        watch.until_stopped()
    spark.stop()


def start(pipeline: Pipeline, watch: Watch, at: Settings, connect: Callable[[], Connection], accept_loss: bool) -> None:
    """Starts the queries of a pipeline, the archive first: it may begin anew only where no other has begun."""
    lake = Lake(watch.spark, at.lake_path, pipeline)
    archive = Archive(lake, Ledger(connect(), pipeline), at)
    archive.start(accept_loss)
    watch.archive(archive)
    speed = Speed(watch.spark, Ledger(connect(), pipeline), at)
    speed.start(accept_loss)
    watch.speed(speed, Ledger(connect(), pipeline))
    if pipeline.drops:
        watch.drops(Drops(lake, Ledger(connect(), pipeline), at).start())
    if pipeline.parquet_tables:
        parquet = ParquetStream(watch.spark, lake, Ledger(connect(), pipeline), at)
        parquet.start(accept_loss)
        watch.parquet(parquet, Ledger(connect(), pipeline))


if __name__ == "__main__":
    main()
