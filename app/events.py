"""What an event is: where it comes from, what it holds, when it is accepted, and when it is a duplicate."""

from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints
from pydantic.dataclasses import dataclass

from app.declared import STRICT, Declared, Name
from app.durations import Duration
from app.measures import ColumnType

ARRIVAL = "arrival"  # the column that every event has: the broker's timestamp of its message
# The columns of a topic's messages, as Spark reads them.
MESSAGE = "topic string, partition int, offset bigint, timestamp timestamp, value binary"
MAX_MESSAGE_BYTES = 1024 * 1024
EXAMPLES_ARRIVE = datetime(2026, 1, 1, 12, tzinfo=UTC)


def _topic_name(value: str) -> str:
    if value in (".", ".."):
        raise ValueError(f"{value!r} is no name; Kafka refuses '.' and '..', choose another name")
    if value.startswith("__"):
        raise ValueError(f"{value!r} is Kafka's own, as all that begin with __ are; choose another name")
    return value


def _history_file(value: str) -> str:
    path = PurePosixPath(value)
    unfit = any(part == ".." or ("**" in part and part != "**") for part in path.parts)
    if unfit or path.is_absolute() or not path.parts or value.endswith("/"):
        raise ValueError(
            f"{value!r} is no file of the repository; allowed: a path or pattern relative to the repository, without "
            "'..', such as datasets/sales.json or datasets/*.json"
        )
    return value


HistoryFile = Annotated[str, AfterValidator(_history_file)]


@dataclass(frozen=True, config=STRICT)
class Topic(Declared):
    """A Kafka topic and its number of partitions. Keyed by the column the events are ordered by.

    `compacted`: Kafka may delete any message once a newer one has its key. What it deletes before it is read never
    counts, and nobody can tell that it was there.
    """

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,200}$"), AfterValidator(_topic_name)]
    partitions: Annotated[int, Field(ge=1, le=1000)]
    compacted: bool = False


@dataclass(frozen=True, config=STRICT)
class Column(Declared):
    """A field of the event. Decimals are rounded half up to their scale; a timestamp without zone is UTC.

    `clean` is computed from the columns as they were decoded. A required column that is null before or after
    cleaning sends the event to the quarantine, as does a value that is not of the type.
    """

    name: Name
    type: ColumnType
    clean: str | None = None
    required: bool = True


@dataclass(frozen=True, config=STRICT)
class Derived(Declared):
    """A column that no message has: an expression over the fields, as they were cleaned, and `arrival`.

    A required one that is null sends the event to the quarantine.
    """

    name: Name
    type: ColumnType
    expression: str
    required: bool = True


@dataclass(frozen=True, config=STRICT)
class Check(Declared):
    """A condition every accepted event meets; one for which it is not true is quarantined with `name` as reason."""

    name: Name
    expression: str


@dataclass(frozen=True, config=STRICT)
class Dedup(Declared):
    """Events with the same `id` are one event: the first counts. The speed layer remembers each for `horizon` at least.

    Longer memory costs disk; a shorter one leaves more to the next batch, which drops duplicates of any age.
    """

    id: Name
    horizon: Duration


@dataclass(frozen=True, config=STRICT)
class Example(Declared):
    """A message, JSON text that arrives at EXAMPLES_ARRIVE, and what becomes of every event in it.

    `reason`: why it is quarantined; None: it is accepted. The examples are the test of a pipeline, and what
    `producers.generic` makes its events of. They take no part in the fingerprint.
    """

    message: Annotated[str, StringConstraints(min_length=1)]
    reason: Annotated[str, StringConstraints(min_length=1)] | None = None
