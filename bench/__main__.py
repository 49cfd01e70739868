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

from app.options import PORTS, parser
from app.pipelines.transactions import PIPELINE
from app.topics import create_topic
from bench import BY_HAND, PLAIN, PLAIN_FIRSTS, TIDEMARK, TIDEMARK_FIRSTS
from bench.load import fill
from embedded.process import free_port
from embedded.spark import HOME, THROUGHPUT, submitting
from embedded.stack import Ports, Stack

PARTITIONS = PIPELINE.topic.partitions


def main() -> None:
    given = parser("bench").parse_args()
    ports = Ports(*(free_port() for _ in PORTS))
    with tempfile.TemporaryDirectory(prefix="tidemark-bench-") as folder, Stack(Path(folder), ports, []) as stack:
        stack.start_kafka()
        stack.start_postgres()
        if given.what in (None, "catching-up"):
            catching_up(stack, given.events, given.rounds)
        if given.what in (None, "latency"):
            latency(stack, given.events, given.rate, given.seconds)


def catching_up(stack: Stack, events: int, rounds: int) -> None:
    servers, topic = stack.settings.kafka_bootstrap_servers, "catching-up"
    create_topic(servers, topic, PARTITIONS)
    print(f"sending {events:,} events", flush=True)
    fill(servers, topic, events)
    found = submit(stack, "catching_up", [topic, str(events), str(rounds)])
    print(f"\ncatching up on {events:,} events, median of {rounds} rounds after one that warms up\n")
    print(f"{'':28}{'events per CPU-second':>22}   ratio of each round to")
    for name, others in {
        PLAIN: (), TIDEMARK: (PLAIN, BY_HAND), PLAIN_FIRSTS: (), TIDEMARK_FIRSTS: (PLAIN_FIRSTS, BY_HAND), BY_HAND: ()
    }.items():  # fmt: skip
        ratios = [
            f"{other}: {median(a / b for a, b in zip(found[name], found[other], strict=True)):.2f}" for other in others
        ]
        print(f"{name:28}{median(found[name]):22,.0f}   {', '.join(ratios)}")


def latency(stack: Stack, events: int, rate: int, seconds: int) -> None:
    servers, found = stack.settings.kafka_bootstrap_servers, {}
    for number, variant in enumerate((PLAIN, PLAIN_FIRSTS, TIDEMARK_FIRSTS)):
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
    for other in (PLAIN, PLAIN_FIRSTS):
        ratios = (f"{name} {found[TIDEMARK_FIRSTS][name] / found[other][name]:.2f}" for name in ("p50", "p99"))
        print(f"{TIDEMARK_FIRSTS} of {other}: {', '.join(ratios)}")


def submit(stack: Stack, script: str, arguments: Sequence[str]) -> Any:
    """Runs a measurement in a Spark application; what it prints to standard output is JSON."""
    words = submitting(HOME / f"bench/{script}.py", arguments, "3g", THROUGHPUT)
    for setting in ("streaming.numRecentProgressUpdates=100000", f"warehouse.dir=file://{stack.data}/warehouse"):
        words[1:1] = ["--conf", f"spark.sql.{setting}"]
    environment = os.environ | stack.environment | {"SPEED_INTERVAL": "0"}  # one pipeline has the machine for itself
    done = subprocess.run(words, check=False, text=True, stdout=subprocess.PIPE, env=environment)
    if done.returncode:
        sys.exit(f"{done.stdout}\nError: {script} {' '.join(arguments)} ended with exit code {done.returncode}")
    return json.loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    main()
