"""What is asked of Kafka, where its answer needs no broker."""

from datetime import UTC, datetime, timedelta
from unittest.mock import MagicMock

import pytest

import app.log
from app.log import log


def test_before_1970_is_where_the_topic_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    consumer = MagicMock()
    consumer.partitions_for_topic.return_value = {0}
    monkeypatch.setattr(app.log, "KafkaConsumer", lambda **_: consumer)
    with log("127.0.0.1:1", "sales") as topic:
        topic.at(datetime(1970, 1, 1, tzinfo=UTC) - timedelta(days=1))

    (asked,) = consumer.offsets_for_times.call_args.args
    assert [*asked.values()] == [0]
