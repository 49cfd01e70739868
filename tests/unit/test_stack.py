"""The stack on one machine, as far as it goes without its servers."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import MagicMock

import psycopg2
import pytest
from rich.console import Console

from app.migrate import NameTaken
from app.options import PORTS
from app.pipelines import select
from app.settings import HOME, Settings
from app.topic_rules import TopicDiffers
from embedded import demo, spark, stack
from embedded.process import Server, ServerError, free_port
from embedded.stack import OWNED, Ports, Stack


def test_what_a_reset_forgets_is_the_data_and_nothing_else_in_the_folder(tmp_path: Path) -> None:
    with Stack(tmp_path, Ports(1, 2, 3, 4, 5, 6), []) as stopped:
        for name in (*OWNED, "mine"):
            (tmp_path / name).mkdir()
            (tmp_path / name / "file").touch()
        for _ in range(2):
            stopped.reset()

        assert {path.name for path in tmp_path.iterdir()} == {"lock", "mine"}


def test_a_folder_of_something_else_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    said = f"{tmp_path} holds files that are not those of a stack; choose an empty folder, or one"
    with pytest.raises(ServerError, match=said), Stack(tmp_path, Ports(1, 2, 3, 4, 5, 6), []):
        pass

    assert list(tmp_path.rglob("*")) == [tmp_path / "logs"]


@pytest.fixture
def submitted(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """What ./scripts/submit runs where the settings are these; its environment is that of the test."""
    monkeypatch.setattr(os, "environ", os.environ.copy())
    for name in ("SPARK_LOCAL_IP", "SPARK_MASTER", "SPARK_DRIVER_HOST"):
        os.environ.pop(name, None)

    def call(**given: str) -> list[str]:
        replaced: list[str] = []
        monkeypatch.setattr(os, "execvp", lambda _, words: replaced.extend(words))
        monkeypatch.setattr(sys, "argv", ["submit", "batch", "transactions", "--full"])
        monkeypatch.setattr(spark, "settings", lambda: Settings(_env_file=None, **given))  # type: ignore[arg-type]
        spark.main()
        return replaced

    return call


def test_a_job_on_this_machine_listens_on_the_loopback_alone(submitted: Callable[..., list[str]]) -> None:
    replaced = submitted()

    assert os.environ["SPARK_LOCAL_IP"] == "127.0.0.1"
    assert "spark.driver.bindAddress=127.0.0.1" in replaced
    assert replaced[:3] == ["spark-submit", "--master", "local[*]"]
    assert replaced[-2:] == ["transactions", "--full"]


def test_a_job_of_another_master_is_reached_where_the_settings_say(submitted: Callable[..., list[str]]) -> None:
    replaced = submitted(spark_master="spark://master.example:7077", spark_driver_host="192.0.2.7")

    assert os.environ["SPARK_LOCAL_IP"] == "192.0.2.7"
    assert {"spark.driver.host=192.0.2.7", "spark.driver.bindAddress=192.0.2.7"} <= set(replaced)
    assert replaced[:3] == ["spark-submit", "--master", "spark://master.example:7077"]


def test_the_jobs_of_the_stack_run_on_this_machine_whatever_the_master(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPARK_MASTER", "spark://master.example:7077")

    assert spark.command("batch")[:3] == ["spark-submit", "--master", "local[*]"]


def test_what_is_done_soon_has_the_first_compiler_alone_and_the_rest_the_second_late() -> None:
    def compilers(command: list[str]) -> list[bool]:
        return [any(java[0] in word for word in command) for java in (spark.FIRST_COMPILER, spark.LATE_COMPILER)]

    for job in spark.JOBS.keys() - {"metastore"}:
        assert compilers(spark.command(job)) == [False, True]
    assert compilers(spark.command("metastore")) == [True, False]
    for job in spark.JOBS:
        assert compilers(spark.command(job, little=True)) == [True, False]


def test_the_drivers_of_the_cluster_have_the_same_compilers() -> None:
    start = (HOME / "docker/spark/start").read_text()

    goes_on = f"*{spark.JOBS['streaming']}* | *{spark.JOBS['sql']}* | *--every*"
    assert f'{goes_on}) java="{" ".join(spark.LATE_COMPILER[:-1])}"' in start
    assert f'*) java="{" ".join(spark.FIRST_COMPILER[:-1])}"' in start


def test_jobs_share_class_data_where_there_are_any(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDEMARK_CLASS_DATA", "/class-data/spark.jsa")
    assert any("-XX:SharedArchiveFile=/class-data/spark.jsa " in word for word in spark.command("batch"))
    monkeypatch.delenv("TIDEMARK_CLASS_DATA")
    assert not any("-XX:SharedArchiveFile" in word for word in spark.command("batch"))


def test_all_servers_are_asked_to_stop_before_any_is_waited_for(tmp_path: Path) -> None:
    does = {"first": "touch asked", "last": "until [ -e asked ]; do sleep 0.05; done; touch ended"}
    with Stack(tmp_path, Ports(1, 2, 3, 4, 5, 6), []) as running:
        for name, end in does.items():
            server = Server(name, tmp_path / "log", stop_signal=signal.SIGTERM, stop_seconds=3)
            script = f"cd {tmp_path}; trap '{end}; exit' TERM; touch {name}; while :; do sleep 0.05; done"
            running.start(server, ["sh", "-c", script], (tmp_path / name).exists)

    assert (tmp_path / "ended").exists()


def test_all_looks_share_one_connection_which_ends_with_the_stack(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[MagicMock] = []

    def connect(*_: object) -> MagicMock:
        opened.append(MagicMock(closed=0))
        return opened[-1]

    monkeypatch.setattr(stack, "connect", connect)
    with Stack(tmp_path, Ports(1, 2, 3, 4, 5, 6), []) as running:
        for _ in range(3):
            running.query("SELECT 1")
        (connection,) = opened
        assert connection.autocommit  # each look is a transaction of its own, and sees what has been committed since
        connection.close.assert_not_called()
    connection.close.assert_called_once()


def test_a_view_that_postgres_refuses_is_shown_and_does_not_end_the_demo(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    failed = [("sensors", "batch", datetime(2026, 1, 1, 12, 30, tzinfo=UTC), "too [bad]\nmore", "./scripts/accept it")]
    refused = MagicMock(side_effect=psycopg2.errors.QueryCanceled("it took too long\nLINE 1"))
    asked = MagicMock(query=MagicMock(return_value=[]), failed=lambda: failed, pipelines=[select(["sensors"])[0]])
    monkeypatch.setattr(demo, "view_of", refused)
    monkeypatch.setattr(demo, "console", Console(width=200))
    looks = iter([False, True])

    demo.show_until_stopped(asked, lambda: next(looks))

    said = capsys.readouterr().out
    assert refused.call_count == 2
    assert "it took too long" in said
    assert re.search(r"sensors +│ batch +│ 12:30:00 │ too \[bad\] +│ ./scripts/accept it", said)


@pytest.mark.usefixtures("default_signals")
@pytest.mark.parametrize("error", [NameTaken("rename the view"), TopicDiffers("declare 2 partitions")], ids=repr)
def test_what_the_demo_refuses_is_one_line_and_exit_code_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception
) -> None:
    monkeypatch.setattr(demo, "start", MagicMock(side_effect=error))
    ports = [f"--{name}-port={free_port()}" for name in PORTS]
    monkeypatch.setattr(sys, "argv", ["demo", f"--data={tmp_path}", *ports])
    with pytest.raises(SystemExit) as ended:
        demo.main()
    assert (ended.value.code, capsys.readouterr().out.splitlines()[-1]) == (1, f"error: {error}")


@pytest.mark.parametrize(
    ("serving", "verify", "said"), [(3, 0, "the serving job failed"), (0, 1, "the merged views are not exact")]
)
def test_a_bounded_demo_fails_where_the_proof_does(serving: int, verify: int, said: str) -> None:
    proven = MagicMock(run=lambda _: {"serving": (serving, "rows\n"), "verify": (verify, "found\n")})
    with pytest.raises(ServerError, match=said):
        demo.prove(proven)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_something_is_imported_ends_the_demo_with_exit_code_0(
    tmp_path: Path, number: signal.Signals
) -> None:
    ports = [f"--{name}-port={free_port()}" for name in PORTS]
    # What a module makes with exec, as dataclasses do, is where Python remembers a KeyboardInterrupt.
    (tmp_path / "importing.py").write_text(
        "import signal; from embedded import demo; "
        "demo.start = lambda *_, **__: exec('print(1, flush=True); signal.alarm(60); signal.pause()'); demo.main()"
    )
    command = [sys.executable, "-m", "importing", f"--data={tmp_path / 'data'}", *ports]
    changed = os.environ | {"PYTHONPATH": str(tmp_path)}
    with subprocess.Popen(command, cwd=HOME, env=changed, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == "1\n"
        run.send_signal(number)
        said, _ = run.communicate(timeout=60)

    assert (run.returncode, said.splitlines()[:2]) == (0, ["stopping …", "stopped; the data is kept in "])
