"""The health checks of services that nobody asks over HTTP, against real servers."""

from datetime import UTC, datetime, timedelta
from types import ModuleType

import pytest

from app import pipelines
from app.settings import Settings
from cluster.health import Unhealthy, batch, kafka, producers, streaming
from cluster.health import pipelines as asked
from tests.integration.conftest import Stack, event


def test_the_producers_are_healthy_while_what_they_send_arrives(
    stack: Stack, kafka_bootstrap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = Settings(kafka_bootstrap_servers=kafka_bootstrap)
    kafka.check(at)
    monkeypatch.setattr(pipelines, "select", lambda _: [stack.pipeline])
    with pytest.raises(Unhealthy, match="no topic has taken a message since"):
        producers.check(at)

    stack.send(event("1"))

    producers.check(at)
    monkeypatch.setattr(producers, "OLD", 0)
    with pytest.raises(Unhealthy):
        producers.check(at)


def test_a_job_that_has_just_started_is_not_judged_by_what_the_one_before_it_did(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    def blamed(job: ModuleType) -> bool:
        try:
            job.check(stack.settings)
        except Unhealthy as error:  # the pipelines of other tests are named too
            return stack.pipeline.name in str(error)
        return False

    stack.send(event("1"))
    stack.count_everything()
    assert not blamed(streaming)
    assert not blamed(batch)
    monkeypatch.setattr(batch, "RUN", -3600)  # the version is older than it may be
    assert blamed(batch)

    monkeypatch.setattr(asked, "started", lambda: datetime.now(UTC) + timedelta(hours=1))

    assert blamed(streaming)
    assert not blamed(batch)
