"""A duplicate that arrived before the event that a version counts, and was archived and read after it.

The broker cannot be asked for that: it takes two partitions, of which one is read behind the other.
"""

import json
from datetime import UTC, datetime, timedelta

from app.lake import BRONZE
from app.postgres import Role
from tests.integration.conftest import Stack, event

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def place_a_duplicate_out_of_order(stack: Stack) -> None:
    """Publishes a version of one event, then puts its duplicate below the ledger."""
    _arrives(stack, partition=1, moment=NOON + timedelta(minutes=1))
    assert stack.batch().accepted == 1
    _arrives(stack, partition=0, moment=NOON)


def _arrives(stack: Stack, partition: int, moment: datetime) -> None:
    """Puts one message, the same each time, into the master dataset, and moves the ledger over it."""
    value = json.dumps(event("1", time=NOON.isoformat())).encode()
    row = (stack.pipeline.topic.name, partition, 0, moment, b"ada", value, None)
    stack.append(stack.spark.createDataFrame([row], BRONZE), {partition: 1})
    with stack.working(Role.SPEED) as ledger:
        found = ledger.offsets()
        ledger.move(found, found | {partition: 1})
