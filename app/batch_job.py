"""The batch job: publishes a new version of each named pipeline.

spark-submit app/batch_job.py [PIPELINE …] [--full]
"""

import logging
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])  # not this folder, where spark-submit points it

from app.batch import run_unless_idle
from app.idle import Latest
from app.job import connected, job, repeated, side_by_side
from app.lake import Lake
from app.ledger import Ledger
from app.model import Pipeline
from app.postgres import Role
from app.session import session
from app.settings import settings
from app.versions import Version

logger = logging.getLogger(__name__)


@job("batch")
def main(pipelines: list[Pipeline], full: bool, every: int | None) -> None:
    at = settings()
    spark = session(at, "tidemark batch")
    with connected(at, Role.BATCH) as connect:
        layers = [Latest(Lake(spark, at.lake_path, pipeline), Ledger(connect(), pipeline)) for pipeline in pipelines]

        def publish(latest: Latest) -> tuple[Pipeline, Version | None]:
            return latest.lake.pipeline, run_unless_idle(latest, at, full)

        for stop in repeated(every):
            for pipeline, version in side_by_side(at.side_by_side, publish, layers, stop):
                show(pipeline, version)
    spark.stop()


def show(pipeline: Pipeline, version: Version | None) -> None:
    if version is None:
        logger.info("%s: nothing has come since its last version", pipeline.name)
        return
    print(
        f"{pipeline.name}: version {version.version} ({version.mode}) published in {version.seconds:.1f} s: "
        f"{version.accepted:,} accepted, {version.duplicates:,} duplicates, {version.quarantined:,} quarantined"
    )
    sys.stdout.flush()


if __name__ == "__main__":
    main()
