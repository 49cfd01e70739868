"""Running the Spark jobs from this machine: `spark-submit` with a local master, or by hand with that of SPARK_MASTER.

python -m embedded.spark batch transactions --full
"""

import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import psutil
from pydantic import ValidationError

from app.settings import settings
from embedded.process import LOCALHOST, Server

HOME = Path(__file__).resolve().parents[1]
JOBS = {
    "streaming": "app/streaming_job.py",
    "batch": "app/batch_job.py",
    "serving": "app/serving_layer.py",
    "verify": "app/verify_job.py",
    "metastore": "app/metastore_server.py",
    "sql": "app/sql_server.py",
}
# What works on little is done before code of Java's second compiler pays. With the first alone Java keeps room for
# 48 MB of compiled code, which Spark fills in a minute.
FIRST_COMPILER: tuple[str, ...] = ("-XX:TieredStopAtLevel=1", "-XX:ReservedCodeCacheSize=240m", "-XX:+UseSerialGC")
# Java's second compiler at ten times its thresholds: else it compiles the planning of queries, which differ each time,
# and of a stream takes both of two processors for minutes. What reads row after row is worth its time soon enough.
LATE = "Tier4InvocationThreshold=50000 Tier4MinInvocationThreshold=6000 Tier4CompileThreshold=150000"
LATE_COMPILER = (*(f"-XX:{option}" for option in f"{LATE} Tier4BackEdgeThreshold=400000".split()), "-XX:+UseSerialGC")


class Spark(NamedTuple):
    """Where a job runs: its master, and the address of this machine where the executors reach the job."""

    master: str = "local[*]"
    driver: str = LOCALHOST


HERE = Spark()  # on all cores of this machine


def command(
    job: str, arguments: Sequence[str] = (), memory: str = "1g", little: bool = False, on: Spark = HERE
) -> list[str]:
    """The command that runs a job; `little`: on few events, for some minutes.

    Raises:
        KeyError: there is no such job; the message lists those there are.
    """
    if job not in JOBS:
        raise KeyError(f"no job is called {job!r}; there are: {', '.join(JOBS)}")
    java = FIRST_COMPILER if little or job == "metastore" else LATE_COMPILER
    return submitting(HOME / JOBS[job], arguments, memory, java, on)


def submitting(script: Path, arguments: Sequence[str], memory: str, java: Sequence[str], on: Spark = HERE) -> list[str]:
    """The command that runs a script in a Spark application, with options for Java."""
    java = [f"-Dlog4j2.configurationFile=file:{HOME}/conf/log4j2.properties", *java, *class_data()]
    conf = {
        "spark.driver.host": on.driver,
        "spark.driver.bindAddress": on.driver,
        "spark.ui.enabled": "false",
    }
    options = [word for name, value in conf.items() for word in ("--conf", f"{name}={value}")]
    return [
        *("spark-submit", "--master", on.master, "--driver-memory", memory),
        *("--driver-java-options", " ".join(java), *options),
        *(str(script), *arguments),
    ]


def class_data() -> list[str]:
    """Options for Java to take what it knows of Spark's classes from an archive, where there is one that fits it."""
    archive = os.environ.get("TIDEMARK_CLASS_DATA")
    return [f"-XX:SharedArchiveFile={archive}", "-Xlog:cds*=off"] if archive else []


class SparkJob(Server):
    """A job as a child process. Its orderly end is asked of the Python process, which then ends Spark."""

    def __init__(self, job: str, log: Path, *, stop_seconds: float = 60, output: Path | None = None) -> None:
        super().__init__(f"the {job} job", log, stop_signal=signal.SIGTERM, stop_seconds=stop_seconds, output=output)
        self._script = JOBS[job]

    def ask_to_stop(self) -> None:
        if not self.running:
            return
        children: list[psutil.Process] = []
        with suppress(psutil.NoSuchProcess):
            children = psutil.Process(self.pid).children(recursive=True)
        for child in children:
            with suppress(psutil.NoSuchProcess):  # it has ended meanwhile, as what Hadoop asks a shell soon does
                if any(word.endswith(self._script) for word in child.cmdline()):
                    child.terminate()
                    return
        super().ask_to_stop()


def main() -> None:
    try:
        on = Spark(settings().spark_master, settings().spark_driver_host)
        words = command(sys.argv[1] if len(sys.argv) > 1 else "", sys.argv[2:], on=on)
    except KeyError as error:
        sys.exit(f"usage: submit JOB [ARGUMENT …]: {error.args[0]}")
    except ValidationError as error:
        sys.exit(f"Error: {error}")
    os.environ.setdefault("SPARK_LOCAL_IP", on.driver)
    os.execvp(words[0], words)  # noqa: S606


if __name__ == "__main__":
    main()
