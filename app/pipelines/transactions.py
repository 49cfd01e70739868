"""Client transactions: what each client has spent."""

from app.model import (
    Bars, Check, Column, Count, Dedup, Example, LakeTable, Max, Mean, Min, Pipeline, Rollup, Sum, Topic, View,
)  # fmt: skip

PIPELINE = Pipeline(
    name="transactions",
    description="Payments of clients: how many, how much, and their mean, least and greatest amount.",
    # Where the events come from: a Kafka topic, and files that hold what happened before there was one.
    topic=Topic("transactions", partitions=3),
    history=("datasets/transactions.json",),
    # What an event looks like. Every column is required unless it says otherwise.
    columns=(
        Column("event_id", "string"),
        Column("client", "string", clean="trim(client)"),
        Column("amount", "decimal(12,2)"),
        Column("event_time", "timestamp"),
    ),
    event_time="event_time",
    # An event that fails a check goes to the quarantine; the name of the check is the reason.
    checks=(
        Check("client_empty", "client <> ''"),
        Check("amount_not_positive", "amount > 0"),
        Check("event_time_too_old", "event_time >= timestamp '2000-01-01'"),
        Check("event_time_in_future", "event_time <= arrival + interval 1 day"),
    ),
    # The same event_id again is the same transaction: it counts once.
    dedup=Dedup("event_id", horizon="1 hour"),
    # What is written to the lake besides the raw events: here every clean transaction.
    lake=(LakeTable("silver"),),
    # What is kept up to date, and served.
    views=(
        View(
            "clients",
            description="One row a client",
            keys=("client",),
            measures=(
                Count("count"),
                Sum("total", of="amount"),
                Mean("mean", of="amount"),
                Min("min", of="amount"),
                Max("max", of="amount"),
            ),
        ),
    ),
    # The same measures of all clients together, computed from the rows above when they are read.
    rollups=(Rollup("totals", of="clients", keys=(), description="All clients"),),
    # What the dashboard draws, besides the rows.
    charts=(Bars("clients", x="client", y="total"),),
    # What becomes of messages: the test of all that stands above.
    examples=(
        Example('{"event_id": "1", "client": " Ada ", "amount": 12.50, "event_time": "2026-01-01T09:00:00Z"}'),
        Example('{"event_id": "2", "client": "Bob", "amount": "0.01", "event_time": "2025-12-01T09:00:00+01:00"}'),
        Example(
            '{"event_id": "3", "client": "Ada", "amount": 0, "event_time": "2026-01-01T09:00:00Z"}',
            reason="amount_not_positive",
        ),
        Example(
            '{"event_id": "4", "amount": 12.50, "event_time": "2026-01-01T09:00:00Z"}',
            reason="missing_client",
        ),
        Example(
            '{"event_id": "5", "client": "Ada", "amount": 12.50, "event_time": "2026-01-02T12:00:01Z"}',
            reason="event_time_in_future",
        ),
    ),
)
