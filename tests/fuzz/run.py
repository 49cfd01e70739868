"""Runs messages through decode, gate, aggregation and the statements of Postgres, and compares with the oracle."""

import itertools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from functools import reduce
from operator import or_
from typing import Any, NamedTuple

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from app.duplicates import duplicates_marked
from app.events import MESSAGE
from app.job import connected
from app.ledger import Ledger
from app.migrate import register
from app.model import Pipeline
from app.postgres import Connection, Role
from app.readers import served_as
from app.settings import Settings
from app.transform import aggregate, decode
from app.versions import Version, Versions
from tests.fuzz.account import Rows, account
from tests.fuzz.definitions import pipeline
from tests.fuzz.oracle import events
from tests.fuzz.plain import Definition, Event, Message
from tests.fuzz.shown import frozen, kinds, selected, value

Place = tuple[int, int, int]
_numbers = itertools.count(1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SHOWN = 2_000  # characters of a side that is printed


class Difference(NamedTuple):
    """`where`: event, the name of a view, or error. `at`: the event's place."""

    where: str
    expected: Any
    actual: Any
    at: Place | None = None

    def __str__(self) -> str:
        at = f" at {self.at}" if self.at else ""
        return f"{self.where}{at}\n  expected {self.expected!r:.{SHOWN}}\n  actual   {self.actual!r:.{SHOWN}}"


class Layers:
    """Spark and Postgres for any number of definitions, each with tables of its own."""

    def __init__(self, spark: SparkSession, settings: Settings) -> None:
        self.spark = spark
        self.settings = settings

    def differences(self, definition: Definition, messages: Sequence[Message]) -> list[Difference]:
        """What the layers make of the messages and the oracle does not, or the other way round."""
        made = pipeline(definition, f"fuzz{next(_numbers)}x")
        expected = events(definition, messages)
        marked = duplicates_marked(decode(self._rows(messages), made), made).persist()
        try:
            found = compared(expected, _events(marked, definition))
            shown = self._served(made, definition, marked, messages)
        except Exception as error:
            return [Difference("error", None, error)]
        finally:
            marked.unpersist()
        return found + unequal(account(definition, expected), shown)

    def of_events(self, definition: Definition, messages: Sequence[Message]) -> list[Difference]:
        """The same of decoding alone."""
        made = pipeline(definition, "fuzz")
        try:
            found = _events(decode(self._rows(messages), made), definition)
        except Exception as error:
            return [Difference("error", None, error)]
        return compared(events(definition, messages), found)

    def _rows(self, messages: Iterable[Message]) -> DataFrame:
        rows = [
            ("fuzz", message.partition, message.offset, EPOCH + timedelta(microseconds=message.arrival), message.value)
            for message in messages
        ]
        return self.spark.createDataFrame(rows, MESSAGE)

    def _served(self, made: Pipeline, definition: Definition, marked: DataFrame, messages: Sequence[Message]) -> Rows:
        """Counts two parts, cuts, publishes them as a version, and counts a third: what readers then see."""
        counted, third = marked.filter("_duplicate = 0"), -(-len(messages) // 3)
        with ExitStack() as exits:

            def connection(role: Role) -> Connection:
                return exits.enter_context(connected(self.settings, role))()

            register(connection(Role.MIGRATE), made)
            speed, batch = Ledger(connection(Role.SPEED), made), Ledger(connection(Role.BATCH), made)
            for number, end in enumerate((third, 2 * third, len(messages))):
                part = _ends(messages[:end])
                before = speed.offsets()
                speed.commit(before, part, aggregate(counted.filter(_between(before, part)), made).toArrow())
                if number == 1:
                    cut = batch.cut()
                    increments = aggregate(counted.filter(_between({}, part)), made).toArrow()
                    version = Version(1, cut.segment, cut.offsets, "full", 0, 0, 0, 0.0)
                    Versions(batch).publish(version, None, increments)
            return read(connection(Role.READ), made.name, definition)


def read(connection: Connection, name: str, definition: Definition) -> Rows:
    """What readers see of every view, alert and rollup of a pipeline, and of its quarantine."""
    rows = {}
    for view, columns in kinds(definition).items():
        listed = ", ".join(selected(column, kind) for column, kind in columns.items())
        with connection, connection.cursor() as cursor:
            cursor.execute(f"SELECT {listed} FROM {_served_as(name, view)}")
            found = cursor.fetchall()
        rows[view] = [tuple(map(value, row, columns.values(), itertools.repeat(definition.kinds))) for row in found]
    return rows


def _served_as(name: str, view: str) -> str:
    return served_as(_Named(name), view)  # type: ignore[arg-type]


class _Named(NamedTuple):
    name: str


def _ends(messages: Iterable[Message]) -> dict[int, int]:
    ends: dict[int, int] = {}
    for message in messages:
        ends[message.partition] = max(ends.get(message.partition, 0), message.offset + 1)
    return ends


def _between(start: Mapping[int, int], end: Mapping[int, int]) -> Column:
    parts = [
        (F.col("_partition") == partition) & (F.col("_offset") >= start.get(partition, 0)) & (F.col("_offset") < offset)
        for partition, offset in end.items()
    ]
    return reduce(or_, parts, F.lit(False))


def _events(found: DataFrame, definition: Definition) -> dict[Place, tuple[str | None, dict[str, Any]]]:
    """Reason and values of each event; a date and a timestamp as the oracle has them."""
    plain = {"timestamp": F.unix_micros, "date": F.unix_date}
    columns = [plain.get(kind, F.col)(name).alias(name) for name, kind in definition.kinds.items()]
    rows = found.select("_partition", "_offset", "_index", "_reason", *columns).toArrow().to_pylist()
    return {
        (row["_partition"], row["_offset"], row["_index"]): (
            row["_reason"],
            {name: row[name] for name in definition.kinds},
        )
        for row in rows
    }


def compared(expected: Iterable[Event], actual: Mapping[Place, tuple[str | None, dict[str, Any]]]) -> list[Difference]:
    """The events that differ."""
    wanted = {event.at: (event.reason, event.row) for event in expected}
    return [
        Difference("event", wanted.get(at), actual.get(at), at)
        for at in sorted(wanted.keys() | actual.keys())
        if wanted.get(at) != actual.get(at)
    ]


def unequal(expected: Rows, actual: Rows) -> list[Difference]:
    """The views whose rows differ, with the rows that only one side has."""
    differing = []
    for view in expected:
        wanted, found = (Counter(map(frozen, rows[view])) for rows in (expected, actual))
        if wanted != found:
            differing.append(Difference(view, _few(wanted - found), _few(found - wanted)))
    return differing


def _few(rows: Counter[Any]) -> list[Any]:
    return sorted(rows.elements(), key=repr)[:5]
