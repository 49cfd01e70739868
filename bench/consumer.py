"""What the speed layer is compared with: a consumer as one would write it by hand, in one process, for one view."""

from io import StringIO
from typing import Any

import orjson
import psycopg2.extensions
from confluent_kafka import Consumer

POLL_SECONDS = 10
TABLE = """
    CREATE TEMP TABLE by_hand
        (client text PRIMARY KEY, count bigint, total numeric(22,2), min numeric(12,2), max numeric(12,2));
    CREATE TEMP TABLE by_hand_new (LIKE by_hand)
"""
UPSERT = """
    INSERT INTO by_hand SELECT * FROM by_hand_new ON CONFLICT (client) DO UPDATE SET
        count = by_hand.count + excluded.count, total = by_hand.total + excluded.total,
        min = least(by_hand.min, excluded.min), max = greatest(by_hand.max, excluded.max)
"""


def catch_up(servers: str, topic: str, events: int, connection: psycopg2.extensions.connection) -> None:
    """Counts, adds up, and finds the least and greatest amount of each client; one COPY at the end,
    into temporary tables that end with the connection.

    Raises:
        RuntimeError: the topic ended before `events`.
    """
    consumer = Consumer(
        {
            "bootstrap.servers": servers,
            "group.id": "by-hand",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    consumer.subscribe([topic])
    clients: dict[str, list[Any]] = {}
    seen = 0
    while seen < events:
        batch = consumer.consume(10_000, POLL_SECONDS)
        if not batch:
            raise RuntimeError(f"{topic} ended after {seen} of {events} events")
        for message in batch:
            event = orjson.loads(message.value() or b"")
            cents = round(event["amount"] * 100)
            found = clients.get(event["client"])
            if found is None:
                clients[event["client"]] = [1, cents, cents, cents]
                continue
            found[0] += 1
            found[1] += cents
            found[2] = min(found[2], cents)
            found[3] = max(found[3], cents)
        seen += len(batch)
    consumer.close()
    rows = StringIO("".join(f"{c}\t{n}\t{t / 100}\t{a / 100}\t{z / 100}\n" for c, (n, t, a, z) in clients.items()))
    with connection, connection.cursor() as cursor:
        cursor.execute(TABLE)
        cursor.copy_expert("COPY by_hand_new FROM STDIN", rows)
        cursor.execute(UPSERT)
