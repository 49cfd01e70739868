"""CPU-seconds of a batch over a tenth of new events, beside one over all events, in one Spark application.

The rounds that warm up end with EVENTS counted; each round after them adds a tenth of what there is by then.

spark-submit bench/batches.py TOPIC EVENTS ROUNDS WARM_UP    prints JSON: {"incremental": [s, …], "full": [s, …]}
"""

import json
import sys
from contextlib import closing
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

from app.archive import Archive
from app.batch import run
from app.lake import Lake
from app.ledger import Ledger
from app.pipelines.transactions import PIPELINE
from app.postgres import Role, connect
from app.session import session
from app.settings import settings
from app.speed import Speed
from bench import FULL, INCREMENTAL
from bench.load import fill
from bench.processor import processor_seconds
from bench.speed_layer import registered, to_the_end

ADAPTIVE = "spark.sql.adaptive.enabled"


def main() -> None:
    topic, (events, rounds, warm_up) = sys.argv[1], map(int, sys.argv[2:])
    at = settings()
    spark = session(at, "bench", streaming=True)
    pipeline = registered(at, "batches", topic, PIPELINE.dedup)
    lake = Lake(spark, at.lake_path, pipeline)

    def count(start: int, more: int) -> int:
        fill(at.kafka_bootstrap_servers, topic, more, start)
        with closing(connect(at, Role.SPEED)) as connection:
            ledger = Ledger(connection, pipeline)
            for layer in (Speed(spark, ledger, at), Archive(lake, ledger, at)):
                to_the_end(layer)
        return start + more

    def batch(full: bool) -> float:
        spark.conf.set(ADAPTIVE, "true")  # as the batch job has it
        try:
            with closing(connect(at, Role.BATCH)) as connection:
                return processor_seconds(spark, lambda: run(lake, Ledger(connection, pipeline), at, full))
        finally:
            spark.conf.set(ADAPTIVE, "false")

    tenth = events // 10
    total = count(0, events - warm_up * tenth)
    batch(full=True)
    found: dict[str, list[float]] = {INCREMENTAL: [], FULL: []}
    for number in range(warm_up + rounds):
        warm = number >= warm_up
        total = count(total, total // 10 if warm else tenth)
        for name, measured in found.items():
            seconds = batch(full=name == FULL)
            print(f"round {number}: {name}: {seconds:.1f} CPU-seconds", file=sys.stderr, flush=True)
            if warm:
                measured.append(seconds)
    print(json.dumps(found))
    spark.stop()


if __name__ == "__main__":
    main()
