"""The demo as a newcomer runs it, and the commands of the documentation, each as it stands there.

The tests share a data folder, as the runs of a newcomer do, and go on where the one before has left it.
"""

import functools
import json
import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from app import pipelines
from app.hive import cursor
from app.settings import HOME
from backend import close, create_app
from embedded.process import Server, accepts_connections, free_port
from embedded.spark import SparkJob
from embedded.stack import Ports, Stack
from tests.conftest import SQL_SECONDS
from tests.demo.running import SERVERS, at_work, demo, until, words

# Runs a command where there is no network but the loopback.
OFFLINE = (
    *("unshare", "--map-root-user", "--net", sys.executable, "-c"),
    "import fcntl, os, socket, struct, sys; SIOCSIFFLAGS, UP_AND_RUNNING = 0x8914, 0x41; "
    "request = struct.pack('16sh14x', b'lo', UP_AND_RUNNING); "
    "fcntl.ioctl(socket.socket(socket.AF_INET, socket.SOCK_DGRAM), SIOCSIFFLAGS, request); "
    "os.execvp(sys.argv[1], sys.argv[1:])",
)


def counted(printed: str, pipeline: str = "transactions") -> int:
    """Up to where the last table that the demo has printed says that a pipeline has counted."""
    return int(re.findall(rf"^│ {pipeline} +│ +\d+ +│ +([\d,]+) ", printed, re.MULTILINE)[-1].replace(",", ""))


def test_a_bounded_demo_is_exact(bounded: str, data: Path) -> None:
    for pipeline in pipelines.select([]):
        for view in pipeline.served:
            assert f"verify: exact {pipeline.name}.{view.name}: " in bounded
        for table in ("bronze", "quarantine", *(table.name for table in pipeline.lake)):
            assert f"verify: exact {pipeline.name}/{table}: " in bounded
    assert "verify: exact housing.housing: 506 rows" in bounded
    empty = set(re.findall(r"verify: exact (\S+): 0 rows", bounded))
    assert {name for name in empty if "quarantine" not in name} <= {"sensors.co2_alerts"}  # the air may be good
    assert "transactions: 7,000 accepted" in bounded  # 5,000 of the history
    assert counted(bounded) >= 2_000
    versions = re.findall(r"^│ transactions +│ +(\d+) ", bounded, re.MULTILINE)
    assert int(versions[-1]) >= 2  # that were published while events arrived
    came_after = re.search(r"([\d,]+) messages came after the second version", bounded)
    assert came_after is not None
    assert came_after[1] != "0"
    accepted = re.search(r"sensors: ([\d,]+) accepted", bounded)
    assert accepted is not None
    assert int(accepted[1].replace(",", "")) > 2_000  # 2,000 come over Kafka, and more in files
    assert not at_work(data)


def test_a_second_start_of_some_needs_no_network_and_goes_on_where_it_was_until_ctrl_c(
    bounded: str, data: Path, options: list[str], tmp_path: Path
) -> None:
    sent = {pipeline: data / f"logs/producer-{pipeline}.log" for pipeline in ("space", "transactions")}
    size = {pipeline: log.stat().st_size for pipeline, log in sent.items()}
    with demo([*OFFLINE, *words("./scripts/demo housing space", *options)], tmp_path) as printed:
        until(lambda: sent["space"].stat().st_size > size["space"], 60)  # events are sent

    for pipeline in ("housing", "space"):
        assert counted(printed(), pipeline) >= counted(bounded, pipeline)
    assert sent["transactions"].stat().st_size == size["transactions"]  # none of those that were not named
    assert "transactions" not in printed()
    assert re.search(r"^serving\.\w+ *$", printed(), re.MULTILINE)  # what readers see of a pipeline
    assert not at_work(data)


@pytest.mark.usefixtures("bounded")
def test_the_commands_of_the_documentation_do_what_they_say(data: Path, ports: Ports, tmp_path: Path) -> None:
    with Stack(data, ports, [pipelines.load("transactions")]) as stack:
        stack.start_kafka()
        stack.start_postgres()
        environment = os.environ | stack.environment | {"TIDEMARK_ON": "here"}

        def run(command: str) -> str:
            done = subprocess.run(
                words(command), env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False
            )
            assert done.returncode == 0, done.stdout + done.stderr
            return done.stdout

        run("./scripts/migrate")
        run("./scripts/topics")
        metastore, sql, streaming = (SparkJob(job, tmp_path / job) for job in ("metastore", "sql", "streaming"))
        stack.start(
            metastore, words("./scripts/submit metastore"), functools.partial(accepts_connections, ports.metastore)
        )
        checked = "SELECT checked_at FROM serving.status WHERE pipeline = 'transactions'"
        before = stack.query(checked)
        for ready in (
            stack.begin(sql, words("./scripts/submit sql"), functools.partial(accepts_connections, ports.sql)),
            stack.begin(
                streaming, words("./scripts/submit streaming transactions"), lambda: stack.query(checked) != before
            ),
        ):
            ready()
        version = stack.published()["transactions"]
        assert f"version {version + 1} (full) published" in run("./scripts/submit batch transactions --full")
        assert "transactions.clients: " in run("./scripts/submit serving transactions")
        listed = set(re.findall(r"\w+", run("./scripts/query SHOW TABLES IN transactions")))
        assert {"bronze", "silver", "quarantine", "serving_clients", "serving_quarantine"} < listed
        assert stack.query("SELECT count(*), round(avg(medv), 4), min(medv), max(medv) FROM housing") == [
            (506, Decimal("22.5328"), 5, 50)
        ]
        with cursor(stack.settings, SQL_SECONDS) as asked:
            for pipeline in pipelines.select([]):
                asked.execute(f"SHOW TABLES IN {pipeline.name}")
                tables = {name for _, name, _ in asked.fetchall()}
                lake = {"bronze", "quarantine", *(table.name for table in pipeline.lake)}
                assert lake <= tables
                counts = [f"SELECT '{table}', count(*) FROM {pipeline.name}.`{table}`" for table in sorted(lake)]
                asked.execute(" UNION ALL ".join(counts))
                assert {table for table, rows in asked.fetchall() if rows} >= lake - {"quarantine"}, pipeline.name
        found = run("./scripts/query SELECT client, amount FROM transactions.silver LIMIT 5")
        assert found.count("client-") == 5
        api = create_app(stack.settings)
        objects = api.test_client()
        assert len(objects.get("/objects?limit=7").get_json()["rows"]) == 7
        assert {row["hazardous"] for row in objects.get("/alerts").get_json()["rows"]} == {True}
        close(api)
        assert run("./scripts/accept transactions") == "transactions waits for nothing\n"
        assert run("./scripts/rollback transactions") == f"transactions: readers see version {version} again\n"
        said = run("./scripts/verify transactions")
        assert "verify: exact transactions.clients" in said
        assert f"version {version}, offsets" in said
        environment["MASTER"] = spark_master(stack, tmp_path)
        command = "SPARK_MASTER=spark://$MASTER ./scripts/submit batch transactions"
        done = subprocess.run(
            ["bash", "-c", command], env=environment, cwd=HOME, capture_output=True, text=True, timeout=300, check=False
        )
        assert f"version {version + 2} (" in done.stdout, done.stdout + done.stderr
    assert not at_work(data)


def spark_master(stack: Stack, folder: Path) -> str:
    """Starts a Spark master with a worker; gives its address, HOST:PORT."""
    port, page = free_port(), free_port()
    daemon, address = "org.apache.spark.deploy", f"127.0.0.1:{port}"
    master = Server("the Spark master", folder / "master", stop_signal=signal.SIGTERM, stop_seconds=20)
    host = ("--host", "127.0.0.1", "--webui-port")
    stack.start(
        master,
        ["spark-class", f"{daemon}.master.Master", *host, str(page), "--port", str(port)],
        lambda: accepts_connections(port),
    )
    worker = Server("the Spark worker", folder / "worker", stop_signal=signal.SIGTERM, stop_seconds=20)
    at = (*host, str(free_port()), "--work-dir", str(folder), f"spark://{address}")

    def at_work() -> bool:
        with suppress(URLError), urlopen(f"http://127.0.0.1:{page}/json/", timeout=10) as answer:
            return bool(json.load(answer)["aliveworkers"])
        return False

    stack.start(worker, ["spark-class", f"{daemon}.worker.Worker", *at], at_work)
    return address


def test_a_taken_port_is_named_with_what_to_do(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        others = [f"--{name}-port={free_port()}" for name in SERVERS if name != "api"]
        command = words("./scripts/demo", f"--api-port={port}", f"--data={tmp_path}", *others)
        done = subprocess.run(command, cwd=tmp_path, stdout=-1, stderr=-2, text=True, timeout=120, check=False)
    assert done.returncode == 1
    assert f"{port}" in done.stdout
    assert "--api-port" in done.stdout
