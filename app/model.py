"""A pipeline, declared: pure data from which the jobs, the tables, the API and the dashboard derive.

Nothing here imports Spark. Whatever is wrong in a definition is refused when it is constructed, with the field and
what is allowed. Expressions (`clean`, `check`, `where`) are Spark SQL over the pipeline's columns and `arrival`, the
broker's timestamp of the message. All that a definition is written with can be imported from this module.
"""

import hashlib
import json
import re
from functools import cached_property
from typing import Annotated, Self

from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from app import naming
from app.charts import Bars, Chart, Columns, Histogram, Lines, Scatter, drawable
from app.declared import STRICT, Name, known, meaning, unique
from app.durations import Duration
from app.events import ARRIVAL, Check, Column, Dedup, Derived, Example, HistoryFile, Topic
from app.expressions import validate
from app.measures import Count, Latest, Max, Mean, Measure, Min, Sum, TopN, Variance, spread, widened
from app.outputs import asked_by, kind, outputs, time_column
from app.rollable import rollable
from app.views import DATE, QUARANTINE, Alert, AtLeast, LakeTable, Rollup, Sliding, Tumbling, View

__all__ = [
    "QUARANTINE", "Alert", "AtLeast", "Bars", "Check", "Column", "Count", "Dedup", "Derived", "Example", "Histogram",
    "LakeTable", "Latest", "Lines", "Max", "Mean", "Min", "Pipeline", "Rollup", "Scatter", "Sliding", "Sum", "TopN",
    "Topic", "Tumbling", "Variance", "View", "spread",
]  # fmt: skip

SEMANTICS = 2  # raised when the same definition, or a default, starts to mean another result: all is recomputed then
# What takes no part in the fingerprint, by kind: it changes nothing of what is computed.
LEFT_OUT = {
    "Pipeline": (
        "description", "history", "drops", "max_quarantined_percent", "fresh_within", "batch_within", "charts",
        "examples",
    ),
    "Topic": ("partitions", "compacted"),
    "LakeTable": ("endpoint", "filters"),
    "View": ("description",),
    "Alert": ("description",),
    "Rollup": ("description",),
}  # fmt: skip
MOST_STAGED = 1500  # columns of increments: a table of Postgres has at most 1600
NUMBERS = r"int|bigint|decimal\(.*\)"
ORDERED_TYPES = rf"{NUMBERS}|timestamp|date"


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Pipeline:
    """One declared pipeline. See the fields' types for what each part means and allows."""

    name: Name
    description: str
    topic: Topic
    columns: Annotated[tuple[Column | Derived, ...], Field(min_length=1)]
    event_time: Name
    views: Annotated[tuple[View | Alert, ...], Field(min_length=1)]
    rollups: tuple[Rollup, ...] = ()
    checks: tuple[Check, ...] = ()
    dedup: Dedup | None = None
    history: tuple[HistoryFile, ...] = ()
    drops: bool = False  # whether files are dropped for it, in the folder of its name in DROPS_PATH
    lake: tuple[LakeTable, ...] = ()
    # A batch is refused, and the version before it stays, when more than this percentage of all events is quarantined.
    max_quarantined_percent: Annotated[int, Field(ge=0, le=100)] = 50
    # Targets that readers are told about: how old what they see, and how old the version beneath it, should at most be.
    fresh_within: Duration = "1 minute"
    batch_within: Duration = "1 hour"
    charts: tuple[Chart, ...] = ()  # that the dashboard draws; none: those that fit the views
    examples: tuple[Example, ...] = ()

    @property
    def fields(self) -> tuple[Column, ...]:
        """The columns that a message brings."""
        return tuple(column for column in self.columns if isinstance(column, Column))

    @property
    def derived(self) -> tuple[Derived, ...]:
        """The columns that are computed from the fields."""
        return tuple(column for column in self.columns if isinstance(column, Derived))

    @property
    def event_tables(self) -> tuple[LakeTable, ...]:
        """The lake tables of accepted events that the batch layer writes."""
        return tuple(table for table in self.lake if table.view is None and table.format == "delta")

    @property
    def parquet_tables(self) -> tuple[LakeTable, ...]:
        """The lake tables of accepted events that the streaming job writes."""
        return tuple(table for table in self.lake if table.format == "parquet")

    @property
    def view_tables(self) -> dict[str, View | Alert]:
        """The lake tables of the rows of a view: their names, and the views."""
        views = {view.name: view for view in self.views}
        return {table.name: views[table.view] for table in self.lake if table.view is not None}

    @cached_property
    def types(self) -> dict[str, str]:
        """Type of each column by name, with those of windows, the quarantine's reason and an alert's partition."""
        derived = {"window_start": "timestamp", "window_end": "timestamp", "reason": "string", "_partition": "int"}
        return {column.name: column.type for column in self.columns} | derived

    @property
    def all_views(self) -> tuple[View | Alert, ...]:
        """The declared views and the one every pipeline has: quarantined events by reason."""
        return (*self.views, QUARANTINE)

    @property
    def served(self) -> tuple[View | Alert | Rollup, ...]:
        """All that readers can ask for."""
        return (*self.views, *self.rollups, QUARANTINE)

    @cached_property
    def outputs(self) -> Columns:
        """The columns that readers see: names and types of each view, and of the events at each endpoint."""
        found = {view.name: outputs(self.types, view, self.views) for view in self.served}
        endpoints = {table.endpoint: table.columns or tuple(self.types) for table in self.lake if table.endpoint}
        events = {name: {column: kind(self.types[column]) for column in of} for name, of in endpoints.items()}
        return events | found

    @cached_property
    def fingerprint(self) -> str:
        """Twelve hex digits that change when what the definition computes does: not with a description or a limit."""
        text = json.dumps([SEMANTICS, meaning(self, LEFT_OUT)], sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    @model_validator(mode="after")
    def _columns(self) -> Self:
        names, types = [column.name for column in self.columns], {column.name: column.type for column in self.columns}
        unique(names, "columns")
        if reserved := {ARRIVAL, "window_start", "window_end", "reason"}.intersection(names):
            raise ValueError(f"columns: {', '.join(sorted(reserved))} is reserved; choose another name")
        fields = {field.name: field.type for field in self.fields}
        for field in self.fields:
            if field.clean is not None:
                validate(field.clean, fields, f"columns[{field.name}].clean", field.type)
        for column in self.derived:
            validate(column.expression, fields, f"columns[{column.name}].expression", column.type)
        self._needs(self.event_time, "event_time", "timestamp")
        unique((check.name for check in self.checks), "checks")
        for check in self.checks:
            validate(check.expression, types, f"checks[{check.name}].expression")
        if self.dedup:
            self._needs(self.dedup.id, "dedup.id")
        return self

    @model_validator(mode="after")
    def _tables(self) -> Self:
        types = {column.name: column.type for column in self.columns}
        unique((table.name for table in self.lake), "lake")
        unique((table.endpoint for table in self.lake if table.endpoint), "lake: endpoints")
        for table in self.lake:
            naming.free([table.name], naming.TABLES, f"lake[{table.name}].name", "what every pipeline has")
            if table.name.startswith(naming.COPIES):
                raise ValueError(
                    f"lake[{table.name}].name: {naming.COPIES}… is what copies of views are called; choose another name"
                )
            known(table.columns, types, f"lake[{table.name}].columns")
            filtered = [one if isinstance(one, str) else one.of for one in table.filters]
            known(filtered, table.columns or types, f"lake[{table.name}].filters")
            if table.format == "parquet" and DATE in (table.columns or types):
                raise ValueError(f"lake[{table.name}].columns: {DATE} is its partitions' column; choose another name")
            if table.view is not None and table.view not in (names := [view.name for view in self.views]):
                raise ValueError(f"lake[{table.name}].view: {table.view!r} is not a view; allowed: {', '.join(names)}")
            if table.where is not None:
                validate(table.where, types, f"lake[{table.name}].where")
        return self

    @model_validator(mode="after")
    def _views(self) -> Self:
        unique((view.name for view in self.served), "views and rollups")
        states = {state.name for view in self.all_views for state in view.states}
        taken = {"view", "segment", "version", *states}
        staged = states.union(*(view.key_names for view in self.all_views))
        if len(staged) > MOST_STAGED:
            raise ValueError(
                f"views: {len(staged)} keys and states; allowed: at most {MOST_STAGED}, as one table has all"
            )
        for view in self.views:
            for key in view.keys:
                if isinstance(key, str):
                    if key in taken:
                        raise ValueError(f"views[{view.name}].keys: its tables have another {key}; choose another name")
                    self._needs(key, f"views[{view.name}].keys")
            if isinstance(view, Alert):
                self._needs(view.of, f"views[{view.name}].of", NUMBERS)
                known(view.columns, [column.name for column in self.columns], f"views[{view.name}].columns")
                continue
            for measure in view.measures:
                self._measurable(measure, f"views[{view.name}].measures[{getattr(measure, 'name', 'Latest')}]")
        return self

    @model_validator(mode="after")
    def _rollups_and_charts(self) -> Self:
        rollable(self.rollups, self.views, self.types)
        drawable(self.charts, self.outputs)
        return self

    @model_validator(mode="after")
    def _names(self) -> Self:
        naming.free([self.name], naming.PAGES, "name", "a page of the dashboard")
        naming.free([self.name], naming.DATABASES, "name", "a database that Hive or Spark has")
        for view in self.served:
            columns = self.outputs[view.name]
            field = f"{'rollups' if isinstance(view, Rollup) else 'views'}[{view.name}]"
            naming.refuse_taken(self.name, view.name, columns, field)
            others = naming.TIME_RANGE if time_column(columns, self.event_time) else ()
            taken = (*naming.PARAMETERS, *others)
            naming.free(asked_by(view), taken, f"{field}.keys", "another parameter of the API")
        return self

    def _measurable(self, measure: Measure, field: str) -> None:
        if isinstance(measure, Latest | TopN):
            known(measure.columns, [column.name for column in self.columns], f"{field}.columns")
            self._needs(measure.by, f"{field}.by", ORDERED_TYPES)
        elif not isinstance(measure, Count):
            known([measure.of], [column.name for column in self.columns], f"{field}.of")
            squared = isinstance(measure, Variance)
            if isinstance(measure, Min | Max) and self.types[measure.of] == "boolean":
                raise ValueError(f"{field}.of: {measure.of} is boolean, which has no order; allowed: every other type")
            if not isinstance(measure, Min | Max) and widened(self.types[measure.of], squared=squared) is None:
                raise ValueError(
                    f"{field}.of: {measure.of} is {self.types[measure.of]}; allowed: int, bigint or decimal of at most "
                    f"{14 if squared else 28} digits, so that 10^10 events cannot overflow"
                )

    def _needs(self, name: str, field: str, type_pattern: str = ".*") -> None:
        known([name], [column.name for column in self.columns], field)
        column = next(column for column in self.columns if column.name == name)
        if not column.required:
            raise ValueError(
                f"{field}: {name} may be null; make the column required: an event that comes without it is then "
                "quarantined"
            )
        if not re.fullmatch(type_pattern, column.type):
            raise ValueError(f"{field}: {name} is {column.type}; allowed: {type_pattern}")
