"""Connections to HiveServer2, with the password of HIVE_USER and an end to every wait."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

import thrift_sasl
from pyhive import hive
from thrift.transport.TSocket import TSocket

from app.postgres import password
from app.settings import Settings


@contextmanager
def cursor(settings: Settings, seconds: float) -> Iterator[hive.Cursor]:
    """A cursor (DB-API) on a connection of its own, which ends with it. No answer may take longer than `seconds`.

    Raises:
        FileNotFoundError: there is no password.
        thrift.transport.TTransport.TTransportException: HiveServer2 does not answer, or refuses the password.
        pyhive.exc.OperationalError: it refuses a statement.
    """
    secret = password(settings, settings.hive_user)
    socket = TSocket(settings.hive_server_host, settings.hive_server_port)
    socket.setTimeout(seconds * 1000)

    def client() -> object:
        return hive.get_installed_sasl(settings.hive_server_host, "PLAIN", username=settings.hive_user, password=secret)

    # The transport is closed whatever happened: to take leave of a server that does not answer takes as long again.
    with closing(thrift_sasl.TSaslClientTransport(client, "PLAIN", socket)) as transport:
        connection = hive.Connection(thrift_transport=transport)
        yield connection.cursor()
        connection.close()
