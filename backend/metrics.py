"""What Prometheus reads: how long answers took, and where the pipelines stand."""

import time
from collections.abc import Iterator
from typing import Any, get_args

from flask import Flask, Response, current_app, g
from flask_openapi3 import APIBlueprint, Tag
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from backend import routes
from backend.failures import Job, failures
from backend.routes import Endpoint, called
from backend.status import known, standings

TAG = Tag(name="state", description="How the stack is doing")
GAUGES = {
    "freshness_seconds": "Seconds since the speed layer counted all there was",
    "fresh_within": "Seconds: the target for freshness_seconds",
    "batch_seconds": "Seconds since the batch layer published",
    "written_seconds": "Seconds since the Parquet tables had all there was",
    "batch_late": "1 where the version is older than its target, and there is more to count",
    "version": "What the batch layer has published last",
    "accepted": "Events in the version",
    "quarantined": "Quarantined events in the version",
}
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Pipelines(Collector):
    """Where the pipelines stand, asked when Prometheus asks."""

    def __init__(self, app: Flask) -> None:
        self.app = app

    def collect(self) -> Iterator[Metric]:
        up = GaugeMetricFamily("tidemark_postgres_up", "1 where Postgres answers")
        with self.app.app_context():
            read = known(lambda connection: (standings(connection), failures(connection)))
        up.add_metric([], read is not None)
        yield up
        if read is None:
            return
        found, failed = read
        for name, meaning in GAUGES.items():
            gauge = GaugeMetricFamily(f"tidemark_{name}", meaning, labels=["pipeline"])
            for row in found.values():
                if row[name] is not None:
                    gauge.add_metric([row["pipeline"]], float(row[name]))
            yield gauge
        offsets = GaugeMetricFamily("tidemark_offset", "Counted up to here", labels=["pipeline", "partition", "layer"])
        for row in found.values():
            for layer, held in (("batch", row["cut"]), ("speed", row["offsets"]), ("parquet", row["written"])):
                for partition, offset in (held or {}).items():
                    offsets.add_metric([row["pipeline"], partition, layer], offset)
        yield offsets
        yield from _stopped(failed)


def _stopped(failed: dict[str, list[dict[str, Any]]]) -> Iterator[Metric]:
    """Which jobs have stopped which pipelines, with a sample for each job and pipeline there is, and since when."""
    labels = ["pipeline", "job"]
    stopped = GaugeMetricFamily("tidemark_failed", "1 where a job has stopped a pipeline", labels=labels)
    seconds = GaugeMetricFamily(
        "tidemark_failed_seconds", "Seconds since a job has stopped a pipeline; /freshness says why", labels=labels
    )
    for name, rows in failed.items():
        since = {row["job"]: row["seconds"] for row in rows}
        for job in get_args(Job):
            stopped.add_metric([name, job], job in since)
            if job in since:
                seconds.add_metric([name, job], since[job])
    yield stopped
    yield seconds


def init_app(app: Flask) -> None:
    """Measures every answer."""
    registry = CollectorRegistry()
    seconds = Histogram(
        "tidemark_api_seconds", "How long answers took to begin", ["endpoint", "status"], registry=registry,
        buckets=SECONDS,
    )  # fmt: skip
    registry.register(Pipelines(app))

    @app.before_request
    def begin() -> None:
        g.began = time.perf_counter()

    @app.after_request
    def end(response: Response) -> Response:
        seconds.labels(called(), response.status_code).observe(time.perf_counter() - g.began)
        return response

    app.extensions["metrics"] = registry


def blueprint() -> APIBlueprint:
    text = {"content": {"text/plain": {"schema": {"type": "string"}}}}
    return routes.blueprint("metrics", TAG, Endpoint("/metrics", _metrics, text))


def _metrics() -> Response:
    """The metrics of the API and the pipelines, in the format of Prometheus."""
    return Response(generate_latest(current_app.extensions["metrics"]), content_type=CONTENT_TYPE_LATEST)
