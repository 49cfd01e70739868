"""The Hive metastore and HiveServer2 as child processes that only this machine can reach."""

import os
from pathlib import Path
from urllib.parse import urlsplit

from pyhive.exc import Error
from thrift.Thrift import TException

from app.hive import cursor
from app.settings import Settings
from embedded.process import LOCALHOST, ServerError, Service, accepts_connections, require_port
from embedded.spark import SparkJob, command

_READ = (
    "pg_url", "secrets_path", "lake_path", "hive_metastore_uri", "hive_server_host", "hive_server_port", "hive_user",
)  # fmt: skip
_START_SECONDS = 120
_STOP_SECONDS = 30
_ANSWER_SECONDS = 60


class Metastore(Service):
    """The metastore of these settings. It keeps what it knows in Postgres, which runs and has been migrated."""

    def __init__(self, settings: Settings, log: Path, port_option: str = "HIVE_METASTORE_URI") -> None:
        """`port_option` is what an error about a taken port names as the way to choose another."""
        self._port = urlsplit(settings.hive_metastore_uri).port or 0
        self._port_option = port_option
        self._environment = _environment(settings)
        self._server = SparkJob("metastore", log, stop_seconds=_STOP_SECONDS)

    def start(self) -> None:
        require_port("the Hive metastore", self._port, self._port_option)
        self._server.start(
            command("metastore", memory="256m"),
            ready=lambda: accepts_connections(self._port),  # it listens when it can answer
            seconds=_START_SECONDS,
            env=self._environment,
        )


class HiveServer(Service):
    """The HiveServer2 of these settings, which serves the tables of their metastore."""

    def __init__(self, settings: Settings, log: Path, port_option: str = "HIVE_SERVER_PORT") -> None:
        """`port_option` is what an error about a taken port names as the way to choose another."""
        self._settings = settings
        self._port_option = port_option
        self._server = SparkJob("sql", log, stop_seconds=_STOP_SECONDS)

    def start(self) -> None:
        require_port("HiveServer2", self._settings.hive_server_port, self._port_option)
        environment = _environment(self._settings)
        self._server.start(command("sql"), ready=self._ready, seconds=_START_SECONDS, env=environment)

    def _ready(self) -> bool:
        if not accepts_connections(self._settings.hive_server_port):
            return False
        try:
            with cursor(self._settings, _ANSWER_SECONDS) as asked:
                asked.execute("SELECT 1")
                return True
        except (Error, TException) as error:
            raise ServerError(f"HiveServer2 listens, but does not answer: {error}. {self._server.log_tail()}") from None


def _environment(settings: Settings) -> dict[str, str]:
    own = {name.upper(): str(getattr(settings, name)) for name in _READ}
    return os.environ | own | {"SPARK_LOCAL_IP": LOCALHOST}
