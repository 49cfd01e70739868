"""Real servers that all tests share: one broker, one Postgres, one Spark session, started when first asked for."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import hypothesis
import pytest
from pyspark.sql import SparkSession

from app.databases import apply_migrations, make_roles
from app.migrate import register
from app.pipelines import select
from app.postgres import Role, connect
from app.session import session
from app.settings import Settings
from embedded.hive import HiveServer, Metastore
from embedded.kafka import Kafka
from embedded.postgres import Postgres
from embedded.process import free_port
from embedded.spark import FIRST_COMPILER, class_data

SQL_SECONDS = 120  # for one answer of HiveServer2, on a slow machine too
# How slowly examples come says how busy the machine is.
hypothesis.settings.register_profile("tidemark", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("tidemark")
# Two sessions work on two cores: a heap that grows as it must would take from the tests more than it gives.
JAVA = " ".join(["-Xms2g", "-Xmn1g", *FIRST_COMPILER, *class_data()])
LOCAL_SPARK = (
    "--master local[2] --driver-memory 2g --conf spark.driver.host=127.0.0.1 --conf spark.driver.bindAddress=127.0.0.1 "
    f"--conf spark.ui.enabled=false --driver-java-options '{JAVA}'"
)


def pytest_configure() -> None:
    """Has Ctrl-C mean what it does: a shell gives what it runs in the background an interrupt that is ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def kafka_bootstrap(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[str]:
    """HOST:PORT of a broker."""
    with Kafka(tmp_path_factory.mktemp("kafka"), free_port()) as kafka:
        # kafka-python 3.0.12 leaves a connection open that it is writing to when its client is closed.
        unclosed = rf"ignore:unclosed <socket.*raddr=\('127.0.0.1', {kafka.port}\)>:ResourceWarning"
        pytestconfig.addinivalue_line("filterwarnings", unclosed)
        yield kafka.bootstrap_servers


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for the lake, the checkpoints and the secrets."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="session")
def at(data: Path) -> Settings:
    """The settings of everything that the tests share, whether it runs yet or not."""
    return Settings(
        pg_url=f"postgresql://127.0.0.1:{free_port()}/tidemark",
        hive_metastore_uri=f"thrift://127.0.0.1:{free_port()}",
        hive_server_port=free_port(),
        secrets_path=data / "secrets",
        lake_path=f"file://{data}/lake",
        checkpoint_path=f"file://{data}/checkpoints",
        drops_path=data / "drops",
        archive_interval=1,
        archive_wait=60,
    )


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory, at: Settings) -> Iterator[Settings]:
    """Settings of a Postgres that has been migrated and knows every pipeline."""
    port = urlsplit(at.pg_url).port or 0
    with Postgres(tmp_path_factory.mktemp("postgres"), port, password_file=at.secrets_path / "postgres"):
        make_roles(at)
        apply_migrations(at)
        connection = connect(at, Role.MIGRATE)
        for pipeline in select([]):
            register(connection, pipeline)
        connection.close()
        yield at


@pytest.fixture(scope="session")
def metastore(database: Settings, data: Path) -> Iterator[Metastore]:
    """The metastore that the Spark session and the jobs register their tables in."""
    with Metastore(database, data / "metastore.log") as running:
        yield running


@pytest.fixture(scope="session")
def hive_server(metastore: Metastore, database: Settings, data: Path) -> Iterator[HiveServer]:  # noqa: ARG001
    """HiveServer2, with the tables of the metastore."""
    with HiveServer(database, data / "sql.log") as running:
        yield running


@pytest.fixture(scope="session")
def spark_settings() -> dict[str, str]:
    """Settings of Spark that only the session of a tier has."""
    return {}


@pytest.fixture(scope="session")
def spark(at: Settings, spark_settings: dict[str, str]) -> Iterator[SparkSession]:
    """One Spark session with the settings of the streaming job, which the batch layer can work with too."""
    os.environ["PYSPARK_SUBMIT_ARGS"] = f"{LOCAL_SPARK} pyspark-shell"
    running = session(at, "tidemark tests", streaming=True, more=spark_settings)
    running.sparkContext.setLogLevel("ERROR")
    yield running
    running.stop()


@pytest.fixture
def default_signals() -> Iterator[None]:
    """Puts back what a job does with signals."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
