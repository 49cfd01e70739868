"""The one gate: holds each column of an event, after cleaning and deriving, to what every store can hold.

A value that passes can be a column of Postgres and Delta, a key, and a part of the JSON that a view keeps, so that no
event stops a layer. The limits are those of `app.limits`. An event that is refused takes part in the quarantine alone.
"""

from collections.abc import Iterator
from functools import reduce
from operator import add

from pyspark.sql import Column as SparkColumn
from pyspark.sql import functions as F

from app.events import Column, Derived
from app.limits import ESCAPED, KEY_BYTES, STRING_BYTES, key_room, moments, state_room
from app.measures import Latest, Max, Min
from app.model import Pipeline
from app.views import View

Refusal = tuple[SparkColumn, str]  # a condition over the columns of a pipeline, and the reason that it gives


def refusals(pipeline: Pipeline) -> list[Refusal]:
    """Why an event is refused, the first reason that applies first; a condition that is null gives none."""
    return [*_unfit(pipeline), *_long_keys(pipeline), *_long_strings(pipeline), *_large_states(pipeline)]


def _unfit(pipeline: Pipeline) -> Iterator[Refusal]:
    """Strings that Postgres has no place for, and moments of which a window is outside of the years that all have."""
    for column in pipeline.columns:
        value = F.col(column.name)
        if column.type == "string" and _is_computed(column):
            yield ~F.is_valid_utf8(value) | value.contains("\0"), f"invalid_{column.name}"
        windows = [view.window for view in pipeline.views if view.window]
        if column.name == pipeline.event_time and windows:
            first, last = (F.timestamp_micros(F.lit(end)) for end in moments(windows))
            yield ~value.between(first, last), f"invalid_{column.name}"


def _long_keys(pipeline: Pipeline) -> Iterator[Refusal]:
    """The first column with which the keys of a view, or what an index holds, are too long."""
    limits: dict[tuple[str, ...], int] = {}  # by the strings that count together
    for view in pipeline.views:
        strings = tuple(key for key in view.key_names if pipeline.types[key] == "string")
        for number in range(1, len(strings) + 1):
            room = key_room(pipeline.types, view.key_names)
            limits[strings[:number]] = min(room, limits.get(strings[:number], room))
        if isinstance(view, View):
            limits |= {(name,): min(KEY_BYTES, limits.get((name,), KEY_BYTES)) for name in _indexed(pipeline, view)}
    for together, room in limits.items():
        yield _bytes(together) > room, f"too_long_{together[-1]}"


def _indexed(pipeline: Pipeline, view: View) -> Iterator[str]:
    """The strings of an event that an index of a view may hold, besides its keys."""
    for measure in view.measures:
        shown = (
            {name: name for name in measure.columns}
            if isinstance(measure, Latest)
            else {measure.name: measure.of}
            if isinstance(measure, Min | Max)
            else {}
        )
        yield from (of for name, of in shown.items() if name in view.indexes and pipeline.types[of] == "string")


def _long_strings(pipeline: Pipeline) -> Iterator[Refusal]:
    """Strings that an expression has made longer than a message may be."""
    for column in pipeline.columns:
        if column.type == "string" and _is_computed(column):
            yield F.octet_length(column.name) > STRING_BYTES, f"too_long_{column.name}"


def _large_states(pipeline: Pipeline) -> Iterator[Refusal]:
    """The first column with which the JSON of a row that a view keeps whole is too large."""
    computed = {column.name for column in pipeline.columns if _is_computed(column)}
    for state in dict.fromkeys(
        state for view in pipeline.views for state in view.states if state.op in ("top", "alert")
    ):
        strings = [name for name in state.of if pipeline.types[name] == "string"]
        room = state_room(pipeline.types, state)
        # The JSON of what comes with a message is no longer than the message.
        if STRING_BYTES * (ESCAPED * len(computed.intersection(strings)) + 1) > room:
            may_be = ESCAPED * _bytes(tuple(strings)) > room
            for number, name in enumerate(strings, 1):
                written = reduce(add, (_json_bytes(string) for string in strings[:number]))
                yield may_be & (written > room), f"too_long_{name}"


def _bytes(strings: tuple[str, ...]) -> SparkColumn:
    return reduce(add, (F.coalesce(F.octet_length(name), F.lit(0)) for name in strings), F.lit(0))


def _json_bytes(string: str) -> SparkColumn:
    return F.coalesce(F.octet_length(F.to_json(F.array(string))) - 4, F.lit(0))


def _is_computed(column: Column | Derived) -> bool:
    return isinstance(column, Derived) or column.clean is not None
