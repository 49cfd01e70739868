"""The Hive metastore: it knows the tables of the lake, and keeps what it knows in a Postgres database of its own.

spark-submit app/metastore_server.py

It asks nobody for a password, and Hive's own main class listens on every address of the machine. This one listens on
the address of HIVE_METASTORE_URI alone.
"""

import sys
import threading
from pathlib import Path
from urllib.parse import urlsplit

sys.path[0] = str(Path(__file__).resolve().parents[1])  # not this folder, where spark-submit points it

from pyspark.java_gateway import launch_gateway

from app.job import job, serve_until_stopped
from app.postgres import Role, password, url
from app.session import warehouse
from app.settings import Settings, settings

WORKERS = 64  # clients that are connected at once
STOP_SECONDS = 2  # that clients are given to end what they ask
CONNECTIONS = 5  # to Postgres, in each of the metastore's pools


def configuration(at: Settings) -> dict[str, str]:
    """What Hive needs to be told. Tables are made by migrations and never by the metastore itself."""
    return {
        "javax.jdo.option.ConnectionURL": f"jdbc:{url(at, Role.METASTORE)}",
        "javax.jdo.option.ConnectionDriverName": "org.postgresql.Driver",
        "javax.jdo.option.ConnectionUserName": at.pg_user or Role.METASTORE,
        "javax.jdo.option.ConnectionPassword": password(at, at.pg_user or Role.METASTORE),
        "datanucleus.connectionPoolingType": "HikariCP",
        "datanucleus.connectionPool.maxPoolSize": str(CONNECTIONS),
        "datanucleus.schema.autoCreateAll": "false",
        "hive.metastore.warehouse.dir": warehouse(at),
        # Of Parquet files a column is read by its name, so another may stand where it stood.
        "hive.metastore.disallow.incompatible.col.type.changes": "false",
        # A table's numbers are read from its files when they are asked for.
        "hive.stats.autogather": "false",
    }


@job("metastore")
def main() -> None:
    at = settings()
    jvm = launch_gateway().jvm  # type: ignore[no-untyped-call]
    conf = jvm.org.apache.hadoop.hive.conf.HiveConf()
    for name, value in configuration(at).items():
        conf.set(name, value)
    metastore, thrift = jvm.org.apache.hadoop.hive.metastore, jvm.org.apache.thrift
    handler = metastore.HiveMetaStore.newRetryingHMSHandler("metastore", conf, False)
    # It listens when all else is ready, so a client that is let in is answered.
    where = urlsplit(at.hive_metastore_uri)
    socket = thrift.transport.TServerSocket(jvm.java.net.InetSocketAddress(where.hostname, where.port))
    arguments = getattr(thrift.server, "TThreadPoolServer$Args")(socket)
    arguments.processor(metastore.TSetIpAddressProcessor(handler)).maxWorkerThreads(WORKERS).stopTimeoutVal(
        STOP_SECONDS
    )
    server = thrift.server.TThreadPoolServer(arguments)
    threading.Thread(target=server.serve, daemon=True).start()
    serve_until_stopped("the metastore", server.isServing)
    server.stop()


if __name__ == "__main__":
    main()
