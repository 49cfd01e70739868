"""A pipeline, declared: pure data from which the jobs, the tables, the API and the dashboard derive.

Nothing here imports Spark. Whatever is wrong in a definition is refused when it is constructed, with the field and
what is allowed. Expressions (`clean`, `check`, `where`) are Spark SQL over the pipeline's columns and `arrival`, the
broker's timestamp of the message.
"""

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Annotated, Self

import sqlglot
from pydantic import AfterValidator, Field, StringConstraints, TypeAdapter, model_validator
from pydantic.dataclasses import dataclass
from sqlglot import expressions as sql

from app.measures import (
    STRICT,
    ColumnType,
    Count,
    Declared,
    Latest,
    Max,
    Mean,
    Measure,
    Min,
    Name,
    State,
    Sum,
    TopN,
    Variance,
    widened,
)

__all__ = [
    "ARRIVAL", "EXAMPLES_ARRIVE", "QUARANTINE", "Check", "Column", "Count", "Dedup", "Example", "LakeTable", "Latest",
    "Max", "Mean", "Measure", "Min", "Name", "Pipeline", "Sliding", "State", "Sum", "TopN", "Topic", "Tumbling",
    "Variance", "View", "span",
]  # fmt: skip

SEMANTICS = 1  # raised when the same definition starts to mean another result: every version is then recomputed
ARRIVAL = "arrival"
EXAMPLES_ARRIVE = datetime(2026, 1, 1, 12, tzinfo=UTC)
CHANGING = (sql.CurrentTimestamp, sql.CurrentDate, sql.Localtimestamp, sql.Rand, sql.Randn, sql.Uuid, sql.Shuffle)
UNITS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
RESERVED_TABLES = ("bronze", "quarantine", "ids", "serving")
ORDERED_TYPES = r"int|bigint|decimal\(.*\)|timestamp|date"


def span(duration: str) -> timedelta:
    """The length of a duration such as '10 minutes'.

    Raises:
        ValueError: it is not one.
    """
    found = re.fullmatch(r"([1-9]\d{0,5}) (second|minute|hour|day)s?", duration)
    if not found:
        raise ValueError(
            f"{duration!r} is not a duration; write a whole number of at most 999999 and one of {', '.join(UNITS)}: '1 day'"
        )
    return timedelta(seconds=int(found[1]) * UNITS[found[2]])


def _duration(value: str) -> str:
    span(value)
    return value


Duration = Annotated[str, AfterValidator(_duration)]


def _known(names: Iterable[str], allowed: Iterable[str], field: str) -> None:
    allowed = list(allowed)
    for name in names:
        if name not in allowed:
            raise ValueError(f"{field}: {name!r} is not a column; allowed: {', '.join(allowed)}")


def _unique(names: Iterable[str], field: str) -> None:
    names = list(names)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"{field}: {', '.join(twice)} named twice; each name stands once")


def _expression(text: str, columns: Iterable[str], field: str) -> None:
    try:
        statements = sqlglot.parse(text, dialect="spark")
    except sqlglot.errors.SqlglotError as error:
        raise ValueError(f"{field}: {text!r} is not a Spark SQL expression: {error}") from error
    parsed = statements[0] if len(statements) == 1 else None
    if not isinstance(parsed, sql.Condition) or parsed.find(sql.Query):
        raise ValueError(f"{field}: {text!r} is not one Spark SQL expression; a statement, query or alias is none")
    if parsed.find(sql.AggFunc, sql.Window):
        raise ValueError(f"{field}: {text!r} is over many events; allowed: an expression over one event")
    if parsed.find(*CHANGING) or any(f.name.lower() == "now" for f in parsed.find_all(sql.Anonymous)):
        raise ValueError(f"{field}: {text!r} changes when it is computed again; allowed: columns and {ARRIVAL}")
    _known(
        (column.name if len(column.parts) == 1 else column.sql() for column in parsed.find_all(sql.Column)),
        [*columns, ARRIVAL],
        field,
    )


@dataclass(frozen=True, config=STRICT)
class Topic(Declared):
    """A Kafka topic and its number of partitions. Keyed by the column the events are ordered by."""

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,200}$")]
    partitions: Annotated[int, Field(ge=1, le=1000)]


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
class Check(Declared):
    """A condition every accepted event meets; an event for which it is not true is quarantined with `name` as reason."""

    name: Name
    expression: str


@dataclass(frozen=True, config=STRICT)
class Dedup(Declared):
    """Events with the same `id` are one event: the first counts. `horizon`: how long the speed layer remembers an id."""

    id: Name
    horizon: Duration


@dataclass(frozen=True, config=STRICT)
class LakeTable(Declared):
    """A Delta table of the lake: the clean events that meet `where`, with `columns` (all where none is named)."""

    name: Name
    where: str | None = None
    columns: tuple[Name, ...] = ()


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
    """What is kept of the events that share their keys; no keys: one row for all events."""

    name: Name
    keys: tuple[Name | Tumbling | Sliding, ...]
    measures: Annotated[tuple[Measure, ...], Field(min_length=1)]
    description: str = ""

    @property
    def window(self) -> Tumbling | Sliding | None:
        return next((key for key in self.keys if not isinstance(key, str)), None)

    @property
    def key_names(self) -> tuple[str, ...]:
        names = [(key,) if isinstance(key, str) else ("window_start", "window_end") for key in self.keys]
        return tuple(name for group in names for name in group)

    @cached_property
    def states(self) -> tuple[State, ...]:
        """The stored partial results of all measures, each once, in order of appearance."""
        return tuple(dict.fromkeys(state for measure in self.measures for state in measure.states))

    @property
    def output_names(self) -> tuple[str, ...]:
        names = [measure.columns if isinstance(measure, Latest) else (measure.name,) for measure in self.measures]
        return self.key_names + tuple(name for group in names for name in group)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if sum(not isinstance(key, str) for key in self.keys) > 1:
            raise ValueError("keys: more than one window; allowed: one Tumbling or Sliding")
        _unique(self.output_names, "keys and measures")
        return self


@dataclass(frozen=True, config=STRICT)
class Example(Declared):
    """A message, JSON text that arrives at EXAMPLES_ARRIVE, and what becomes of every event in it.

    `reason`: why it is quarantined; None: it is accepted. The examples are the test of a pipeline, and what
    `producers.generic` makes its events of. They take no part in the fingerprint.
    """

    message: Annotated[str, StringConstraints(min_length=1)]
    reason: Annotated[str, StringConstraints(min_length=1)] | None = None


QUARANTINE = View("quarantine", ("reason",), (Count("events"),), "How many events were quarantined, by reason")


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Pipeline:
    """One declared pipeline. See the fields' types for what each part means and allows."""

    name: Name
    description: str
    topic: Topic
    columns: Annotated[tuple[Column, ...], Field(min_length=1)]
    event_time: Name
    views: Annotated[tuple[View, ...], Field(min_length=1)]
    checks: tuple[Check, ...] = ()
    dedup: Dedup | None = None
    history: tuple[str, ...] = ()
    lake: tuple[LakeTable, ...] = ()
    # A batch is refused, and the version before it stays, when more than this percentage of all events is quarantined.
    max_quarantined_percent: Annotated[int, Field(ge=0, le=100)] = 50
    examples: tuple[Example, ...] = ()

    @cached_property
    def types(self) -> dict[str, str]:
        """Type of each column by name, with those of windows and of the quarantine's reason."""
        derived = {"window_start": "timestamp", "window_end": "timestamp", "reason": "string"}
        return {column.name: column.type for column in self.columns} | derived

    @property
    def all_views(self) -> tuple[View, ...]:
        """The declared views and the one every pipeline has: quarantined events by reason."""
        return (*self.views, QUARANTINE)

    @cached_property
    def fingerprint(self) -> str:
        """Twelve hex digits that change when what the definition computes does: not with a description or a limit."""
        plain = replace(
            self,
            description="",
            topic=replace(self.topic, partitions=1),
            history=(),
            max_quarantined_percent=0,
            views=tuple(replace(view, description="") for view in self.views),
        )
        dumped = TypeAdapter(Pipeline).dump_python(plain, mode="json", exclude={"examples"})
        named = [[type(measure).__name__ for measure in view.measures] for view in self.views]
        text = json.dumps([SEMANTICS, dumped, named], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    @model_validator(mode="after")
    def _columns(self) -> Self:
        names = [column.name for column in self.columns]
        _unique(names, "columns")
        if reserved := {ARRIVAL, "window_start", "window_end", "reason"}.intersection(names):
            raise ValueError(f"columns: {', '.join(sorted(reserved))} is reserved; choose another name")
        for column in self.columns:
            if column.clean is not None:
                _expression(column.clean, names, f"columns[{column.name}].clean")
        self._needs(self.event_time, "event_time", "timestamp")
        _unique((check.name for check in self.checks), "checks")
        for check in self.checks:
            _expression(check.expression, names, f"checks[{check.name}].expression")
        if self.dedup:
            self._needs(self.dedup.id, "dedup.id")
        return self

    @model_validator(mode="after")
    def _tables(self) -> Self:
        names = [column.name for column in self.columns]
        _unique((table.name for table in self.lake), "lake")
        for table in self.lake:
            if table.name in RESERVED_TABLES:
                raise ValueError(f"lake[{table.name}].name: every pipeline has a {table.name}; choose another name")
            _known(table.columns, names, f"lake[{table.name}].columns")
            if table.where is not None:
                _expression(table.where, names, f"lake[{table.name}].where")
        return self

    @model_validator(mode="after")
    def _views(self) -> Self:
        _unique((view.name for view in self.all_views), "views")
        taken = {"view", "segment", "version", *(state.name for view in self.all_views for state in view.states)}
        for view in self.views:
            for key in view.keys:
                if isinstance(key, str):
                    if key in taken:
                        raise ValueError(f"views[{view.name}].keys: its tables have another {key}; choose another name")
                    self._needs(key, f"views[{view.name}].keys")
            for measure in view.measures:
                self._measurable(measure, f"views[{view.name}].measures[{getattr(measure, 'name', 'Latest')}]")
        return self

    def _measurable(self, measure: Measure, field: str) -> None:
        if isinstance(measure, Latest | TopN):
            _known(measure.columns, [column.name for column in self.columns], f"{field}.columns")
            self._needs(measure.by, f"{field}.by", ORDERED_TYPES)
        elif not isinstance(measure, Count):
            _known([measure.of], [column.name for column in self.columns], f"{field}.of")
            squared = isinstance(measure, Variance)
            if isinstance(measure, Min | Max) and self.types[measure.of] == "boolean":
                raise ValueError(f"{field}.of: {measure.of} is boolean, which has no order; allowed: every other type")
            if not isinstance(measure, Min | Max) and widened(self.types[measure.of], squared=squared) is None:
                raise ValueError(
                    f"{field}.of: {measure.of} is {self.types[measure.of]}; allowed: int, bigint or decimal of at most "
                    f"{14 if squared else 28} digits, so that 10^10 events cannot overflow"
                )

    def _needs(self, name: str, field: str, type_pattern: str = ".*") -> None:
        _known([name], [column.name for column in self.columns], field)
        column = next(column for column in self.columns if column.name == name)
        if not column.required:
            raise ValueError(
                f"{field}: {name} may be null; make the column required, with a clean expression if need be"
            )
        if not re.fullmatch(type_pattern, column.type):
            raise ValueError(f"{field}: {name} is {column.type}; allowed: {type_pattern}")
