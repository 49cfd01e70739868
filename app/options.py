"""Every command: what it does, and what it can be given, in this one place.

Only the standard library is imported, so that --help answers, and a wrong option is refused, before anything is
installed. Each function below is a command: its docstring is the help, and it adds the options to a parser.

    python3 app/options.py demo --help
"""

import inspect
import pkgutil
import sys
from argparse import REMAINDER, ArgumentParser, ArgumentTypeError, RawDescriptionHelpFormatter
from collections.abc import Callable
from pathlib import Path
from typing import Any

HOME = Path(__file__).resolve().parents[1]
PIPELINES = sorted(module.name for module in pkgutil.iter_modules([str(HOME / "app/pipelines")]))
_LISTED = ", ".join(PIPELINES)
BY = "who accepts it (default: this user and machine)"
PORTS = {"kafka": 9092, "postgres": 5433, "metastore": 9083, "sql": 10000, "api": 5550, "dashboard": 8501}


def parser(command: str) -> ArgumentParser:
    """The parser of a script, or of a job of ./scripts/submit."""
    name = f"./scripts/{command}" if command in SCRIPTS else f"./scripts/submit {command}"
    return _described(ArgumentParser(prog=name, **_about(command)), command)


def accept(options: ArgumentParser) -> None:
    """Accept what PIPELINE waits for, so that it goes on by itself; without DECISION, show what that is."""
    options.add_argument("pipelines", metavar="PIPELINE", nargs=1, type=_pipeline)
    options.add_argument("decision", metavar="DECISION", nargs="?", choices=("gap", "quarantined", "topic", "log"))
    options.add_argument("--by", metavar="NAME", help=BY)


def bench(options: ArgumentParser) -> None:
    """Measure the layers beside plain Spark, a consumer by hand and each other, and the API: ratios of one run."""
    options.add_argument("what", nargs="?", choices=("api", "batch", "catching-up", "latency"), help="default: all")
    _number(options, "events", "events that wait in the topic", 1_000_000)
    _number(options, "rounds", "rounds of catching up, or of batches, that count", 3)
    _number(options, "warm-up", "rounds before them, in which Java compiles most of what they run", 4, least=0)
    _number(options, "rate", "events a second after that", 1_000)
    _number(options, "seconds", "how long at that rate", 60)
    _number(options, "keys", "rows of the view that the API is asked for", 10_000)
    _number(options, "answers", "answers of the API; fewer take less than the processor clock can tell", 100, least=50)


def screenshots(options: ArgumentParser) -> None:
    """Take a picture of each page of a dashboard that runs, for the documentation."""
    options.add_argument("--url", default="http://127.0.0.1:8501", help="where it is (default: %(default)s)")
    options.add_argument("--to", default="docs/images", metavar="FOLDER", help="default: %(default)s")


def demo(options: ArgumentParser) -> None:
    """Run PIPELINES (default: all) on this machine: broker, Postgres, Spark jobs, producers, SQL, API and dashboard.

    Started again, it goes on where it was. Ctrl-C stops all of it.
    """
    _pipelines(options)
    options.add_argument("--once", action="store_true", help="a bounded run that ends with a proof; exit code 0: exact")
    options.add_argument("--reset", action="store_true", help="forget the data first")
    _number(options, "events", "live events of --once", 20_000, least=2)
    options.add_argument(
        "--rate", type=_whole(), metavar="N", help="events a second otherwise (default: that of each producer)"
    )
    _number(options, "every", "seconds between two batches", 30)
    for server, port in PORTS.items():
        _number(options, f"{server}-port", f"port of {server}", port, most=65_535)
    options.add_argument(
        "--data", type=Path, default=HOME / "data", metavar="FOLDER", help="where the data is kept (default: data)"
    )


def down(options: ArgumentParser) -> None:
    """Stop the cluster that runs in Docker. Its data stays."""
    options.add_argument("--forget-data", action="store_true", help="delete its data and passwords too")


def fuzz(options: ArgumentParser) -> None:
    """Hold what becomes of random definitions and messages to plain Python. Exit code 1: something differed."""
    _number(options, "minutes", "how long to go on drawing", 5)
    _number(options, "seed", "of the first definition and its messages; the next ones follow", 1_000, least=0)


def lock(options: ArgumentParser) -> None:
    """Pin what the product depends on, by the network: requirements/*.txt, jars/SHA256SUMS. Pins that fit stay."""
    options.add_argument("--upgrade", action="store_true", help="move all pins to the newest versions")
    options.add_argument("--upgrade-package", action="append", metavar="NAME", help="move the pin of one package")


def logs(options: ArgumentParser) -> None:
    """Show what SERVICES of the cluster (default: all) have logged, and what they log from now on. Ctrl-C ends it."""
    options.add_argument("services", nargs="*", metavar="SERVICE", help="./scripts/status lists them")


def migrate(_: ArgumentParser) -> None:
    """Bring Postgres to what the code needs: roles, migrations, and the tables of every definition."""


def new_pipeline(options: ArgumentParser) -> None:
    """Write a working pipeline NAME, with its test, as one file: app/pipelines/NAME.py."""
    options.add_argument("name", metavar="NAME")


def psql(options: ArgumentParser) -> None:
    """Ask the cluster's Postgres a STATEMENT, as a role that reads; without one, at the prompt of psql."""
    options.add_argument("statement", nargs="?", metavar="STATEMENT", help="in quotes")


def query(options: ArgumentParser) -> None:
    """Ask HiveServer2 a STATEMENT of SQL, and print its answer as a table."""
    options.add_argument("statement", nargs="+", metavar="STATEMENT", help="in quotes, or its words")


def rollback(options: ArgumentParser) -> None:
    """Point readers of PIPELINE back to the version before the published one, which is withdrawn."""
    options.add_argument("pipelines", metavar="PIPELINE", nargs=1, type=_pipeline)


def status(_: ArgumentParser) -> None:
    """Show what the cluster does: services, addresses, topics and lag, versions and freshness."""


def submit(options: ArgumentParser) -> None:
    """Run a Spark job on the cluster, if it is up, else on this machine; there also a server of the lake's tables.

    TIDEMARK_ON=cluster or TIDEMARK_ON=here says which is meant; where SPARK_MASTER is set, that master runs it.
    """
    jobs = options.add_subparsers(required=True, metavar="JOB", title="jobs")
    for job in JOBS:
        about = _about(job)
        _described(jobs.add_parser(job, help=about["description"].splitlines()[0], **about), job)


def test(options: ArgumentParser) -> None:
    """Run every check and test, the quick ones first, or only those of one tier.

    ./scripts/test                     everything
    ./scripts/test unit                one tier: lint, unit, spark, integration, demo or cluster
    ./scripts/test inventory REVISION  what the tests consist of, beside a revision: no count may become smaller
    ./scripts/test tests/unit/test_model.py -k duration    what pytest would run
    """
    options.add_argument("what", nargs="?", metavar="TIER | FILE", help="default: everything")
    options.add_argument("pytest", nargs=REMAINDER, metavar="OPTION", help="an option of pytest")


def topics(options: ArgumentParser) -> None:
    """Make the Kafka topics of PIPELINES (default: all). Safe to run again."""
    _pipelines(options)


def up(options: ArgumentParser) -> None:
    """Bring the cluster up in Docker: check this machine, build the images, start the services, wait until they work.

    Started again, it starts what is missing or has changed.
    """
    options.add_argument("--jobs", action="store_true", help="streaming and batch jobs, and producers, too")
    options.add_argument("--tools", action="store_true", help="pgAdmin too")


def streaming(options: ArgumentParser) -> None:
    """Archive the topics and keep the speed layer of PIPELINES (default: all) up to date, until stopped."""
    _pipelines(options)


def batch(options: ArgumentParser) -> None:
    """Publish a new version of PIPELINES (default: all)."""
    _pipelines(options)
    options.add_argument("--full", action="store_true", help="compute from all history, not from the version before")
    text = "go on until stopped: every so many seconds a run of those that have something new to count"
    ways = options.add_mutually_exclusive_group()
    ways.add_argument("--every", type=_whole(), metavar="N", help=text)
    ways.add_argument("--accept-quarantined", action="store_true", help="publish though too much is quarantined")
    options.add_argument("--by", metavar="NAME", help=BY)


def serving(options: ArgumentParser) -> None:
    """Publish the merged views of PIPELINES (default: all) to the lake, and print them."""
    _pipelines(options)
    _number(options, "rows", "rows to print of each view", 20)


def verify(options: ArgumentParser) -> None:
    """Recount merged views and lake tables of PIPELINES (default: all) from the master dataset; compare every value.

    Exit code 0: exact. 1: not exact, with the rows that differ, or it could not be done.
    """
    _pipelines(options)


def metastore(_: ArgumentParser) -> None:
    """Serve the names of the lake's tables, the Hive metastore, at HIVE_METASTORE_URI, until stopped."""


def sql(_: ArgumentParser) -> None:
    """Serve the lake's tables in SQL, as HiveServer2, at HIVE_SERVER_HOST and HIVE_SERVER_PORT, until stopped."""


def _pipelines(options: ArgumentParser) -> None:
    options.add_argument("pipelines", nargs="*", metavar="PIPELINE", type=_pipeline, help=f"there are: {_LISTED}")


def _pipeline(name: str) -> str:
    if name not in PIPELINES:
        raise ArgumentTypeError(f"no pipeline is called {name!r}; there are: {_LISTED}")
    return name


def _number(options: ArgumentParser, name: str, meaning: str, default: int, **limits: int) -> None:
    text = f"{meaning} (default: {default})"
    options.add_argument(f"--{name}", type=_whole(**limits), metavar="N", default=default, help=text)


def _whole(least: int = 1, most: int = 2**31 - 1) -> Callable[[str], int]:
    """What reads a whole number within these limits."""

    def number(text: str) -> int:
        if not text.isdecimal() or not least <= int(text) <= most:
            raise ArgumentTypeError(f"{text!r} is not a whole number from {least} to {most}")
        return int(text)

    return number


def _about(command: str) -> dict[str, Any]:
    """What a parser is made with."""
    text = inspect.getdoc((SCRIPTS | JOBS)[command])
    return {"description": text, "formatter_class": RawDescriptionHelpFormatter, "allow_abbrev": False}


def _described(made: ArgumentParser, command: str) -> ArgumentParser:
    (SCRIPTS | JOBS)[command](made)
    return made


def _named(*commands: Callable[[ArgumentParser], None]) -> dict[str, Callable[[ArgumentParser], None]]:
    return {command.__name__.replace("_", "-"): command for command in commands}


JOBS = _named(streaming, batch, serving, verify, metastore, sql)
SCRIPTS = _named(
    accept, bench, demo, down, fuzz, lock, logs, migrate, new_pipeline, psql, query, rollback, screenshots, status,
    submit, test, topics, up, verify,
)  # fmt: skip


if __name__ == "__main__":
    parser(sys.argv[1]).parse_args(sys.argv[2:])
