"""The batch job: publishes a new version of each named pipeline.

spark-submit app/batch_job.py [PIPELINE …] [--full]
"""

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])  # not this folder, where spark-submit points it

from app.batch import run
from app.job import connected, job, repeated, side_by_side
from app.lake import Lake
from app.ledger import Ledger
from app.model import Pipeline
from app.postgres import Role
from app.session import session
from app.settings import settings
from app.versions import Version


@job("batch")
def main(pipelines: list[Pipeline], full: bool, every: int | None) -> None:
    at = settings()
    spark = session(at, "tidemark batch")
    with connected(at, Role.BATCH) as connect:
        layers = [(Lake(spark, at.lake_path, pipeline), Ledger(connect(), pipeline)) for pipeline in pipelines]

        def publish(layer: tuple[Lake, Ledger]) -> tuple[Pipeline, Version]:
            lake, ledger = layer
            return lake.pipeline, run(lake, ledger, at, full)

        for stop in repeated(every):
            for pipeline, version in side_by_side(at.side_by_side, publish, layers, stop):
                show(pipeline, version)
    spark.stop()


def show(pipeline: Pipeline, version: Version) -> None:
    print(
        f"{pipeline.name}: version {version.version} ({version.mode}) published in {version.seconds:.1f} s: "
        f"{version.accepted:,} accepted, {version.duplicates:,} duplicates, {version.quarantined:,} quarantined"
    )
    sys.stdout.flush()


if __name__ == "__main__":
    main()
