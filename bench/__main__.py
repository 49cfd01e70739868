"""Starts a broker and Postgres of its own in a temporary folder, measures, and prints what was found."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from app.options import PORTS, parser
from app.pipelines.transactions import PIPELINE
from app.topics import create_topic
from bench import BY_HAND, FULL, INCREMENTAL, PLAIN, PLAIN_FIRSTS, TIDEMARK, TIDEMARK_FIRSTS, api
from bench.load import fill
from embedded.process import free_port
from embedded.spark import HOME, LATE_COMPILER, submitting
from embedded.stack import Ports, Stack

PARTITIONS = PIPELINE.topic.partitions
THROUGHPUT = ("-XX:+UseParallelGC",)  # for what is measured once it is warm


def main() -> None:
    given = parser("bench").parse_args()
    ports = Ports(*(free_port() for _ in PORTS))
    with (
        tempfile.TemporaryDirectory(prefix="tidemark-bench-") as folder,
        Stack(Path(folder), ports, [PIPELINE], speed_interval=0) as stack,
    ):
        stack.start_postgres()
        if given.what in (None, "api"):
            answering(stack, given.keys, given.answers)
        if given.what == "api":
            return
        stack.start_kafka()
        if given.what in (None, "catching-up"):
            catching_up(stack, given.events, given.rounds, given.warm_up)
        if given.what in (None, "batch"):
            batches(stack, given.events, given.rounds, given.warm_up)
        if given.what in (None, "latency"):
            latency(stack, given.events, given.rate, given.seconds)


def catching_up(stack: Stack, events: int, rounds: int, warm_up: int) -> None:
    servers, topic = stack.settings.kafka_bootstrap_servers, "catching-up"
    create_topic(servers, topic, PARTITIONS)
    print(f"sending {events:,} events", flush=True)
    fill(servers, topic, events)
    found = submit(stack, "catching_up", [topic, str(events), str(rounds), str(warm_up)])
    print(f"\ncatching up on {events:,} events, median of {rounds} rounds after {warm_up} that warm up\n")
    print(f"{'':28}{'events per CPU-second':>22}   ratio of each round to")
    for name, others in {
        PLAIN: (), TIDEMARK: (PLAIN, BY_HAND), PLAIN_FIRSTS: (), TIDEMARK_FIRSTS: (PLAIN_FIRSTS, BY_HAND), BY_HAND: ()
    }.items():  # fmt: skip
        ratios = [
            f"{other}: {median(a / b for a, b in zip(found[name], found[other], strict=True)):.2f}" for other in others
        ]
        print(f"{name:28}{median(found[name]):22,.0f}   {', '.join(ratios)}")


def batches(stack: Stack, events: int, rounds: int, warm_up: int) -> None:
    topic = "batches"
    stack.begin_metastore()()
    create_topic(stack.settings.kafka_bootstrap_servers, topic, PARTITIONS)
    print(f"\nbatches over {events:,} events and a tenth more, {rounds} times after {warm_up} that warm up", flush=True)
    found = submit(
        stack, "batches", [topic, str(events), str(rounds), str(warm_up)], LATE_COMPILER
    )  # as the batch job runs
    print("\nCPU-seconds of a batch, median\n")
    for name, seconds in found.items():
        print(f"{name:34}{median(seconds):8,.1f}")
    shares = [some / whole for some, whole in zip(found[INCREMENTAL], found[FULL], strict=True)]
    print(f"{INCREMENTAL} of {FULL}: {median(shares):.2f}")


def latency(stack: Stack, events: int, rate: int, seconds: int) -> None:
    servers, found = stack.settings.kafka_bootstrap_servers, {}
    for number, variant in enumerate((PLAIN, TIDEMARK, PLAIN_FIRSTS, TIDEMARK_FIRSTS)):
        topic = f"latency-{number}"
        create_topic(servers, topic, PARTITIONS)
        print(f"\n{events:,} events, then {rate:,} a second for {seconds} s: {variant}", flush=True)
        fill(servers, topic, events)
        found[variant] = submit(stack, "latency", [variant, topic, str(rate), str(seconds)])
    print(f"\nfrom the producer's call to the row in Postgres, {rate:,} events a second after {events:,}, in ms\n")
    for variant, result in found.items():
        figures = "  ".join(f"{name} {result[name] * 1000:6,.0f}" for name in ("p50", "p99", "worst"))
        print(f"{variant:28}{figures}   of {result['events']:,} events")
        print(f"{'':28}" + ", ".join(f"{name} {value * 1000:.0f}" for name, value in result["phases"].items()))
    for own, other in ((TIDEMARK, PLAIN), (TIDEMARK_FIRSTS, PLAIN_FIRSTS), (TIDEMARK_FIRSTS, PLAIN)):
        ratios = (f"{name} {found[own][name] / found[other][name]:.2f}" for name in ("p50", "p99"))
        print(f"{own} of {other}: {', '.join(ratios)}")


def answering(stack: Stack, keys: int, answers: int) -> None:
    at = stack.settings
    api.fill(at, keys)
    stack.environment["API_RATE_LIMIT"] = "0"
    stack.begin_face("api", "backend")()
    process = psutil.Process(stack.servers[-1].pid)
    with api.asking(at, keys) as (full, poll), api.selecting(at, keys) as select_all:
        postgres = api.postgres_of(at)
        found = {
            "an answer with all rows": api.measured(full, answers, [process, *postgres]),
            "a bare SELECT of them": api.measured(select_all, answers, [psutil.Process(), *postgres]),
            "a poll that changes nothing": api.measured(poll, answers, [process, *postgres]),
        }
        with api.hanging(at):  # who has the connections of the pool, so that the answers may have another
            taking_part = [process, *api.postgres_of(at)]
            found["all rows, as HiveServer2 hangs"] = api.measured(full, answers, taking_part)
    print(f"\n{keys:,} keys, {answers} answers each, one reader\n")
    print(f"{'':30}{'p50':>8}{'p95':>8}{'p99':>8}   a second   a processor second")
    for name, one in found.items():
        times = "".join(f"{1000 * seconds:6.1f}ms" for seconds in one.quantiles)
        print(f"{name:30}{times}{len(one.seconds) / sum(one.seconds):11,.1f}{one.per_processor_second:21,.1f}")
    whole, bare, polled, meanwhile = found.values()
    print(f"\nof a bare SELECT: {sum(bare.seconds) / sum(whole.seconds):.2f} a second, "
          f"{whole.per_processor_second / bare.per_processor_second:.2f} a processor second")  # fmt: skip
    print(f"polls: {sum(whole.seconds) / sum(polled.seconds):.1f} times as many a second as answers")
    print(f"answers as HiveServer2 hangs: {sum(whole.seconds) / sum(meanwhile.seconds):.2f} times as many a second")


def submit(stack: Stack, script: str, arguments: Sequence[str], java: Sequence[str] = THROUGHPUT) -> Any:
    """Runs a measurement in a Spark application; what it prints to standard output is JSON."""
    words = submitting(HOME / f"bench/{script}.py", arguments, "3g", java)
    for setting in ("streaming.numRecentProgressUpdates=100000", f"warehouse.dir=file://{stack.data}/warehouse"):
        words[1:1] = ["--conf", f"spark.sql.{setting}"]
    environment = os.environ | stack.environment
    last = ""
    with subprocess.Popen(words, text=True, stdout=subprocess.PIPE, env=environment) as process:
        try:
            for line in process.stdout or ():  # spark-submit gives what Python says on either stream to this one
                print(last, end="", file=sys.stderr, flush=True)
                last = line
        except BaseException:  # as Ctrl-C
            process.kill()
            raise
    if process.returncode:
        sys.exit(f"{last}\nError: {script} {' '.join(arguments)} ended with exit code {process.returncode}")
    return json.loads(last)


if __name__ == "__main__":
    main()
