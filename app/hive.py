"""Connections to HiveServer2, with the password of HIVE_USER and an end to every wait."""

import select
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager

import thrift_sasl
from pyhive import hive
from thrift.transport.TSocket import TSocket

from app.postgres import password
from app.settings import Settings


class Session:
    """A session of HiveServer2. No answer may take longer than `seconds`.

    Raises:
        FileNotFoundError: there is no password.
        thrift.transport.TTransport.TTransportException: HiveServer2 does not answer, or refuses the password.
    """

    def __init__(self, settings: Settings, seconds: float) -> None:
        secret = password(settings, settings.hive_user)
        self._socket = TSocket(settings.hive_server_host, settings.hive_server_port)
        self._socket.setTimeout(seconds * 1000)

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
