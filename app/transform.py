"""From raw messages to increments: what the batch layer and the speed layer share, with `app.duplicates`.

    raw         topic, partition, offset, timestamp, value            a Kafka message, or a line of a file
    events      _topic, _partition, _offset, _index, arrival, _value, _reason, and the pipeline's columns
    increments  view, the key columns and the state columns of all views; of an alert a key may have several

`_index` is the place in a message that holds an array. `_reason` is null for an accepted event; a quarantined one
has the first reason that applies. `view` is the position in `Pipeline.all_views`; columns of other views are null.
"""

from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any

from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from app import alerts
from app.durations import span
from app.events import ARRIVAL, Derived
from app.expressions import tolerant
from app.gate import refusals
from app.measures import POSITION, Digits, State, digits
from app.model import Alert, Column, Pipeline, View
from app.parse import elements, excerpt
from app.values import YEARS, in_years, typed

Reasons = list[tuple[SparkColumn, SparkColumn | str]]  # conditions, of which one that is null does not hold


def decode(raw: DataFrame, pipeline: Pipeline) -> DataFrame:
    """Every event of the raw messages, typed and checked: JSON objects, or arrays of them.

    A quarantined one has no values and an excerpt of its text as `_value`, an accepted one no `_value`.
    """
    found = elements(raw, pipeline).withColumns({column.name: typed(column) for column in pipeline.fields})
    # A select of its own, or Spark would cast a text once for each limit.
    found = found.withColumns({c.name: in_years(c, F.col(c.name)) for c in pipeline.fields if c.type in YEARS})
    cleaned = [column for column in pipeline.fields if column.clean is not None]
    made, unfit = _made({c: tolerant(c.clean or "", pipeline.types) for c in cleaned})
    found = found.withColumns(made)
    decoded = [*_message_reasons(), *(pair for field in pipeline.fields for pair in _type_reasons(field)), *unfit]
    clean = found.withColumn("_reason", _first(decoded)).withColumns({c.name: _fit(c) for c in cleaned})
    made, unfit = _made({c: tolerant(c.expression, pipeline.types) for c in pipeline.derived})
    clean = clean.withColumns(made).withColumns({c.name: _fit(c) for c in pipeline.derived})
    computed: list[Column | Derived] = [*cleaned, *pipeline.derived]
    emptied = [(F.col(c.name).isNull(), f"missing_{c.name}") for c in computed if c.required]
    checks = [(F.expr(tolerant(check.expression, pipeline.types)), check.name) for check in pipeline.checks]
    failed = [(~F.coalesce(met, F.lit(False)), name) for met, name in checks]
    judged = clean.withColumn(
        "_reason", F.coalesce("_reason", _first([*unfit, *emptied, *refusals(pipeline), *failed]))
    )
    accepted = F.isnull("_reason")
    return judged.select(
        "_topic",
        "_partition",
        "_offset",
        F.coalesce("_index", F.lit(0)).alias("_index"),
        ARRIVAL,
        F.when(~accepted, excerpt()).alias("_value"),
        "_reason",
        *(F.when(accepted, F.col(column.name)).alias(column.name) for column in pipeline.columns),
    )


def _made(expressions: Mapping[Any, str]) -> tuple[dict[str, SparkColumn], Reasons]:
    """What expressions give for columns, as `_made_` and their name, and what of it is no value of its column."""
    made = {f"_made_{column.name}": F.expr(text) for column, text in expressions.items()}
    unfit: Reasons = [
        (F.isnotnull(f"_made_{column.name}") & _fit(column).isNull(), f"invalid_{column.name}")
        for column in expressions
        if column.type != "string"
    ]
    return made, unfit


def _fit(column: Column | Derived) -> SparkColumn:
    """What an expression gave, as a value of its column; null where it is none."""
    return in_years(column, F.expr(f"try_cast(_made_{column.name} as {column.type})"))


def _first(reasons: Reasons) -> SparkColumn:
    """The reason of the first condition that holds, or null."""
    if not reasons:
        return F.lit(None).cast("string")
    return reduce(lambda chain, pair: chain.when(*pair), reasons[1:], F.when(*reasons[0]))


def _message_reasons() -> Reasons:
    return [(F.col("_index").isNull(), F.col("_broken")), (~F.col("_is_object"), "not_an_object")]


def _type_reasons(column: Column) -> Reasons:
    value, text = F.col(column.name), F.col(f"_text_{column.name}")
    missing: Reasons = [(text.isNull(), f"missing_{column.name}")] if column.required else []
    # Postgres cannot hold a zero byte in a string.
    wrong = value.contains("\0") if column.type == "string" else value.isNull() & text.isNotNull()
    return [*missing, (wrong, f"invalid_{column.name}")]


def needed(pipeline: Pipeline) -> list[str]:
    """The columns of events that the views and the deduplication read: all that the speed layer has to carry."""
    read = {pipeline.event_time} if any(view.window for view in pipeline.views) else set()
    for view in pipeline.views:
        read.update(key for key in view.keys if isinstance(key, str))
        for state in view.states:
            read.update((*state.of, *filter(None, [state.by])))
    if pipeline.dedup:
        read.add(pipeline.dedup.id)
    return [*POSITION, ARRIVAL, "_reason", *(c.name for c in pipeline.columns if c.name in read)]


def aggregate(events: DataFrame, pipeline: Pipeline) -> DataFrame:
    """Increments of every view, in one pass: an event is repeated once for each row of a view that it adds to."""
    return aggregation(pipeline)(events)


def aggregation(pipeline: Pipeline) -> Callable[[DataFrame], DataFrame]:
    """What `aggregate` does, prepared once for all micro-batches of a stream."""
    views = pipeline.all_views
    members = [view * 100 + slide for view in range(len(pipeline.views)) for slide in range(_windows(views[view]))]
    quarantine = (len(views) - 1) * 100
    accepted, rejected = F.array(*map(F.lit, members)), F.array(F.lit(quarantine))
    member = F.explode(F.when(F.col("_reason").isNull(), accepted).otherwise(rejected))
    if len(members) == 1:  # nothing to repeat: a tenth of the time is saved
        member = F.when(F.col("_reason").isNull(), members[0]).otherwise(quarantine)
    names = dict.fromkeys(name for view in views for name in view.key_names)
    keys = [_key(name, views, pipeline).alias(f"_key_{name}") for name in names]
    view = F.expr("_member div 100").cast("int")
    owners = {state: [n for n, v in enumerate(views) if state in v.states] for v in views for state in v.states}
    states = [_state(state, pipeline, view.isin(found)).alias(state.name) for state, found in owners.items()]
    alerting = {state: found for state, found in owners.items() if state.op == "alert"}
    of_alerts = view.isin([n for found in alerting.values() for n in found])
    chunks = [F.when(of_alerts, alerts.chunk()).alias("_chunk")] if alerting else []
    ordered = {state.name: F.sort_array(state.name) for state in alerting}
    summaries = {state.name: _json(alerts.summary(F.col(state.name), state)) for state in alerting}
    memberships = {"_member": member, "reason": F.col("_reason")}
    renamed = [F.col(f"_key_{name}").alias(name) for name in names]
    columns: list[SparkColumn | str] = ["view", *renamed, *(state.name for state in owners)]

    def apply(events: DataFrame) -> DataFrame:
        # In few steps: Spark analyses all of them after each.
        grouped = events.withColumns(memberships).groupBy(view.alias("view"), *keys, *chunks)
        increments = grouped.agg(*states).select(*columns)
        return increments.withColumns(ordered).withColumns(summaries) if alerting else increments

    return apply


def _windows(view: View | Alert) -> int:
    return int(span(view.window.length) / span(view.window.slide)) if view.window else 1


def _key(name: str, views: tuple[View | Alert, ...], pipeline: Pipeline) -> SparkColumn:
    """The key column of whichever view a membership belongs to; null where the view has no such key."""

    def of(view: View | Alert) -> SparkColumn:
        if name not in ("window_start", "window_end") or view.window is None:
            return F.col(name)
        slide, length = (
            int(span(text).total_seconds()) * 1_000_000 for text in (view.window.slide, view.window.length)
        )
        time = F.unix_micros(pipeline.event_time)
        start = time - F.pmod(time, F.lit(slide)) - (F.col("_member") % 100) * F.lit(slide)
        return F.timestamp_micros(start if name == "window_start" else start + F.lit(length))

    owners = [(position, view) for position, view in enumerate(views) if name in view.key_names]
    cases = [(F.expr("_member div 100") == position, of(view)) for position, view in owners]
    return reduce(lambda earlier, case: earlier.when(*case), cases[1:], F.when(*cases[0]))


def _state(state: State, pipeline: Pipeline, among: SparkColumn) -> SparkColumn:
    if state.op == "count":
        return F.count(F.col(state.of[0]) if state.of else F.lit(1))
    if state.op == "top":
        return _top(state, pipeline)
    if state.op == "alert":
        return alerts.readings(state, among)
    column, target = F.col(state.of[0]), state.type(pipeline.types)
    if state.op in ("min", "max"):
        return F.min(column) if state.op == "min" else F.max(column)
    number = digits(pipeline.types[state.of[0]]) or Digits(0, 0)
    exact = column.cast(number.type)
    if state.op == "sum_squares":
        exact = (exact * exact).cast(Digits(number.precision * 2, number.scale * 2).type)
    return F.sum(exact).cast(target)


def _top(state: State, pipeline: Pipeline) -> SparkColumn:
    """The highest rows as JSON text: [{"by": number, "at": [partition, offset, index], "row": {…}}, …]."""
    by = F.col(state.by)
    if pipeline.types[state.by] == "timestamp":
        by = F.unix_micros(by)
    elif pipeline.types[state.by] == "date":
        by = F.unix_date(by)
    order = F.struct(by.alias("by"), F.array(*(F.col(name).cast("bigint") for name in POSITION)).alias("at"))
    row = F.struct(*(F.col(name) for name in state.of))
    highest = F.max_by(F.struct(order["by"].alias("by"), order["at"].alias("at"), row.alias("row")), order, state.n)
    return _json(highest)


def _json(value: SparkColumn) -> SparkColumn:
    # A column that is null is there, as null.
    return F.to_json(value, {"timestampFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSSSSXXX", "ignoreNullFields": "false"})
