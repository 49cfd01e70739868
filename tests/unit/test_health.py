"""What the health checks of the containers ask, as far as it needs no server."""

import os
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from app.settings import HOME, Settings
from cluster.health import batch, started
from cluster.health.pipelines import Asked


def test_a_batch_that_runs_seldom_may_be_as_old_as_the_pause_and_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Asked] = []
    monkeypatch.setattr(batch, "require_one", lambda _, question: asked.append(question))
    monkeypatch.setenv("BATCH_EVERY", "86400")

    batch.check(Settings(_env_file=None))

    assert [one.old for one in asked] == [86400 + 3600]


def test_a_container_is_as_old_as_its_first_process() -> None:
    assert started().timestamp() == pytest.approx(psutil.Process(1).create_time(), abs=2)


def test_a_check_is_run_again_when_it_failed_or_half_a_minute_has_gone_by(tmp_path: Path) -> None:
    def asked(check: str) -> tuple[int, int]:
        """The exit code, and how often the check has been run."""
        words = [str(HOME / "cluster/health/seldom"), "sh", "-c", f"echo >>{tmp_path}/runs; {check}"]
        done = subprocess.run(words, env=os.environ | {"TMPDIR": str(tmp_path)}, check=False, timeout=30)
        return done.returncode, (tmp_path / "runs").read_text().count("\n")

    assert [asked("exit 3"), asked("exit 3"), asked("true"), asked("exit 3")] == [(3, 1), (3, 2), (0, 3), (0, 3)]
    ago = time.time() - 31
    os.utime(tmp_path / "healthy", (ago, ago))
    assert asked("exit 3") == (3, 4)
