"""From the producer's call to the row in Postgres, at a steady rate, and how long each phase of a micro-batch takes.

spark-submit bench/latency.py VARIANT TOPIC RATE SECONDS
    VARIANT is "plain Spark", "tidemark", or either with ", no duplicates"
    prints JSON: {"events": n, "p50": s, "p99": s, "worst": s, "phases": {name: median seconds}}
"""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

sys.path[0] = str(Path(__file__).resolve().parents[1])

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.streaming.query import StreamingQuery

from app.ledger import Ledger
from app.pipelines.transactions import PIPELINE
from app.postgres import Role, connect
from app.session import SETTINGS, session
from app.settings import Settings, settings
from app.speed import Speed
from bench import PLAIN, PLAIN_FIRSTS, TIDEMARK, TIDEMARK_FIRSTS, baselines
from bench.speed_layer import registered

# Phases of Spark's own, by the names of its progress reports.
SPARK_PHASES = {"latestOffset": "offsets", "queryPlanning": "planning", "walCommit": "offset log", "addBatch": "batch",
                "commitOffsets": "commit log", "triggerExecution": "whole"}  # fmt: skip
Visible = dict[int, float]  # when what a micro-batch has added could be read
Phases = dict[str, list[float]]


def tidemark(
    topic: str, at: Settings, visible: Visible, phases: Phases, *, firsts: bool = False
) -> tuple[SparkSession, StreamingQuery]:
    class Timed(Speed):
        def write(self, events: DataFrame, batch: int) -> None:
            super().write(events, batch)
            visible[batch] = time.time()
            for name, seconds in self.phases.items():
                phases.setdefault(f"batch: {name}", []).append(seconds)

    spark = session(at, "bench", streaming=True)
    pipeline = registered(at, "latency_firsts" if firsts else "latency", topic, PIPELINE.dedup if firsts else None)
    ledger = Ledger(connect(at, Role.SPEED), pipeline)
    return spark, Timed(spark, ledger, at).start(accept_loss=False)


def plain(
    topic: str, at: Settings, visible: Visible, _: Phases, *, firsts: bool = False
) -> tuple[SparkSession, StreamingQuery]:
    """The first thing that works: Spark as it comes, on as many partitions as the speed layer, and rows upserted."""
    partitions = "spark.sql.shuffle.partitions"
    spark = SparkSession.builder.appName("plain").config(partitions, SETTINGS[partitions]).getOrCreate()
    connection = connect(at, at.pg_admin)
    with connection, connection.cursor() as cursor:
        cursor.execute(baselines.PLAIN_TABLE)
    messages = spark.readStream.format("kafka").options(**baselines.source(at.kafka_bootstrap_servers, topic)).load()
    events = baselines.parsed(messages)
    events = baselines.without_duplicates(events) if firsts else events

    def write(events: DataFrame, batch: int) -> None:
        baselines.upsert(events, connection)
        visible[batch] = time.time()

    checkpoint = f"{at.checkpoint_path}/plain-{time.time()}"
    return spark, events.writeStream.option("checkpointLocation", checkpoint).foreachBatch(write).start()


def main() -> None:
    variant, topic, rate, seconds = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
    at = settings()
    visible: Visible = {}
    phases: Phases = {}
    start: dict[str, Callable[..., tuple[SparkSession, StreamingQuery]]] = {
        PLAIN: plain, PLAIN_FIRSTS: partial(plain, firsts=True),
        TIDEMARK: tidemark, TIDEMARK_FIRSTS: partial(tidemark, firsts=True),
    }  # fmt: skip
    spark, query = start[variant](topic, at, visible, phases)
    spark.conf.set("spark.sql.streaming.numRecentProgressUpdates", "100000")
    query.processAllAvailable()
    words = [sys.executable, "-P", "-m", "bench.load", at.kafka_bootstrap_servers, topic, rate]
    warm_up = seconds  # until then the JVM still compiles what it runs
    load = subprocess.run([*words, str(warm_up + seconds)], check=True, text=True, stdout=subprocess.PIPE)
    query.processAllAvailable()
    reports: list[Any] = list(query.recentProgress)
    query.stop()
    ends = {report["batchId"]: json.loads(report["sources"][0]["endOffset"])[topic] for report in reports}
    sent = [(line[0], int(line[1]), float(line[2])) for line in map(str.split, load.stdout.splitlines())]
    measured = min(at for _, _, at in sent) + warm_up
    latencies = [
        min(when for batch, when in visible.items() if batch in ends and ends[batch][partition] > offset) - at
        for partition, offset, at in sent
        if at >= measured
    ]
    for report in reports[len(reports) // 2 :]:
        for key, name in SPARK_PHASES.items():
            phases.setdefault(name, []).append(report["durationMs"].get(key, 0) / 1000)
    cuts = statistics.quantiles(latencies, n=100)
    print(json.dumps({
        "events": len(latencies), "p50": cuts[49], "p99": cuts[98], "worst": max(latencies),
        "phases": {name: statistics.median(values) for name, values in phases.items()},
    }))  # fmt: skip
    spark.stop()


if __name__ == "__main__":
    main()
