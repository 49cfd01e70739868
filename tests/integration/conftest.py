"""A pipeline of its own for each test, on the shared servers, with everything one can do to it."""

import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from kafka import KafkaProducer
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.streaming.query import StreamingQuery

from app import history
from app.archive import Archive
from app.batch import run
from app.drops import Drops
from app.job import connected
from app.lake import Lake
from app.ledger import Ledger, Offsets
from app.migrate import register
from app.model import LakeTable, Pipeline
from app.parquet_stream import ParquetStream
from app.postgres import Connection, Role
from app.relations import relations
from app.settings import Settings
from app.speed import Speed
from app.topics import create_topic
from app.transform import decode, needed
from app.verify import Verdict, verify
from app.versions import Version
from embedded.hive import Metastore
from tests.faults.definition import definition
from tests.integration.boundary import Boundary, NewBoundary
from tests.integration.oracle import COLUMNS, VIEWS

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
        """Sends messages, as JSON unless they are bytes or None; keyed by client, or by `none`."""
        for message in messages:
            value = message if isinstance(message, bytes | None) else json.dumps(message).encode()
            key = (message.get("client") if isinstance(message, dict) else None) or "none"
            self.producer.send(self.pipeline.topic.name, value=value, key=key.encode(), partition=partition)
        self.producer.flush()

    @property
    def at_once(self) -> Settings:
        """Settings of a query that is to end: it does not wait for the next second to find nothing more."""
        return self.settings.model_copy(update={"archive_interval": 0})

    def speed(self) -> Speed:
        return Speed(self.spark, Ledger(self.connection(Role.SPEED), self.pipeline), self.settings)

    @contextmanager
    def working(self, role: Role) -> Iterator[Ledger]:
        """A ledger whose claims end with it."""
        with connected(self.settings, role) as connect:
            yield Ledger(connect(), self.pipeline)

    def stream(self, accept_loss: bool = False) -> Speed:
        """Runs the speed layer until it has read the topic to its end, then stops it."""
        with self.working(Role.SPEED) as ledger:
            speed = Speed(self.spark, ledger, self.settings)
            finish(speed.start(accept_loss))
        return speed

    def archive(self, accept_loss: bool = False) -> Archive:
        """Runs the archive until it holds the topic to its end, then stops it."""
        with self.working(Role.SPEED) as ledger:
            archive = Archive(self.lake, ledger, self.at_once)
            finish(archive.start(accept_loss))
        return archive

    @contextmanager
    def streaming(self) -> Iterator[tuple[StreamingQuery, StreamingQuery]]:
        """The queries of the speed layer and of the archive, which are stopped at the end."""
        with self.working(Role.SPEED) as first, self.working(Role.SPEED) as second, ExitStack() as exits:
            speed = Speed(self.spark, first, self.settings).start(accept_loss=False)
            exits.callback(speed.stop)
            archive = Archive(self.lake, second, self.settings).start(accept_loss=False)
            exits.callback(archive.stop)
            yield speed, archive

    def write_parquet(self) -> ParquetStream:
        """Writes the Parquet tables up to the topic's end, as a job of its own that knows of the metastore nothing."""
        with self.working(Role.SPEED) as ledger:
            lake = Lake(self.spark, self.settings.lake_path, self.pipeline)
            stream = ParquetStream(self.spark, lake, ledger, self.at_once)
            finish(stream.start(accept_loss=False))
        return stream

    @contextmanager
    def dropping(self, settings: Settings | None = None) -> Iterator[StreamingQuery]:
        """The query of dropped files, which is stopped at the end."""
        with self.working(Role.SPEED) as ledger:
            query = Drops(self.lake, ledger, settings or self.settings).start()
            try:
                yield query
            finally:
                query.stop()

    def append(self, rows: DataFrame, end: Offsets | None = None) -> None:
        """Adds rows to the master dataset; without an end, as another hand would, which notes nothing."""
        if end is None:
            rows.write.format("delta").mode("append").save(self.lake.path("bronze"))
            return
        with self.working(Role.BATCH) as ledger:
            self.lake.append(rows, ledger, end)

    def take_drops(self) -> None:
        """Runs the query of dropped files until it has taken all there are, then stops it."""
        with self.dropping(self.at_once) as query:
            query.processAllAvailable()

    @property
    def drops(self) -> Path:
        """The folder that files are dropped into."""
        folder = self.settings.drops_path / self.pipeline.name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def batch(self, full: bool = False, **options: Any) -> Version:
        with self.working(Role.BATCH) as ledger:
            return run(self.lake, ledger, self.settings, full, **options)

    def verify(self) -> Verdict:
        with self.working(Role.BATCH) as ledger:
            return verify(self.lake, ledger, self.settings)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What a reader gets."""
        with connected(self.settings, Role.READ) as connect, connect() as connection, connection.cursor() as cursor:
            cursor.execute(query)
            return list(cursor.fetchall())

    def count_everything(self) -> Version:
        """Runs both layers to the end of the topic, and publishes an incremental version."""
        self.stream()
        self.archive()
        return self.batch()

    def offsets(self) -> dict[int, int]:
        """Up to where the speed layer has counted, by partition."""
        found = self.owner("SELECT offsets FROM tidemark.ledger WHERE pipeline = %s AND fingerprint = %s", *self._key)
        return {int(partition): offset for partition, offset in found[0][0].items()}

    def owner(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """What the owner of the tables gets; each statement is a transaction."""
        with connected(self.settings, Role.MIGRATE) as connect, connect() as connection, connection.cursor() as cursor:
            cursor.execute(statement, values)
            return list(cursor.fetchall()) if cursor.description else []

    @property
    def _key(self) -> tuple[str, str]:
        return self.pipeline.name, self.pipeline.fingerprint

    def backup(self) -> dict[str, str]:
        """All rows that Postgres holds of this definition, by table, in an order that they can be written in."""
        tables = [
            f"tidemark.{name}"
            for name in ("version", "published", "segment", "ledger", "loss", "parquet", "parquet_folder")
        ]
        tables += [f"{schema}.{r.name}" for schema in ("batch", "speed") for r in relations(self.pipeline)]
        rows = "SELECT coalesce(jsonb_agg(to_jsonb(t)), '[]')::text FROM"
        return {table: self.owner(f"{rows} {table} AS t {self._of(table)}")[0][0] for table in tables}

    def restore(self, backup: dict[str, str]) -> None:
        """Puts Postgres back to a backup."""
        deleted = [f"DELETE FROM {table} {self._of(table)}" for table in reversed(backup)]
        written = [f"INSERT INTO {t} SELECT * FROM jsonb_populate_recordset(NULL::{t}, %s)" for t in backup]
        self.owner("; ".join(deleted + written), *backup.values())

    def _of(self, table: str) -> str:
        return f"WHERE pipeline = '{self.pipeline.name}'" if table.startswith("tidemark.") else ""

    def bronze(self) -> list[tuple[int, int, bytes | None]]:
        """Partition, offset and value of each message of the master dataset."""
        found = self.lake.bronze().select("partition", "offset", "value").collect()
        return sorted((p, offset, None if value is None else bytes(value)) for p, offset, value in found)

    def events(self) -> DataFrame:
        """All events of the master dataset, as the speed query gives them to its micro-batch function."""
        return decode(self.lake.bronze(), self.pipeline).select(*needed(self.pipeline))

    def table(self, name: str, *columns: str) -> list[tuple[Any, ...]]:
        """Columns of a lake table, sorted."""
        found = self.spark.read.format("delta").load(self.lake.path(name)).select(*columns).collect()
        return sorted(tuple(row) for row in found)

    def checkpoint(self) -> Path:
        """Folder of the speed layer's checkpoint."""
        return Path(urlsplit(self.speed().checkpoint.path).path)

    def totals(self, view: str = "clients") -> dict[str, tuple[int, Decimal]]:
        """Count and total of each client in the merged view."""
        return {
            client: (count, total)
            for client, count, total in self.rows(
                f"SELECT client, count, total FROM serving.{self.pipeline.name}_{view}"
            )
        }

    def quarantined(self) -> dict[str, int]:
        return dict(self.rows(f"SELECT reason, events FROM serving.{self.pipeline.name}_quarantine"))


def finish(query: StreamingQuery) -> None:
    try:
        query.processAllAvailable()
    finally:
        query.stop()


NewStack = Callable[..., Stack]


@pytest.fixture(scope="session")
def spark_settings() -> dict[str, str]:
    """Here plans are many and rows few. So projections are interpreted: each task would write Delta's anew as Java. And
    what is read is one task, until it is shuffled: a task costs more than what it reads.

    The tests of transforms, and the jobs of this tier, of the demo and of the cluster, run as Spark comes.
    """
    return {
        "spark.sql.codegen.factoryMode": "NO_CODEGEN",
        "spark.sql.files.minPartitionNum": "1",
        "spark.databricks.delta.snapshotPartitions": "1",
    }


@pytest.fixture
def new_boundary(database: Settings) -> Iterator[NewBoundary]:
    """Makes pipelines with every measure and no layers; all share one connection a role."""
    with ExitStack() as exits:
        roles: list[Role] = [role for role in Role if role != Role.METASTORE]
        connections = {role: exits.enter_context(connected(database, role))() for role in roles}

        def make(**changes: Any) -> Boundary:
            given = {"name": f"law{next(_numbers)}", "columns": COLUMNS, "views": VIEWS} | changes
            pipeline = definition(**given)
            return Boundary(connections, pipeline)

        yield make


@pytest.fixture
def new_stack(
    spark: SparkSession,
    database: Settings,
    kafka_bootstrap: str,
    metastore: Metastore,  # noqa: ARG001
) -> Iterator[NewStack]:
    """Makes pipelines like transactions, each with a name, a topic and tables of its own, and no history files."""
    settings = database.model_copy(update={"kafka_bootstrap_servers": kafka_bootstrap})
    with ExitStack() as exits:

        def make(**changes: Any) -> Stack:
            pipeline = definition(f"test{next(_numbers)}", **changes)
            create_topic(kafka_bootstrap, pipeline.topic.name, pipeline.topic.partitions)
            made = Stack(spark, settings, pipeline, exits)
            register(made.connection(Role.MIGRATE), pipeline)
            return made

        yield make


@pytest.fixture
def stack(new_stack: NewStack) -> Stack:
    """A pipeline of the test's own."""
    return new_stack()


@pytest.fixture
def counted(new_stack: NewStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stack:
    """Two batches of files, messages, duplicates and what is quarantined; and a message that none counts."""
    large = LakeTable("large", where="amount > 1.50", columns=("client", "amount"))
    tables = (LakeTable("silver"), large, LakeTable("gold", view="clients"))
    (tmp_path / "history.json").write_text("".join(f"{json.dumps(event(id_))}\n" for id_ in ("h1", "h2", "h2")))
    monkeypatch.setattr(history, "HOME", tmp_path)
    stack = new_stack(history=("history.json",), drops=True, lake=tables)
    dropped = json.dumps(event("d1", "cyd"))
    (stack.drops / "a.json").write_text(f"{dropped}\nbroken d\n{dropped}\n")
    stack.take_drops()
    stack.send(event("1", "ada", "1.10"), event("1", "ada", "1.10"), b"broken 1", partition=0)
    stack.count_everything()
    stack.send(event("2", "bob", "2.20"), event("1"), event("h1"), None, partition=0)
    assert stack.count_everything().mode == "incremental"
    stack.send(event("3", "ada", "3.30"), partition=0)
    stack.stream()
    stack.archive()
    return stack


__all__: Sequence[str] = ["NOW", "NewStack", "Stack", "event"]
