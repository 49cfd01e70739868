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

    def begin(self) -> None:
        require_port("the Hive metastore", self._port, self._port_option)
        self._server.begin(command("metastore", memory="256m"), self._environment)

    def until_ready(self) -> None:
        # It listens when it can answer.
        self._server.until_ready(lambda: accepts_connections(self._port), _START_SECONDS)


class HiveServer(Service):
    """The HiveServer2 of these settings, which serves the tables of their metastore."""

    def __init__(self, settings: Settings, log: Path, port_option: str = "HIVE_SERVER_PORT") -> None:
        """`port_option` is what an error about a taken port names as the way to choose another."""
        self._settings = settings
        self._port_option = port_option
        self._server = SparkJob("sql", log, stop_seconds=_STOP_SECONDS)

    def begin(self) -> None:
        require_port("HiveServer2", self._settings.hive_server_port, self._port_option)
        self._server.begin(command("sql", little=True), _environment(self._settings))

    def until_ready(self) -> None:
        self._server.until_ready(self._ready, _START_SECONDS)

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
