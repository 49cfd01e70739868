"""Messages that Kafka had deleted before they were read, and that an operator has accepted as lost."""

from app.ledger import Ledger, Offsets

Loss = tuple[int, int, int]  # partition, first offset, next offset


def record(ledger: Ledger, layer: str, lost: dict[int, tuple[int, int]]) -> None:
    """Notes what a layer goes on without: {partition: (first offset, next offset)}."""
    with ledger.transaction() as cursor:
        for partition, (first, following) in lost.items():
            cursor.execute(
                "INSERT INTO tidemark.loss VALUES (%s, %s, %s, %s, %s)",
                (ledger.pipeline.name, layer, partition, first, following),
            )


def recorded(ledger: Ledger, layer: str) -> list[Loss]:
    """What a layer goes on without, in order of offset."""
    with ledger.transaction() as cursor:
        cursor.execute(
            "SELECT partition, first_offset, next_offset FROM tidemark.loss WHERE pipeline = %s AND layer = %s "
            "ORDER BY first_offset",
            (ledger.pipeline.name, layer),
        )
        return list(cursor.fetchall())


def passed(offsets: Offsets, lost: list[Loss]) -> Offsets:
    """Where a layer that stands at `offsets` goes on when it passes over what is lost; `lost` in order of offset."""
    reached = dict(offsets)
    for partition, first, following in lost:
        if first <= reached.get(partition, 0) < following:
            reached[partition] = following
    return reached
