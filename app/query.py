"""Asks HiveServer2 a statement, and prints its answer as a table."""

import sys

from pyhive.exc import OperationalError
from rich.table import Table
from thrift.transport.TTransport import TTransportException

from app.console import show
from app.hive import cursor
from app.options import parser
from app.settings import settings

ANSWER_SECONDS = 600


def main() -> None:
    at = settings()
    statement = " ".join(parser("query").parse_args().statement)
    try:
        with cursor(at, ANSWER_SECONDS) as asked:
            asked.execute(statement)
            columns = [column for column, *_ in asked.description or []]
            rows = asked.fetchall() if columns else []
    except FileNotFoundError as error:
        sys.exit(f"Error: {error}")
    except TTransportException as error:
        where = f"{at.hive_server_host}:{at.hive_server_port}"
        sys.exit(f"Error: HiveServer2 at {where}: {error}; expected one that knows the password of {at.hive_user}")
    except OperationalError as error:
        sys.exit(f"Error: {error.args[0].status.errorMessage}")
    table = Table(*columns)
    for row in rows:
        table.add_row(*map(str, row))
    show(table)


if __name__ == "__main__":
    main()
