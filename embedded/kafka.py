"""A Kafka broker as a child process: a single KRaft node that only this machine can reach."""

import base64
import os
import signal
import subprocess
import uuid
from pathlib import Path

from kafka.admin import KafkaAdminClient
from kafka.errors import KafkaError

from embedded.process import LOCALHOST, Server, ServerError, Service, accepts_connections, free_port, require_port

_START_SECONDS = 60
_STOP_SECONDS = 30
_FORMAT_SECONDS = 60
_MAX_MESSAGE_BYTES = 8 * 1024 * 1024


class Kafka(Service):
    """A broker that keeps its data in a folder and goes on from it when it is started again, killed or not.

    with Kafka(Path("data/kafka"), port=9092) as kafka:
        producer = KafkaProducer(bootstrap_servers=kafka.bootstrap_servers)
    """

    def __init__(
        self,
        data_dir: Path,
        port: int,
        controller_port: int | None = None,
        log_append_time: bool = True,
        port_option: str = "the port argument",
    ) -> None:
        """`controller_port` is Kafka's own second port, any free one by default.

        With `log_append_time` the broker's clock stamps every message; else the producer's does. `port_option` is what
        an error about a taken port names as the way to choose another.
        """
        self.data_dir = data_dir.resolve()
        self.port = port
        self._controller_port = controller_port
        self._timestamps = "LogAppendTime" if log_append_time else "CreateTime"
        self._port_option = port_option
        self._config = self.data_dir / "server.properties"
        self._server = Server(
            "Kafka", self.data_dir / "kafka.log", stop_signal=signal.SIGTERM, stop_seconds=_STOP_SECONDS
        )

    @property
    def bootstrap_servers(self) -> str:
        """What clients connect to, HOST:PORT."""
        return f"{LOCALHOST}:{self.port}"

    def begin(self) -> None:
        controller_port = free_port([self.port]) if self._controller_port is None else self._controller_port
        require_port("Kafka", self.port, self._port_option)
        require_port("Kafka's controller", controller_port, "the controller_port argument")
        self.data_dir.mkdir(parents=True, exist_ok=True)
        self._config.write_text(self._properties(controller_port))
        self._format()
        self._server.begin([*_java("-Xms128m", "-Xmx384m", "-XX:+UseSerialGC"), "kafka.Kafka", str(self._config)])

    def until_ready(self) -> None:
        self._server.until_ready(self._ready, _START_SECONDS)

    def _ready(self) -> bool:
        # A client in Python logs every refused connection, so the port comes first.
        if not accepts_connections(self.port):
            return False
        try:
            with KafkaAdminClient(
                bootstrap_servers=self.bootstrap_servers, bootstrap_timeout_ms=10_000, request_timeout_ms=10_000
            ) as admin:
                return bool(admin.describe_cluster()["brokers"])
        except KafkaError:
            return False

    def _format(self) -> None:
        """Prepares an empty folder for the broker; leaves one that holds data as it is."""
        if (self.data_dir / "logs" / "meta.properties").exists():
            return
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        command = [*_java(), "kafka.tools.StorageTool", "format", "--ignore-formatted"]
        # An identifier may begin with a dash.
        command += [f"--cluster-id={cluster}", f"--config={self._config}"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=_FORMAT_SECONDS, check=False)
        if done.returncode != 0:
            raise ServerError(f"Kafka could not prepare its folder {self.data_dir}:\n{done.stdout}{done.stderr}")

    def _properties(self, controller_port: int) -> str:
        settings = {
            "process.roles": "broker,controller",
            "node.id": "1",
            "listeners": f"CLIENTS://{LOCALHOST}:{self.port},CONTROLLER://{LOCALHOST}:{controller_port}",
            "advertised.listeners": f"CLIENTS://{LOCALHOST}:{self.port}",
            "listener.security.protocol.map": "CLIENTS:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "inter.broker.listener.name": "CLIENTS",
            "controller.listener.names": "CONTROLLER",
            "controller.quorum.voters": f"1@{LOCALHOST}:{controller_port}",
            "log.dirs": str(self.data_dir / "logs"),
            "log.message.timestamp.type": self._timestamps,
            "auto.create.topics.enable": "false",
            "message.max.bytes": str(_MAX_MESSAGE_BYTES),
            "replica.fetch.max.bytes": str(_MAX_MESSAGE_BYTES),
            # There is one broker, so every internal topic has one copy.
            "offsets.topic.replication.factor": "1",
            "offsets.topic.num.partitions": "4",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "transaction.state.log.num.partitions": "4",
            # A killed broker is let in again when its session is over: 9 s by default.
            "broker.session.timeout.ms": "3000",
            "broker.heartbeat.interval.ms": "500",
            "group.initial.rebalance.delay.ms": "0",
            # The default, 128 MB, would be a third of the heap.
            "log.cleaner.dedupe.buffer.size": str(16 * 1024 * 1024),
        }
        return "".join(f"{name}={value}\n" for name, value in settings.items())


def _java(*options: str) -> list[str]:
    """The start of a command that runs one of Kafka's main classes."""
    try:
        java, jars = os.environ["JAVA_HOME"], os.environ["TIDEMARK_KAFKA_JARS"]
    except KeyError as missing:
        raise ServerError(
            f"{missing.args[0]} is not set; expected what scripts/lib/environment.sh exports. Start this from a script "
            "in scripts/, or run first: . scripts/lib/environment.sh && tidemark_environment"
        ) from None
    log = ("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-Dorg.slf4j.simpleLogger.showDateTime=true")
    return [f"{java}/bin/java", *options, *log, "-cp", f"{jars}/*"]
