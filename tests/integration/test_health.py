"""The health checks of services that nobody asks over HTTP, against real servers."""

import pytest

from app import pipelines
from app.settings import Settings
from cluster.health import Unhealthy, kafka, producers
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
