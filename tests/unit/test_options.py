"""Commands say what they can be given at once, on a machine with Python alone, and are given nothing else."""

import importlib
import inspect
import os
import subprocess
import venv
from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path

import pytest

from app import pipelines
from app.options import JOBS, PIPELINES, PORTS, SCRIPTS, parser
from app.settings import HOME, Settings
from embedded import spark

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def bare_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python without packages."""
    folder = tmp_path_factory.mktemp("python")
    venv.create(folder, symlinks=True)
    return folder / "bin/python"


@pytest.fixture
def run(tmp_path: Path, bare_python: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a script with nothing but that Python, and asserts that nothing is installed."""
    monkeypatch.setenv("COLUMNS", "80")
    environment = {"PATH": "/usr/bin:/bin", "COLUMNS": "80", "TIDEMARK_PYTHON": str(bare_python)}
    environment["TIDEMARK_CACHE"] = str(tmp_path / "cache")

    def call(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        words = [str(HOME / "scripts" / script), *arguments]
        done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=10, check=False)
        assert list(tmp_path.iterdir()) == []
        return done

    return call


def options(of: ArgumentParser) -> set[str]:
    """The names of what a command can be given."""
    return {action.dest for action in of._actions} - {"help"}


def test_every_script_is_a_command_and_every_job_is_one_of_submit() -> None:
    scripts = {path.name for path in (HOME / "scripts").iterdir() if path.is_file() and os.access(path, os.X_OK)}

    assert set(SCRIPTS) == scripts
    assert set(JOBS) == set(spark.JOBS)


@pytest.mark.parametrize("script", SCRIPTS)
def test_help_comes_at_once_without_an_installation(run: Run, script: str) -> None:
    done = run(script, "--help")

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == parser(script).format_help()


@pytest.mark.parametrize("job", JOBS)
def test_so_does_the_help_of_every_job(run: Run, job: str) -> None:
    done = run("submit", job, "--help")

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"usage: ./scripts/submit {job} ")
    assert done.stdout.split("\n", 1)[1].strip() in parser(job).format_help()


@pytest.mark.parametrize("script", SCRIPTS)
def test_an_option_that_a_command_does_not_have_is_refused_before_anything_is_installed(run: Run, script: str) -> None:
    done = run(script, "--nonsense")

    assert (done.returncode, done.stdout) == (2, "")
    assert f"./scripts/{script}: error: " in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("demo", "nope"), f"no pipeline is called 'nope'; there are: {', '.join(PIPELINES)}"),
        (("demo", "--rate", "0"), "argument --rate: '0' is not a whole number from 1 to"),
        (("demo", "--events", "1"), "argument --events: '1' is not a whole number from 2 to"),
        (("demo", "--api-port", "65536"), "argument --api-port: '65536' is not a whole number from 1 to 65535"),
        (("submit", "batch", "--every", "1.5"), "argument --every: '1.5' is not a whole number"),
        (("submit", "bach"), "invalid choice: 'bach' (choose from"),
        (("accept", "transactions", "it"), "argument DECISION: invalid choice: 'it'"),
        (("submit", "batch", "--every", "9", "--accept-quarantined"), "not allowed with argument --every"),
        (("rollback",), "the following arguments are required: PIPELINE"),
        (("rollback", "transactions", "transactions"), "unrecognized arguments: transactions"),
        (("migrate", "transactions"), "unrecognized arguments: transactions"),
    ],
)
def test_a_value_that_a_command_cannot_be_given_is_refused_by_name(run: Run, words: tuple[str, ...], said: str) -> None:
    done = run(*words)

    assert done.returncode == 2
    assert said in done.stderr


@pytest.mark.parametrize("job", JOBS)
def test_what_a_job_can_be_given_is_what_its_main_takes(job: str) -> None:
    module = importlib.import_module(spark.JOBS[job].removesuffix(".py").replace("/", "."))

    assert options(parser(job)) == set(inspect.signature(module.main).parameters)


def test_the_pipelines_that_a_command_knows_are_those_there_are() -> None:
    assert pipelines.names() == PIPELINES


def test_the_other_commands_find_a_demo_on_its_usual_ports() -> None:
    default = {name: str(field.default) for name, field in Settings.model_fields.items()}
    servers = {
        "kafka": "kafka_bootstrap_servers",
        "postgres": "pg_url",
        "metastore": "hive_metastore_uri",
        "sql": "hive_server_port",
        "api": "api_port",
        "dashboard": "dashboard_port",
    }

    assert set(PORTS) == set(servers)
    assert all(str(PORTS[server]) in default[setting] for server, setting in servers.items())
    assert parser("demo").parse_args([]).data == HOME / "data"
    assert default["lake_path"] == f"file://{HOME}/data/lake"
