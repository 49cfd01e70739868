"""The batch job: publishes a new version of each named pipeline.

spark-submit app/batch_job.py [PIPELINE …] [--full] [--every N | --accept-quarantined [--by NAME]]
"""

import logging
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])  # not this folder, where spark-submit points it

from app.failures import Failures, operator
from app.job import NothingRuns, job, repeated, side_by_side
from app.model import Pipeline
from app.postgres import Role
from app.publisher import Publisher
from app.session import require_running, session
from app.settings import settings
from app.versions import Version

logger = logging.getLogger(__name__)


@job("batch")
def main(pipelines: list[Pipeline], full: bool, every: int | None, accept_quarantined: bool, by: str | None) -> None:
    at = settings()
    spark = session(at, "tidemark batch")
    failures = Failures(at, Role.BATCH, "batch")
    accepted_by = (by or operator()) if accept_quarantined else None
    publishers = [Publisher(spark, at, pipeline, failures) for pipeline in pipelines]

    def publish(publisher: Publisher) -> tuple[Publisher, Version | None]:
        try:
            return publisher, publisher.publish(full, accepted_by, again=every is not None)
        except Exception:
            if every is None:
                raise
            return publisher, None  # the error is recorded and logged

    for stop in repeated(every):
        failures.write()
        due = [publisher for publisher in publishers if publisher.is_due()]
        for publisher, version in side_by_side(at.side_by_side, publish, due, stop):
            if not publisher.failed:
                show(publisher.pipeline, version)
        require_running(spark)
    spark.stop()
    if all(publisher.failed for publisher in publishers):
        raise NothingRuns(f"no pipeline could be published: {', '.join(pipeline.name for pipeline in pipelines)}")


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
