"""HiveServer2: the tables of the lake in SQL, for PyHive, JDBC and ODBC, with a password.

spark-submit app/sql_server.py
"""

import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path[0] = str(Path(__file__).resolve().parents[1])  # not this folder, where spark-submit points it

from app.job import job, serve_until_stopped
from app.postgres import password
from app.session import session
from app.settings import HOME, Settings, settings

AUTHENTICATOR = "PasswordFile"  # the class in hive/


def configuration(at: Settings, scratch: str) -> dict[str, str]:
    """What Spark needs to be told to serve SQL; `scratch` is a folder that is its own."""
    hive = {
        "hive.server2.thrift.bind.host": at.hive_server_host,
        "hive.server2.thrift.port": str(at.hive_server_port),
        "hive.server2.authentication": "CUSTOM",
        "hive.server2.logging.operation.enabled": "false",
        "hive.exec.scratchdir": f"{scratch}/scratch",
        "hive.exec.local.scratchdir": f"{scratch}/local",
        "hive.downloaded.resources.dir": f"{scratch}/resources",
        "hive.querylog.location": f"{scratch}/queries",
    }
    return {f"spark.hadoop.{name}": value for name, value in hive.items()} | {
        # What the jobs have written since is seen by the next query.
        "spark.sql.filesourceTableRelationCacheSize": "0",
        "spark.sql.hive.filesourcePartitionFileCacheSize": "0",
    }


def authenticate(jvm: Any, at: Settings) -> None:
    """Makes HiveServer2 ask for the password of HIVE_USER: compiles hive/PasswordFile.java, with the compiler in Spark.

    Must be called by the thread that starts HiveServer2, whose threads find the class where this one does.
    """
    password(at, at.hive_user)  # it is there
    thread = jvm.java.lang.Thread.currentThread()
    compiler = jvm.org.codehaus.janino.SimpleCompiler()
    compiler.setParentClassLoader(thread.getContextClassLoader())
    compiler.cook((HOME / f"hive/{AUTHENTICATOR}.java").read_text())
    thread.setContextClassLoader(compiler.getClassLoader())
    properties = {
        "hive.server2.custom.authentication.class": AUTHENTICATOR,
        "tidemark.hive.user": at.hive_user,
        "tidemark.hive.password": str(at.secrets_path / at.hive_user),
    }
    for name, value in properties.items():
        jvm.java.lang.System.setProperty(name, value)


@job("sql")
def main() -> None:
    at = settings()
    with tempfile.TemporaryDirectory(prefix="tidemark-sql-") as scratch:
        (Path(scratch) / "local").mkdir()  # Hive looks into it when a session ends
        spark = session(at, "tidemark sql", more=configuration(at, scratch))
        jvm: Any = spark._jvm
        # Hive has a database of its own in memory, whose log is put into the current folder otherwise.
        jvm.java.lang.System.setProperty("derby.stream.error.file", f"{scratch}/derby.log")
        authenticate(jvm, at)
        server = jvm.org.apache.spark.sql.hive.thriftserver.HiveThriftServer2.startWithSparkSession(
            spark._jsparkSession, False
        )
        serve_until_stopped("HiveServer2", lambda: server.getServiceState().toString() == "STARTED")
        server.stop()
        spark.stop()


if __name__ == "__main__":
    main()
