"""A server as a child process: started once it answers, stopped within a bound, never outliving its parent."""

import itertools
import os
import shutil
import signal
import socket
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Self

import psutil
from tenacity import RetryError, Retrying, retry_if_result, stop_after_delay, wait_fixed

LOCALHOST = "127.0.0.1"
_LOG_TAIL_LINES = 20


class ServerError(Exception):
    """A server did not start, or cannot be started as it is."""


class Server:
    """One child process in a session of its own, with everything it prints appended to a log file.

    Its parent is the thread that calls `start`: when that thread ends, however it ends, the kernel kills the server. So
    start servers from the main thread.
    """

    def __init__(  # noqa: PLR0913
        self,
        name: str,
        log: Path,
        *,
        stop_signal: signal.Signals,
        stop_seconds: float,
        prefix: Sequence[str] = (),
        output: Path | None = None,
    ) -> None:
        """`stop_signal` asks for an orderly end; a server that has not ended after `stop_seconds` is killed.

        `prefix` is put before its command, to run it as another user. With `output`, its standard output goes there,
        and only its standard error to the log.
        """
        self.name = name
        self.log = log
        self._stop_signal = stop_signal
        self._stop_seconds = stop_seconds
        self._prefix = prefix
        self._output = output
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        """Whether the process is alive."""
        return self._process is not None and self._process.poll() is None

    @property
    def failed(self) -> bool:
        """Whether the process has ended with an error."""
        return self._process is not None and self._process.poll() not in (None, 0)

    @property
    def pid(self) -> int:
        """The id of the running process. Raises ServerError when there is none."""
        if self._process is None:
            raise ServerError(f"{self.name} is not running; start it first")
        return self._process.pid

    def start(
        self, command: Sequence[str], *, ready: Callable[[], bool], seconds: float, env: Mapping[str, str] | None = None
    ) -> None:
        """Runs the command and returns when `ready()` is true, as `begin` and `until_ready` do."""
        self.begin(command, env)
        self.until_ready(ready, seconds)

    def begin(self, command: Sequence[str], env: Mapping[str, str] | None = None) -> None:
        """Runs the command and returns at once, so that others can start beside it."""
        if self.running:
            raise ServerError(f"{self.name} runs already, as process {self.pid}; stop it first")
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with ExitStack() as files:
            log = files.enter_context(self.log.open("ab"))
            output = files.enter_context(self._output.open("wb")) if self._output else log
            self._process = subprocess.Popen(
                [*self._prefix, *dying_with_parent(), *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=log,
                env=None if env is None else dict(env),
                start_new_session=True,
            )

    def until_ready(self, ready: Callable[[], bool], seconds: float) -> None:
        """Returns when `ready()` is true.

        Raises ServerError, with the end of the log, when the process ends before it is ready, or is not ready after
        `seconds`; it is killed then.
        """
        stop, retry = stop_after_delay(seconds), retry_if_result(lambda done: not done)
        try:
            Retrying(stop=stop, wait=wait_fixed(0.1), retry=retry)(lambda: self._has_not_ended() and ready())
        except BaseException as error:
            self.kill()
            if isinstance(error, RetryError):
                raise ServerError(f"{self.name} was not ready after {seconds:g} s. {self.log_tail()}") from None
            raise

    def _has_not_ended(self) -> bool:
        if self._process is None:
            raise ServerError(f"{self.name} is not running; start it first")
        if (code := self._process.poll()) is not None:
            raise ServerError(f"{self.name} ended with code {code} before it was ready. {self.log_tail()}")
        return True

    def stop(self) -> None:
        """Ends the process in an orderly way, and by force when that takes too long. Does nothing when it has ended."""
        self.ask_to_stop()
        self.end()

    def end(self) -> None:
        """Waits for the orderly end that was asked for, and ends the process by force when that takes too long."""
        if self._process is not None:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(self._stop_seconds)
            self.kill()

    def ask_to_stop(self) -> None:
        """Sends the signal that asks for an orderly end. Does nothing when it has ended."""
        self.send(self._stop_signal)

    def send(self, number: signal.Signals) -> None:
        """Sends a signal. Does nothing when the process has ended."""
        if self._process is not None:
            self._process.send_signal(number)

    def wait(self, seconds: float) -> int:
        """The exit code of a process that ends by itself. Raises ServerError when it has not after `seconds`."""
        if self._process is None:
            raise ServerError(f"{self.name} is not running; start it first")
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise ServerError(f"{self.name} had not ended after {seconds:g} s. {self.log_tail()}") from None

    def kill(self) -> None:
        """Ends the process and all of its group at once, as `kill -9` does. Does nothing when it has ended."""
        if self._process is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._process = None

    def log_tail(self) -> str:
        """The last lines it printed, under a line that names the log file."""
        lines = self.log.read_text(errors="replace").splitlines()[-_LOG_TAIL_LINES:]
        return "\n".join([f"The end of its log, {self.log}:", *lines])


class Service(ABC):
    """What is one server, started and stopped as a context manager, or by hand."""

    _server: Server

    def start(self) -> None:
        """Returns when it serves clients. Raises ServerError when it cannot."""
        self.begin()
        self.until_ready()

    @abstractmethod
    def begin(self) -> None:
        """Starts it and returns at once. Raises ServerError when its port is taken or its folder cannot be used."""

    @abstractmethod
    def until_ready(self) -> None:
        """Returns when what has begun serves clients. Raises ServerError when it does not."""

    @property
    def running(self) -> bool:
        """Whether its main process is alive."""
        return self._server.running

    def stop(self) -> None:
        """Stops it in an orderly way; sessions of clients end."""
        self._server.stop()

    def kill(self) -> None:
        """Ends its main process at once, as `kill -9` does; what other processes it has follow by themselves."""
        self._server.kill()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def dying_with_parent() -> list[str]:
    """What to put before a command so that the kernel ends it when its parent ends, even when that is killed itself."""
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise ServerError("the command setpriv is missing; it comes with util-linux on Linux: install that package")
    return [setpriv, "--pdeathsig", "KILL", "--"]


def accepts_connections(port: int) -> bool:
    """Whether something listens on this port of this machine."""
    with socket.socket() as client:
        client.settimeout(1)
        return client.connect_ex((LOCALHOST, port)) == 0


# Below the ports that systems give to whoever asks for any: one of those could be taken before its server begins.
PORTS = range(20_000, 32_000)
_turns = itertools.count(os.getpid() * 40)  # other processes begin elsewhere


def free_port(besides: Collection[int] = ()) -> int:
    """A port that nothing listens on, and none of `besides`, which others are about to take.

    No port is given out twice by one process, nor by two that run at once.

    Raises:
        ServerError: there is none.
    """
    for turn in itertools.islice(_turns, len(PORTS)):
        port = PORTS[turn % len(PORTS)]
        if port in besides:
            continue
        with socket.socket() as probe, suppress(OSError):
            probe.bind((LOCALHOST, port))
            if _gives(port):
                return port
    raise ServerError(f"no port from {PORTS.start} to {PORTS.stop - 1} is free. Stop what uses them")


def _gives(port: int) -> bool:
    """Whether no other process gives this port: a name without a file says so, which Linux forgets with the process."""
    name = socket.socket(socket.AF_UNIX)
    try:
        name.bind(f"\0tidemark port {port}")
    except OSError:
        name.close()
        return False
    name.detach()  # it stays open as long as the process runs
    return True


def require_port(name: str, port: int, option: str) -> None:
    """Raises ServerError when the port that the server `name` needs is taken.

    The message names the process that has it, when that can be known, and `option`, which chooses another port.
    """
    with socket.socket() as probe:
        # As the servers do: a port is not taken by connections that ended a moment ago.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOCALHOST, port))
        except OSError as error:
            raise ServerError(
                f"port {port} for {name} is not free: {_listener(port) or error.strerror}. "
                f"Stop what uses it, or choose another port with {option}."
            ) from None


def _listener(port: int) -> str | None:
    """The process that listens on a port, in words; None when this user may not know or nothing does."""
    with suppress(psutil.Error):
        for connection in psutil.net_connections(kind="tcp"):
            listens = connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port
            if listens and connection.pid:
                process = psutil.Process(connection.pid)
                return f"{process.name()} (process {process.pid}) listens on it"
    return None
