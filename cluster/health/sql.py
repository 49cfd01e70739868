"""HiveServer2 answers a question about the metastore, with the password."""

from app.hive import cursor
from app.settings import Settings
from cluster.health import SECONDS, run


def check(at: Settings) -> None:
    with cursor(at.model_copy(update={"hive_server_host": "127.0.0.1"}), SECONDS) as asked:
        asked.execute("SHOW DATABASES")
        asked.fetchall()


if __name__ == "__main__":
    run(check)
