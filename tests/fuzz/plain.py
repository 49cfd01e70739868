"""A definition in plain Python: what the oracle knows of a pipeline. Nothing of `app` is imported.

Values of columns: str, int, bool, Decimal; a date is its days and a timestamp its microseconds since 1970.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Row = dict[str, Any]


@dataclass(frozen=True)
class Expression:
    """Spark SQL, and the same in Python: `of` gives None where the SQL gives null, and a value before its cast."""

    sql: str
    of: Callable[[Row], Any]


@dataclass(frozen=True)
class Field:
    """A column: of a message, with or without `clean`, or computed by `derived`."""

    name: str
    kind: str
    required: bool = True
    clean: Expression | None = None
    derived: Expression | None = None


@dataclass(frozen=True)
class Check:
    name: str
    condition: Expression


@dataclass(frozen=True)
class Measure:
    """`op`: count, sum, min, max, mean, variance, latest, top. `of`: the columns that it shows or computes with."""

    op: str
    name: str
    of: tuple[str, ...] = ()
    by: str = ""
    n: int = 1


@dataclass(frozen=True)
class View:
    """`window`: length and slide in seconds; they are equal for a tumbling one."""

    name: str
    keys: tuple[str, ...]
    measures: tuple[Measure, ...]
    window: tuple[int, int] | None = None
    indexes: tuple[str, ...] = ()

    @property
    def outputs(self) -> tuple[str, ...]:
        """The columns that a reader sees, keys first."""
        window = ("window_start", "window_end") if self.window else ()
        shown = [measure.of if measure.op == "latest" else (measure.name,) for measure in self.measures]
        return (*self.keys, *window, *(name for names in shown for name in names))


@dataclass(frozen=True)
class Alert:
    name: str
    keys: tuple[str, ...]
    of: str
    above: int
    readings: int
    below: int
    columns: tuple[str, ...]

    @property
    def outputs(self) -> tuple[str, ...]:
        return (*self.keys, "_partition", "_offset", "_index", "alert", *self.columns)


@dataclass(frozen=True)
class Rollup:
    """`of`: a view. `last`: seconds. Without measures: those of the view, with fewer keys."""

    name: str
    of: str
    keys: tuple[str, ...]
    measures: tuple[Measure, ...] = ()
    last: int | None = None
    most: int | None = None


@dataclass(frozen=True)
class Definition:
    name: str
    fields: tuple[Field, ...]
    event_time: str
    views: tuple[View, ...]
    alerts: tuple[Alert, ...] = ()
    rollups: tuple[Rollup, ...] = ()
    checks: tuple[Check, ...] = ()
    dedup: str | None = None

    @property
    def kinds(self) -> dict[str, str]:
        """The type of each column by its name."""
        return {field.name: field.kind for field in self.fields}

    @property
    def sent(self) -> tuple[Field, ...]:
        """The columns that a message brings."""
        return tuple(field for field in self.fields if field.derived is None)


@dataclass(frozen=True)
class Message:
    """One message of the log; `arrival` in microseconds since 1970."""

    partition: int
    offset: int
    arrival: int
    value: bytes | None


@dataclass(frozen=True)
class Event:
    """What became of an event: accepted if it has no reason, and then with the value of each column."""

    at: tuple[int, int, int]
    arrival: int
    reason: str | None
    row: Row
