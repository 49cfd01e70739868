"""What the layers have done: of each pipeline its topic, what is counted of it, its version, freshness and failures.

python -m cluster.status
"""

import sys
from contextlib import closing
from datetime import UTC, datetime
from typing import Any, NamedTuple

import psycopg2
from kafka.errors import KafkaError
from rich.table import Table

from app.console import show
from app.log import TopicMissing, log
from app.pipelines import select
from app.postgres import Role, connect
from app.settings import Settings, settings
from cluster.failures import failures

STATUS = (
    "SELECT pipeline, version, cut, offsets, open_segment, accepted, quarantined, published_at, fresh_at, open_since "
    "FROM serving.status"
)
NOT_REGISTERED: tuple[Any, ...] = (None, {}, {}, None, None, None, None, None, None)


class Status(NamedTuple):
    """A row a pipeline, and a line for each thing that is wrong with one, both in words."""

    rows: list[tuple[str, ...]]
    wrong: list[str]


def status(at: Settings) -> Status:
    """How the pipelines stand. One without a topic, or that is not registered, is among what is wrong.

    Raises:
        psycopg2.OperationalError: Postgres does not answer.
        kafka.errors.KafkaError: Kafka does not answer.
    """
    with closing(connect(at, Role.READ)) as connection, connection.cursor() as cursor:
        cursor.execute(STATUS)
        found = {row[0]: row[1:] for row in cursor.fetchall()}
        failed = failures(cursor)
    now = datetime.now(UTC)
    table: list[tuple[str, ...]] = []
    wrong = [f"{one.pipeline} {one}" for one in failed]
    for pipeline in select([]):
        name, topic = pipeline.name, pipeline.topic.name
        sent = _sent(at, topic)
        if sent is None:
            wrong.append(f"{name} has no topic {topic}. Help: ./scripts/topics")
        if name not in found:
            wrong.append(f"{name} is not registered. Help: ./scripts/migrate")
        row = found.get(name, NOT_REGISTERED)
        version, cut, offsets, segment, accepted, quarantined, published, fresh, opened = row
        committed, counted = _messages(offsets), _messages(cut)
        table.append((
            name, topic, _number(sent), _number(sent and max(sent - committed, 0)), _number(sent and sent - counted),
            _number(segment), _number(version), _ago(now, published), _number(accepted), _number(quarantined),
            _ago(now, fresh) + (f", transaction open since {opened:%Y-%m-%d %H:%M:%S}" if opened else ""),
            ", ".join(one.job for one in failed if one.pipeline == name),
        ))  # fmt: skip
    return Status(table, wrong)


def _sent(at: Settings, topic: str) -> int | None:
    """Messages that a topic has taken; None: it was not made."""
    try:
        with log(at.kafka_bootstrap_servers, topic) as opened:
            return sum(opened.end().values())
    except TopicMissing:
        return None


def _number(of: int | None) -> str:
    return "-" if of is None else f"{of:,}"


def _messages(offsets: dict[str, Any]) -> int:
    """Messages of the topic below these offsets; the negative partitions are those of files."""
    return sum(int(offset) for partition, offset in offsets.items() if int(partition) >= 0)


def _ago(now: datetime, then: datetime | None) -> str:
    return "never" if then is None else f"{max((now - then).total_seconds(), 0):,.0f} s ago"


def main() -> None:
    table = Table(
        "pipeline", "topic", "messages", "lag", "not in batch", "open segment", "version", "published", "accepted",
        "quarantined", "fresh", "failed",
    )  # fmt: skip
    try:
        found = status(settings())
    except (psycopg2.OperationalError, KafkaError, FileNotFoundError) as error:
        sys.exit(f"Error: {str(error).strip()}")
    for row in found.rows:
        table.add_row(*row)
    show(table)
    print(*found.wrong, sep="\n", end="\n" if found.wrong else "")


if __name__ == "__main__":
    main()
