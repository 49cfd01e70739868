"""Connections to HiveServer2, with the password of HIVE_USER and an end to every wait."""

import math
import select
import socket
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import thrift_sasl
from pyhive import hive
from thrift.transport.TSocket import TSocket
from thrift.transport.TTransport import TTransportException

from app.postgres import password
from app.settings import Settings


class Socket(TSocket):  # type: ignore[misc]
    """A socket on which no wait is longer than `seconds`, and all end at `end`, by the monotonic clock."""

    def __init__(self, host: str, port: int, seconds: float, end: float) -> None:
        super().__init__(host, port)
        self.seconds = seconds
        self.end = end

    def open(self) -> None:
        self._limit()
        super().open()

    def read(self, sz: int) -> bytes:
        self._limit()
        return bytes(super().read(sz))

    def write(self, buff: bytes) -> None:
        self._limit()
        super().write(buff)

    def _limit(self) -> None:
        left = self.end - time.monotonic()
        if left <= 0:
            raise TTransportException(TTransportException.TIMED_OUT, "all the time that there was is over")
        self.setTimeout(min(self.seconds, left) * 1000)


class Session:
    """A session of HiveServer2. No answer may take longer than `seconds`, and none come after `end`; see `end_by`.

    Raises:
        FileNotFoundError: there is no password.
        thrift.transport.TTransport.TTransportException: HiveServer2 does not answer, or refuses the password.
    """

    def __init__(self, settings: Settings, seconds: float, end: float = math.inf) -> None:
        secret = password(settings, settings.hive_user)
        self._socket = Socket(settings.hive_server_host, settings.hive_server_port, seconds, end)

        def client() -> object:
            host, user = settings.hive_server_host, settings.hive_user
            return hive.get_installed_sasl(host, "PLAIN", username=user, password=secret)

        self._transport = thrift_sasl.TSaslClientTransport(client, "PLAIN", self._socket)
        try:
            self._connection = hive.Connection(thrift_transport=self._transport)
        except BaseException:
            self.close()
            raise

    def cursor(self) -> hive.Cursor:
        """A cursor (DB-API).

        Raises:
            pyhive.exc.OperationalError: HiveServer2 refuses a statement.
        """
        return self._connection.cursor()

    def end_by(self, end: float) -> None:
        """Ends all waits of the session at a moment of the monotonic clock, until another is given."""
        self._socket.end = end

    @property
    def lost(self) -> bool:
        """Whether HiveServer2 has closed the session's connection."""
        # A socket with a time limit would wait for as long before it says that there is nothing to read.
        readable, _, _ = select.select([self._socket.handle], [], [], 0)
        try:
            return bool(readable) and self._socket.handle.recv(1, socket.MSG_PEEK) == b""
        except OSError:
            return True

    def close(self) -> None:
        """Closes the connection, which ends the session: to take leave of a server that is stuck would take long."""
        self._transport.close()


@contextmanager
def cursor(settings: Settings, seconds: float) -> Iterator[hive.Cursor]:
    """A cursor on a session of its own, which ends with it; see Session."""
    with closing(Session(settings, seconds)) as session:
        yield session.cursor()
