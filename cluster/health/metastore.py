"""The metastore lists its databases, which it reads from Postgres."""

from contextlib import closing
from urllib.parse import urlsplit

from thrift.protocol.TBinaryProtocol import TBinaryProtocol
from thrift.Thrift import TMessageType, TType
from thrift.transport.TSocket import TSocket
from thrift.transport.TTransport import TBufferedTransport

from app.settings import Settings
from cluster.health import SECONDS, Unhealthy, run

CALL = "get_all_databases"  # takes no argument


def check(at: Settings) -> None:
    where = urlsplit(at.hive_metastore_uri)
    socket = TSocket(where.hostname, where.port)
    socket.setTimeout(SECONDS * 1000)
    with closing(TBufferedTransport(socket)) as transport:
        transport.open()
        protocol = TBinaryProtocol(transport)
        protocol.writeMessageBegin(CALL, TMessageType.CALL, 1)
        protocol.writeStructBegin("arguments")
        protocol.writeFieldStop()
        protocol.writeStructEnd()
        protocol.writeMessageEnd()
        transport.flush()
        _, kind, _ = protocol.readMessageBegin()
        protocol.readStructBegin()
        _, answer, _ = protocol.readFieldBegin()
    if (kind, answer) != (TMessageType.REPLY, TType.LIST):
        raise Unhealthy("the metastore cannot list its databases")


if __name__ == "__main__":
    run(check)
