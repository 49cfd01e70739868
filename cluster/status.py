"""What the layers have done: of each pipeline its topic, what is counted of it, its version and its freshness.

python -m cluster.status
"""

import sys
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import psycopg2
from kafka.errors import KafkaError
from rich.table import Table

from app.console import show
from app.log import TopicMissing, log
from app.pipelines import select
from app.postgres import Role, connect
from app.settings import Settings, settings

STATUS = (
    "SELECT pipeline, version, cut, offsets, open_segment, accepted, quarantined, published_at, fresh_at "
    "FROM serving.status"
)


def rows(at: Settings) -> list[tuple[str, ...]]:
    """A row a pipeline, in words.

    Raises:
        psycopg2.OperationalError: Postgres does not answer.
        kafka.errors.KafkaError: Kafka does not answer.
        TopicMissing: a topic was not made.
    """
    with closing(connect(at, Role.READ)) as connection, connection.cursor() as cursor:
        cursor.execute(STATUS)
        found = {row[0]: row[1:] for row in cursor.fetchall()}
    now = datetime.now(UTC)
    table: list[tuple[str, ...]] = []
    for pipeline in select([]):
        with log(at.kafka_bootstrap_servers, pipeline.topic.name) as topic:
            end = topic.end()
        version, cut, offsets, segment, accepted, quarantined, published, fresh = found[pipeline.name]
        sent, committed, counted = sum(end.values()), _messages(offsets), _messages(cut)
        table.append((
            pipeline.name, pipeline.topic.name, f"{sent:,}", f"{max(sent - committed, 0):,}", f"{sent - counted:,}",
            str(segment), str(version), _ago(now, published), f"{accepted:,}", f"{quarantined:,}", _ago(now, fresh),
        ))  # fmt: skip
    return table


def _messages(offsets: dict[str, Any]) -> int:
    """Messages of the topic below these offsets; the negative partitions are those of files."""
    return sum(int(offset) for partition, offset in offsets.items() if int(partition) >= 0)


def _ago(now: datetime, then: datetime | None) -> str:
    return "never" if then is None else f"{max((now - then).total_seconds(), 0):,.0f} s ago"


def main() -> None:
    table = Table(
        "pipeline", "topic", "messages", "lag", "not in batch", "open segment", "version", "published", "accepted",
        "quarantined", "fresh",
    )  # fmt: skip
    try:
        for row in rows(settings()):
            table.add_row(*row)
    except (psycopg2.OperationalError, KafkaError, TopicMissing, FileNotFoundError) as error:
        sys.exit(f"Error: {str(error).strip()}")
    show(table)


if __name__ == "__main__":
    main()
