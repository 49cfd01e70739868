"""Messages and events as DataFrames. The Spark session is the one that all tests share."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from app.events import MESSAGE

START = datetime(2026, 1, 1, tzinfo=UTC)

Message = str | bytes | None
Messages = Callable[..., DataFrame]
Table = Callable[[Iterable[tuple[Any, ...]], str], DataFrame]


def arrived(offset: int) -> datetime:
    """When the message of an offset arrived: one a second."""
    return START + timedelta(seconds=offset)


@pytest.fixture(scope="session")
def table(spark: SparkSession) -> Table:
    """Makes a DataFrame of tuples and a schema."""
    return lambda rows, schema: spark.createDataFrame([*rows], schema)


@pytest.fixture(scope="session")
def messages(table: Table) -> Messages:
    """Makes raw messages of partition 0 with these values, from offset 0 on."""

    def make(*values: Message) -> DataFrame:
        encoded = [value.encode() if isinstance(value, str) else value for value in values]
        rows = [("orders", 0, n, arrived(n), value and bytearray(value)) for n, value in enumerate(encoded)]
        return table(rows, MESSAGE)

    return make
