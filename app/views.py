"""What is kept of the accepted events: lake tables and views."""

from decimal import Decimal
from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from app import naming
from app.declared import STRICT, Declared, Name, known, unique
from app.durations import Duration, span
from app.measures import POSITION, Count, Latest, Max, Mean, Measure, Min, State, Sum

DATE = "date"  # the column that the partitions of a Parquet table are named by
MOST_KEYS = 31  # columns: Postgres indexes 32, and beside the keys there is the version or segment
MOST_COLUMNS = 300  # of a table or view: a row of as many of the widest numbers fits in a page of Postgres


def _not_more(columns: tuple[Any, ...], most: int, field: str) -> None:
    if len(columns) > most:
        raise ValueError(f"{field}: {len(columns)} columns; allowed: at most {most}, as Postgres has room for no more")


@dataclass(frozen=True, config=STRICT)
class AtLeast(Declared):
    """A parameter of an endpoint: only events in which the column `of` is not below the value that is given."""

    name: Name
    of: Name


@dataclass(frozen=True, config=STRICT)
class LakeTable(Declared):
    """A table of the lake, of one of two forms.

    It holds the clean events that meet `where`, with `columns` (all where none is named). Or it holds the rows of a
    `view` as of the published version, and nothing else is said of it.

    `format`: a Delta table is written by the batch layer. A Parquet table of events is written by the streaming job as
    they come, one Hive partition a `date` of the event time (UTC), and the batch layer compacts it.

    `endpoint`: where the API lists the newest events of a Parquet table, e.g. `objects` for GET /objects. `filters`:
    what can be asked of it, besides the date: the value of a column, or the least of one.
    """

    name: Name
    where: str | None = None
    columns: tuple[Name, ...] = ()
    view: Name | None = None
    format: Literal["delta", "parquet"] = "delta"
    endpoint: Name | None = None
    filters: tuple[Name | AtLeast, ...] = ()

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        if self.view is not None and (self.where is not None or self.columns):
            raise ValueError(f"view: {self.name} is made of the rows of a view; allowed: neither where nor columns")
        if self.view is not None and self.format != "delta":
            raise ValueError(f"format: {self.name} is made of the rows of a view, which are replaced; allowed: delta")
        if self.endpoint is not None and self.format != "parquet":
            raise ValueError(f"endpoint: {self.name} has no newest events; allowed: a table of the format parquet")
        if self.filters and self.endpoint is None:
            raise ValueError(f"filters: {self.name} has no endpoint; name one, or leave them out")
        if self.endpoint is not None:
            naming.free([self.endpoint], naming.ROUTES, "endpoint", "the API itself")
        filters = [one if isinstance(one, str) else one.name for one in self.filters]
        unique(filters, "filters")
        naming.free(filters, naming.OF_EVENTS, "filters", "another parameter of the endpoint")
        return self


@dataclass(frozen=True, config=STRICT)
class Tumbling(Declared):
    """Event-time windows that follow each other: keys `window_start` and `window_end`."""

    length: Duration

    @property
    def slide(self) -> str:
        return self.length


@dataclass(frozen=True, config=STRICT)
class Sliding(Declared):
    """Event-time windows of one length that start every `slide`: keys `window_start` and `window_end`."""

    length: Duration
    slide: Duration

    @model_validator(mode="after")
    def _whole(self) -> Self:
        length, slide = span(self.length), span(self.slide)
        if slide > length or length % slide:
            raise ValueError(f"slide: {self.slide} must divide the length {self.length}")
        if length / slide > 100:
            raise ValueError(f"slide: {length / slide:.0f} windows hold an event; allowed: at most 100")
        return self


@dataclass(frozen=True, config=STRICT)
class View(Declared):
    """What is kept of the events that share their keys; no keys: one row for all events.

    `indexes`: columns that readers search by. A view that names some is kept as a Postgres table with these indexes.
    """

    name: Name
    keys: tuple[Name | Tumbling | Sliding, ...]
    measures: Annotated[tuple[Measure, ...], Field(min_length=1)]
    description: str = ""
    indexes: tuple[Name, ...] = ()

    @property
    def window(self) -> Tumbling | Sliding | None:
        return next((key for key in self.keys if not isinstance(key, str)), None)

    @property
    def key_names(self) -> tuple[str, ...]:
        columns = [(key,) if isinstance(key, str) else naming.WINDOW for key in self.keys]
        return tuple(name for group in columns for name in group)

    @cached_property
    def states(self) -> tuple[State, ...]:
        """The stored partial results of all measures, each once, in order of appearance."""
        return tuple(dict.fromkeys(state for measure in self.measures for state in measure.states))

    @property
    def identity(self) -> tuple[str, ...]:
        """The columns that tell the rows that readers see apart."""
        return self.key_names

    @property
    def output_names(self) -> tuple[str, ...]:
        columns = [measure.columns if isinstance(measure, Latest) else (measure.name,) for measure in self.measures]
        return self.key_names + tuple(name for group in columns for name in group)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if sum(not isinstance(key, str) for key in self.keys) > 1:
            raise ValueError("keys: more than one window; allowed: one Tumbling or Sliding")
        unique(self.output_names, "keys and measures")
        _not_more(self.key_names, MOST_KEYS, "keys")
        _not_more(self.output_names, MOST_COLUMNS, "keys and measures")
        _not_more((*self.key_names, *self.states), MOST_COLUMNS, "keys and states")
        known(self.indexes, self.output_names, "indexes")
        unique(self.indexes, "indexes")
        if self.indexes and not self.keys:
            raise ValueError("indexes: a view without keys is one row; leave them out")
        return self


@dataclass(frozen=True, config=STRICT)
class Alert(Declared):
    """The changes of an alert over the events that share their keys, in the order of the log: one row a change.

    It goes on with the last of `readings` events in a row in which `of` is above `above`, and off with the first in
    which it is below `below`; what lies between ends a row and changes nothing else. A row shows whether the alert is
    on from there (`alert`), the event's position, and its `columns`. The log has an order within a partition only:
    events of the same keys in two partitions are two sequences, so the producer's key is one of `keys`, or decides it.
    """

    name: Name
    keys: Annotated[tuple[Name, ...], Field(min_length=1)]
    of: Name
    above: int | Decimal
    readings: Annotated[int, Field(ge=1, le=100)]
    below: int | Decimal
    columns: Annotated[tuple[Name, ...], Field(min_length=1)]
    description: str = ""

    @property
    def window(self) -> None:
        """An alert has the order of arrival, and no windows."""

    @property
    def indexes(self) -> tuple[Name, ...]:
        """None: its rows are computed when they are read."""
        return ()

    @property
    def key_names(self) -> tuple[str, ...]:
        return (*self.keys, "_partition")

    @property
    def states(self) -> tuple[State, ...]:
        """One: the summary of the readings, see `app.alerts`."""
        return (State("alert", self.columns, self.of, self.readings, (self.above, self.below)),)

    @property
    def identity(self) -> tuple[str, ...]:
        return (*self.keys, *POSITION)

    @property
    def output_names(self) -> tuple[str, ...]:
        return (*self.identity, "alert", *self.columns)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.below > self.above:
            raise ValueError(
                f"below: {self.below} is more than above, {self.above}; an alert could be on and off at once"
            )
        unique(self.output_names, "keys and columns")
        _not_more(self.key_names, MOST_KEYS, "keys")
        _not_more(self.output_names, MOST_COLUMNS, "keys and columns")
        return self


@dataclass(frozen=True, config=STRICT)
class Rollup(Declared):
    """What is computed from the rows of a view whenever it is read: of the rows as they are, not of the events.

    A product that changes its grade leaves one group and enters another, which no sum of increments can say. Without
    measures: those of the view, of all events in rows that share the keys.

    `last`: only of windows that end within this time before the newest one ends. `most`: only so many rows, those with
    the highest first measure, and none of rows that have no key.
    """

    name: Name
    of: Name
    keys: tuple[Name, ...]
    measures: tuple[Count | Sum | Min | Max | Mean, ...] = ()
    last: Duration | None = None
    most: Annotated[int, Field(ge=1, le=1000)] | None = None
    description: str = ""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        unique((*self.keys, *(measure.name for measure in self.measures)), "keys and measures")
        _not_more((*self.keys, *self.measures), MOST_COLUMNS, "keys and measures")
        if self.most and not self.measures:
            raise ValueError("most: the rows are ordered by the first measure; name one")
        return self


QUARANTINE = View("quarantine", ("reason",), (Count("events"),), "How many events were quarantined, by reason")
