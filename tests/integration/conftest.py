"""A pipeline of its own for each test, on the shared servers, with everything one can do to it."""

import itertools
import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from kafka import KafkaProducer
from pyspark.sql import SparkSession
from pyspark.sql.streaming.query import StreamingQuery

from app.archive import Archive
from app.batch import run
from app.job import connected
from app.lake import Lake
from app.ledger import Ledger, Version
from app.migrate import register
from app.model import Pipeline
from app.pipelines.transactions import PIPELINE
from app.postgres import Connection, Role
from app.settings import Settings
from app.speed import Speed
from app.verify import Verdict, verify
from embedded.kafka import create_topic

_numbers = itertools.count(1)
NOW = datetime.now(UTC).isoformat()


def event(id_: str, client: str = "ada", amount: str = "1.00", time: str = NOW) -> dict[str, str]:
    """A transaction; the amount is a string, so that it is exact."""
    return {"event_id": id_, "client": client, "amount": amount, "event_time": time}


class Stack:
    """The layers of one pipeline."""

    def __init__(self, spark: SparkSession, settings: Settings, pipeline: Pipeline, stack: ExitStack) -> None:
        self.spark = spark
        self.settings = settings
        self.pipeline = pipeline
        self._stack = stack
        self.lake = Lake(spark, settings.lake_path, pipeline)
        options: dict[str, Any] = {"bootstrap_servers": settings.kafka_bootstrap_servers, "max_request_size": 8_000_000}
        self.producer = KafkaProducer(**options)
        stack.callback(self.producer.close)

    def connection(self, role: Role) -> Connection:
        """A connection that is closed when the test ends."""
        return self._stack.enter_context(connected(self.settings, role))()

    def define(self, **changes: Any) -> "Stack":
        """The same topic and tables with another definition, registered."""
        other = Stack(self.spark, self.settings, replace(self.pipeline, **changes), self._stack)
        register(self.connection(Role.MIGRATE), other.pipeline)
        return other

    def send(self, *messages: Any, partition: int | None = None) -> None:
        """Sends messages, as JSON unless they are bytes or None; keyed by client where they have one."""
        for message in messages:
            value = message if isinstance(message, bytes | None) else json.dumps(message).encode()
            key = message["client"].encode() if isinstance(message, dict) and "client" in message else None
            self.producer.send(self.pipeline.topic.name, value=value, key=key, partition=partition)
        self.producer.flush()

    def speed(self) -> Speed:
        return Speed(self.spark, Ledger(self.connection(Role.SPEED), self.pipeline), self.settings)

    def stream(self, accept_loss: bool = False) -> Speed:
        """Runs the speed layer until it has read the topic to its end, then stops it."""
        with connected(self.settings, Role.SPEED) as connect:
            speed = Speed(self.spark, Ledger(connect(), self.pipeline), self.settings)
            _finish(speed.start(accept_loss))
        return speed

    def archive(self, accept_loss: bool = False) -> None:
        """Runs the archive until it holds the topic to its end, then stops it."""
        with connected(self.settings, Role.SPEED) as connect:
            _finish(Archive(self.lake, Ledger(connect(), self.pipeline), self.settings).start(accept_loss))

    def batch(self, full: bool = False, **options: Any) -> Version:
        with connected(self.settings, Role.BATCH) as connect:
            return run(self.lake, Ledger(connect(), self.pipeline), self.settings, full, **options)

    def verify(self) -> Verdict:
        with connected(self.settings, Role.BATCH) as connect:
            return verify(self.lake, Ledger(connect(), self.pipeline), self.settings)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What a reader gets."""
        with connected(self.settings, Role.READ) as connect, connect() as connection, connection.cursor() as cursor:
            cursor.execute(query)
            return list(cursor.fetchall())

    def totals(self, view: str = "clients") -> dict[str, tuple[int, Decimal]]:
        """Count and total of each client in the merged view."""
        return {
            client: (count, total)
            for client, count, total in self.rows(f"SELECT client, count, total FROM serving.{self.pipeline.name}_{view}")
        }

    def quarantined(self) -> dict[str, int]:
        return dict(self.rows(f"SELECT reason, events FROM serving.{self.pipeline.name}_quarantine"))  # type: ignore[arg-type]


def _finish(query: StreamingQuery) -> None:
    try:
        query.processAllAvailable()
    finally:
        query.stop()


@pytest.fixture
def stack(spark: SparkSession, database: Settings, kafka_bootstrap: str) -> Iterator[Stack]:
    """A pipeline like transactions, with a name, a topic and tables of its own, and no history files."""
    name = f"test{next(_numbers)}"
    topic = replace(PIPELINE.topic, name=name)
    pipeline = replace(PIPELINE, name=name, topic=topic, history=(), max_quarantined_percent=100)
    settings = database.model_copy(update={"kafka_bootstrap_servers": kafka_bootstrap})
    create_topic(kafka_bootstrap, name, topic.partitions)
    with ExitStack() as exits:
        made = Stack(spark, settings, pipeline, exits)
        register(made.connection(Role.MIGRATE), pipeline)
        yield made


__all__: Sequence[str] = ["NOW", "Stack", "event"]
