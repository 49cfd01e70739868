"""Imports go one way: the contracts in pyproject.toml hold, and each of them bites."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

HOME = Path(__file__).resolve().parents[2]
CONFIG = tomllib.loads((HOME / "pyproject.toml").read_text())["tool"]["importlinter"]
NOT_SHIPPED = {"bench", "tests"}


@pytest.fixture(scope="module")
def lint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a copy of every package that the contracts name; one that is not written yet is empty."""
    home = tmp_path_factory.mktemp("imports")
    shutil.copy(HOME / "pyproject.toml", home)
    for name in CONFIG["root_packages"]:
        if (HOME / name / "__init__.py").exists():
            shutil.copytree(HOME / name, home / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            (home / name).mkdir()
            (home / name / "__init__.py").touch()
    return home


def lint_imports(home: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-logo", "--no-cache"],
        cwd=home, env=os.environ | {"PYTHONPATH": str(home), "COLUMNS": "300"},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_all_contracts_are_kept(lint: Path) -> None:
    done = lint_imports(lint)

    assert done.returncode == 0, done.stdout + done.stderr
    assert f"Contracts: {len(CONFIG['contracts'])} kept, 0 broken." in done.stdout


@pytest.mark.parametrize(
    ("module", "line", "broken"),
    [
        ("app/model.py", "import app.transform", "app.model is not allowed to import app.transform"),
        ("app/events.py", "import app.model", "app.events is not allowed to import app.model"),
        ("app/measures.py", "import app.settings", "app.measures is not allowed to import app.settings"),
        ("app/ledger.py", "import app.lake", "app.ledger is not allowed to import app.lake"),
        ("app/ledger.py", "import app.versions", "app.ledger is not allowed to import app.versions"),
        ("app/transform.py", "import app.lake", "app.transform is not allowed to import app.lake"),
        ("app/speed.py", "import app.batch", "app.speed is not allowed to import app.batch"),
        ("app/batch_job.py", "import app.streaming_job", "app.batch_job is not allowed to import app.streaming_job"),
        ("app/relations.py", "import pyspark", "app.relations is not allowed to import pyspark"),
        ("app/relations.py", "import app.session", "app.relations is not allowed to import app.session"),
        ("app/pipelines/transactions.py", "import app.settings", "app.pipelines is not allowed to import app.settings"),
        ("app/pipelines/transactions.py", "import app.events", "app.pipelines is not allowed to import app.events"),
        ("app/hive.py", "import pyspark", "app.hive is not allowed to import pyspark"),
        ("app/catalog.py", "import app.lake", "app.catalog is not allowed to import app.lake"),
        ("app/topics.py", "import embedded.kafka", "app is not allowed to import embedded"),
        ("app/unplaced.py", "", "unplaced"),
        ("backend/new.py", "import app.ledger", "backend.new -> app.ledger"),
        ("dashboard/new.py", "import pyspark", "dashboard.new -> pyspark"),
        ("dashboard/new.py", "import app.postgres", "dashboard is not allowed to import app.postgres"),
        ("producers/new.py", "from app.transform import decode", "producers.new -> app.transform"),
        ("embedded/kafka.py", "import app.settings", "embedded.kafka is not allowed to import app"),
        ("embedded/new.py", "import app.ledger", "embedded.new -> app.ledger"),
    ],
)
def test_an_import_the_wrong_way_is_refused(lint: Path, module: str, line: str, broken: str) -> None:
    file = lint / module
    before = file.read_text() if file.exists() else None
    file.write_text(f"{before or ''}\n{line}\n")
    try:
        done = lint_imports(lint)
    finally:
        if before is None:
            file.unlink()
        else:
            file.write_text(before)

    assert done.returncode == 1, done.stdout + done.stderr
    assert broken in done.stdout


def test_every_package_of_the_repository_is_under_contract() -> None:
    packages = {path.parent.name for path in HOME.glob("*/__init__.py")}

    assert packages - NOT_SHIPPED <= set(CONFIG["root_packages"])
