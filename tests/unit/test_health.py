"""What the health checks of the containers ask, as far as it needs no server."""

import psutil
import pytest

from app.settings import Settings
from cluster.health import batch, started


def test_a_batch_that_runs_seldom_may_be_as_old_as_the_pause_and_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    monkeypatch.setattr(batch, "require_none", lambda *question: asked.extend(question))
    monkeypatch.setenv("BATCH_EVERY", "86400")

    batch.check(Settings(_env_file=None))

    assert 86400 + 3600 in asked


def test_a_container_is_as_old_as_its_first_process() -> None:
    assert started().timestamp() == pytest.approx(psutil.Process(1).create_time(), abs=2)
