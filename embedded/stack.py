"""The whole stack as processes of this machine: broker, Postgres, Spark jobs, producers, the API and the dashboard."""

import contextlib
import fcntl
import functools
import os
import shutil
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from app.databases import apply_migrations, make_roles
from app.log import log
from app.migrate import NameTaken, register
from app.model import Pipeline
from app.pipelines import WrongDefinition
from app.postgres import Connection, Role, connect
from app.settings import Settings
from app.topic_rules import TopicDiffers
from app.topics import create_topic
from embedded.hive import HiveServer, Metastore
from embedded.kafka import Kafka
from embedded.postgres import Postgres
from embedded.process import LOCALHOST, Server, ServerError, Service, accepts_connections, free_port, require_port
from embedded.spark import SparkJob, command
from producers.each import commands

EXPECTED = (NameTaken, ServerError, TopicDiffers, WrongDefinition)  # errors that say what to do
# What the stack keeps in its data folder.
OWNED = ("kafka", "postgres", "secrets", "lake", "drops", "checkpoints", "logs", "positions")
START_SECONDS = 300
SPEED_INTERVAL = 1  # a micro-batch of each of several pipelines at every moment would leave two cores for nothing else
UntilReady = Callable[[], None]  # returns when what has begun is ready


@dataclass(frozen=True)
class Ports:
    """The ports that the stack listens on, on the loopback address."""

    kafka: int
    postgres: int
    metastore: int
    sql: int
    api: int
    dashboard: int

    def require(self) -> None:
        """Raises ServerError for a port that is taken, naming the option that chooses another."""
        for name, title in (
            ("kafka", "Kafka"),
            ("postgres", "Postgres"),
            ("metastore", "the Hive metastore"),
            ("sql", "HiveServer2"),
            ("api", "the API"),
            ("dashboard", "the dashboard"),
        ):
            require_port(title, getattr(self, name), f"--{name}-port")


class Stack:
    """The stack over one data folder. Use it as a context manager: leaving it stops everything, in order."""

    def __init__(
        self,
        data: Path,
        ports: Ports,
        pipelines: Sequence[Pipeline],
        speed_interval: int = SPEED_INTERVAL,
        bounded: bool = False,
    ) -> None:
        """`bounded`: it is to run for some minutes."""
        self.bounded = bounded
        self.data = data.resolve()
        self.ports = ports
        self.pipelines = pipelines
        self.settings = Settings(
            kafka_bootstrap_servers=f"{LOCALHOST}:{ports.kafka}",
            pg_url=f"postgresql://{LOCALHOST}:{ports.postgres}/tidemark",
            secrets_path=self.data / "secrets",
            lake_path=f"file://{self.data}/lake",
            checkpoint_path=f"file://{self.data}/checkpoints",
            openfoodfacts_position=self.data / "positions/openfoodfacts.json",
            drops_path=self.data / "drops",
            hive_metastore_uri=f"thrift://{LOCALHOST}:{ports.metastore}",
            hive_server_host=LOCALHOST,
            hive_server_port=ports.sql,
            api_host=LOCALHOST,
            api_port=ports.api,
            dashboard_port=ports.dashboard,
            speed_interval=speed_interval,
        )
        self.environment = {"SPARK_LOCAL_IP": LOCALHOST} | {
            name: str(getattr(self.settings, name.lower()))
            for name in (
                "KAFKA_BOOTSTRAP_SERVERS", "PG_URL", "SECRETS_PATH", "LAKE_PATH", "CHECKPOINT_PATH", "DROPS_PATH",
                "SPEED_INTERVAL",
                "HIVE_METASTORE_URI", "HIVE_SERVER_HOST", "HIVE_SERVER_PORT", "HIVE_USER",
                "API_HOST", "API_PORT", "DASHBOARD_PORT", "OPENFOODFACTS_POSITION",
            )
        }  # fmt: skip
        self.servers: list[Server] = []
        self._connections: dict[Role, Connection] = {}
        self._exits = contextlib.ExitStack()

    def __enter__(self) -> "Stack":
        """Raises ServerError where another stack runs on the data folder, or the folder is of something else."""
        self.data.mkdir(parents=True, exist_ok=True)
        path = self.data / "lock"
        if not path.exists() and any(self.data.iterdir()):
            raise ServerError(
                f"{self.data} holds files that are not those of a stack; choose an empty folder, or one that a stack "
                "has made, with --data"
            )
        lock = self._exits.enter_context(path.open("w"))
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._exits.close()
            raise ServerError(
                f"another stack runs on {self.data}; stop it, or choose another folder with --data"
            ) from None
        return self

    def __exit__(self, *_: object) -> None:
        for server in reversed(self.servers):
            server.ask_to_stop()
        for server in reversed(self.servers):
            server.end()
        self._exits.close()

    def reset(self) -> None:
        """Forgets all data."""
        for folder in (self.data / name for name in OWNED):
            if folder.exists():
                shutil.rmtree(folder)

    def start_kafka(self) -> None:
        controller = free_port(astuple(self.ports))
        kafka = Kafka(self.data / "kafka", self.ports.kafka, controller_port=controller, port_option="--kafka-port")
        kafka.start()
        self._exits.callback(kafka.stop)
        for pipeline in self.pipelines:
            create_topic(kafka.bootstrap_servers, *astuple(pipeline.topic))

    def start_postgres(self) -> None:
        password = self.settings.secrets_path / self.settings.pg_admin
        postgres = Postgres(self.data / "postgres", self.ports.postgres, password, port_option="--postgres-port")
        postgres.start()
        self._exits.callback(postgres.stop)
        make_roles(self.settings)
        apply_migrations(self.settings)
        with contextlib.closing(connect(self.settings, Role.MIGRATE)) as connection:
            for pipeline in self.pipelines:
                register(connection, pipeline)

    def begin_metastore(self) -> UntilReady:
        return self._begin(Metastore(self.settings, self._log("metastore"), "--metastore-port"))

    def begin_sql(self) -> UntilReady:
        return self._begin(HiveServer(self.settings, self._log("sql"), "--sql-port"))

    def _begin(self, service: Service) -> UntilReady:
        service.begin()
        self._exits.callback(service.stop)
        return service.until_ready

    def begin_streaming(self) -> UntilReady:
        """Begins the streaming job, which is ready when it has read all that the topics hold.

        A pipeline that fails is not waited for.
        """
        before = self._checked()
        return self.begin(
            SparkJob("streaming", self._log("streaming")),
            command("streaming", self._names(), little=self.bounded),
            lambda: all(now - then for now, then in zip(self._checked(), before, strict=True)),
        )

    def start_batch(self, every: int) -> Server:
        """Starts the batch job, a run every so many seconds; returns at once."""
        job = SparkJob("batch", self._log("batch"), stop_seconds=120)
        self.start(job, command("batch", [*self._names(), "--every", str(every)], little=self.bounded))
        return job

    def start_producers(self, pipeline: Pipeline, options: Mapping[str, object]) -> list[Server]:
        """Starts the producers of a pipeline, with those of the options that they have."""
        started = []
        for way, words in commands(pipeline, self.settings.drops_path, options).items():
            server = Server(
                f"the {way.replace('-', ' ')} of {pipeline.name}",
                self._log(f"{way}-{pipeline.name}"),
                stop_signal=signal.SIGTERM,
                stop_seconds=20,
            )
            self.start(server, words)
            started.append(server)
        return started

    def begin_face(self, name: str, module: str) -> UntilReady:
        """Begins the server of a port, `api` or `dashboard`, which is a module of Python."""
        return self.begin(
            Server(f"the {name}", self._log(name), stop_signal=signal.SIGTERM, stop_seconds=10),
            [sys.executable, "-P", "-m", module],
            functools.partial(accepts_connections, getattr(self.ports, name)),
        )

    def run(self, jobs: Mapping[str, Sequence[str]], seconds: float = 900) -> dict[str, tuple[int, str]]:
        """Runs jobs with their arguments, side by side, to their ends.

        Returns the exit code of each and what it has printed; what it logs is in its log.
        """
        outputs = {job: self.data / "logs" / f"{job}.out" for job in jobs}
        processes = {job: SparkJob(job, self._log(job), output=outputs[job]) for job in jobs}
        for job, arguments in jobs.items():
            self.start(processes[job], command(job, [*self._names(), *arguments], little=self.bounded))
        return {job: (process.wait(seconds), outputs[job].read_text()) for job, process in processes.items()}

    def start(self, server: Server, words: Sequence[str], ready: Callable[[], bool] = lambda: True) -> None:
        self.begin(server, words, ready)()

    def begin(self, server: Server, words: Sequence[str], ready: Callable[[], bool]) -> UntilReady:
        self.servers.append(server)
        server.begin(words, os.environ | self.environment)
        return functools.partial(server.until_ready, ready, START_SECONDS)

    def require_running(self) -> None:
        """Raises ServerError for a process that has ended with an error, with the end of its log."""
        for server in self.servers:
            if server.failed:
                raise ServerError(f"{server.name} has ended with an error. {server.log_tail()}")

    def published(self) -> dict[str, int]:
        """The published version of each pipeline."""
        return dict(self.query("SELECT pipeline, version FROM serving.status"))

    def sent(self) -> dict[str, dict[int, int]]:
        """Where the topic of each pipeline ends."""
        ends = {}
        for pipeline in self.pipelines:
            with log(self.settings.kafka_bootstrap_servers, pipeline.topic.name) as topic:
                ends[pipeline.name] = topic.end()
        return ends

    def counted(self) -> dict[str, int]:
        """How many messages of its topic the published version of each pipeline counts."""
        cuts = dict(self.query("SELECT pipeline, cut FROM serving.status"))
        return {p.name: sum(end for key, end in cuts[p.name].items() if int(key) >= 0) for p in self.pipelines}

    def committed(self) -> dict[str, dict[int, int]]:
        """The offsets that the ledger of each pipeline holds."""
        rows = dict(self.query("SELECT pipeline, offsets FROM serving.status"))
        return {p.name: {int(key): value for key, value in rows[p.name].items()} for p in self.pipelines}

    def query(self, statement: str, role: Role = Role.READ) -> list[tuple[Any, ...]]:
        """What a reader gets, or another role: each statement sees a snapshot of its own."""
        if role not in self._connections or self._connections[role].closed:
            self._connections[role] = self._exits.enter_context(contextlib.closing(connect(self.settings, role)))
            self._connections[role].autocommit = True
        with self._connections[role].cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall())

    def failed(self) -> list[tuple[str, str, datetime, str, str]]:
        """Pipeline, job, since when, reason and what helps of each pipeline that a job has stopped."""
        found = self.query("SELECT pipeline, job, since, reason, help FROM serving.failure ORDER BY since")
        return [row for row in found if row[0] in self._names()]

    def _checked(self) -> list[set[object]]:
        """For each definition, when the streaming job last saw all of its log committed, or failed at it."""
        rows = self.query(
            "SELECT l.pipeline, l.fingerprint, l.checked_at, f.failed_at FROM tidemark.ledger l "
            "LEFT JOIN tidemark.failure f ON f.pipeline = l.pipeline AND f.job = 'streaming'",
            Role.SPEED,
        )
        checked = {(pipeline, fingerprint): set(moments) - {None} for pipeline, fingerprint, *moments in rows}
        return [checked[pipeline.name, pipeline.fingerprint] for pipeline in self.pipelines]

    def _names(self) -> list[str]:
        return [pipeline.name for pipeline in self.pipelines]

    def _log(self, name: str) -> Path:
        return self.data / "logs" / f"{name}.log"
