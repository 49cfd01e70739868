"""The streaming job: archives the topics, takes dropped files, writes Parquet tables, and runs the speed layers.

spark-submit app/streaming_job.py [PIPELINE …]
"""

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])  # not this folder, where spark-submit points it

from app.failures import Failures
from app.job import job
from app.model import Pipeline
from app.postgres import Role
from app.session import session
from app.settings import settings
from app.stopping import asked_to_stop
from app.streams import Streams
from app.supervisor import Supervisor


@job("streaming")
def main(pipelines: list[Pipeline]) -> None:
    at = settings()
    spark = session(at, "tidemark streaming", streaming=True)
    streams = [Streams(spark, at, pipeline) for pipeline in pipelines]
    Supervisor(spark, Failures(at, Role.SPEED, "streaming"), streams).run(asked_to_stop())
    spark.stop()


if __name__ == "__main__":
    main()
