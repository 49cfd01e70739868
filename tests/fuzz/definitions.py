"""Draws a definition from a seed: the plain description for the oracle, and the same as a pipeline."""

from random import Random
from typing import Any

from app import model
from tests.fuzz.expressions import checking, cleaning, deriving
from tests.fuzz.plain import Alert, Check, Definition, Field, Measure, Rollup, View

SEEDS = range(1, 9)  # of the definitions that together cover all that can be declared
KINDS = (
    "string", "int", "bigint", "boolean", "date", "timestamp", "decimal(9,2)", "decimal(14,0)", "decimal(20,5)",
    "decimal(28,10)", "decimal(38,12)",
)  # fmt: skip
WINDOWS = ((60, 60), (3600, 3600), (604_800, 604_800), (600, 120), (86_400, 21_600))
SUMMED = ("int", "bigint", "decimal(9,2)", "decimal(14,0)", "decimal(20,5)", "decimal(28,10)", "decimal(12,2)")
SQUARED = ("int", "decimal(9,2)", "decimal(14,0)", "decimal(12,2)")


def drawn(seed: int) -> Definition:
    """The definition of a seed. Neighbouring seeds turn through the types, windows and forms."""
    random = Random(seed)  # noqa: S311
    fields = _fields(random, seed)
    fields += _derived(random, fields)
    views = _views(random, seed, fields)
    ids = [field.name for field in fields if field.required and field.name != "at"]
    checks = [
        Check(f"check_{field.name}", random.choice(checking(field.name, field.kind)))
        for field in random.sample(fields, seed % 3)
    ]
    return Definition(
        name=f"fuzz{seed}",
        fields=tuple(fields),
        event_time="at",
        views=tuple(views),
        alerts=_alerts(random, fields) if seed % 2 else (),
        rollups=_rollups(random, views),
        checks=tuple(checks),
        dedup=(None, "id", random.choice(ids), "id")[seed % 4],
    )


def _fields(random: Random, seed: int) -> list[Field]:
    """Four required columns that keys and alerts can use, and six of any type."""
    fields = [Field("id", ("string", "string", "bigint", "decimal(20,5)")[seed % 4]), Field("at", "timestamp")]
    fields += [Field("client", "string"), Field("level", ("int", "bigint", "decimal(9,2)")[seed % 3])]
    for position in range(6):
        kind = KINDS[(seed * 6 + position) % len(KINDS)]
        fields.append(Field(f"c{position}", kind, required=random.random() < 0.3))
    return [_cleaned(random, field) for field in fields]


def _cleaned(random: Random, field: Field) -> Field:
    if random.random() > 0.4 or field.name == "id":
        return field
    clean = random.choice(cleaning(field.name, field.kind))
    if field.name == "client" and "repeat" in clean.sql and random.random() < 0.5:
        return field
    return Field(field.name, field.kind, field.required, clean=clean)


def _derived(random: Random, fields: list[Field]) -> list[Field]:
    found = []
    for position, field in enumerate(random.sample(fields, 3)):
        kind, expression = random.choice(deriving(field.name, field.kind))
        found.append(Field(f"d{position}", kind, required=random.random() < 0.3, derived=expression))
    return found


def _views(random: Random, seed: int, fields: list[Field]) -> list[View]:
    keys = [field.name for field in fields if field.required and field.name not in ("id", "at")]
    views = []
    for position in range(4):
        # No two of a definition have the same form: no keys, keys, windows, keys and windows.
        chosen = random.sample(keys, random.randint(0, min(2, len(keys)))) if position in (1, 3) else []
        if position in (1, 3) and "client" not in chosen:
            chosen.append("client")
        window = WINDOWS[(seed + position) % len(WINDOWS)] if position in (2, 3) else None
        measures = _measures(random, fields, set(chosen), seed * 4 + position)
        names = [name for measure in measures for name in _outputs(measure)]
        searched = [name for name in names if not name.startswith("top")]
        indexes = tuple(random.sample(searched, min(2, len(searched)))) if position % 2 == seed % 2 and position else ()
        views.append(View(f"view{position}", tuple(chosen), measures, window, indexes))
    return views


def _outputs(measure: Measure) -> tuple[str, ...]:
    return measure.of if measure.op == "latest" else (measure.name,)


def _measures(random: Random, fields: list[Field], keys: set[str], turn: int) -> tuple[Measure, ...]:
    ordered = [field for field in fields if field.kind not in ("string", "boolean")]
    by = [field.name for field in ordered if field.required]
    limited = [field for field in fields if field.kind != "boolean"]
    summed = [field for field in fields if field.kind in SUMMED]
    squared = [field for field in fields if field.kind in SQUARED]
    shown = [field.name for field in fields if field.name not in keys]
    every: list[Measure] = [
        Measure("count", "n"),
        *(Measure("sum", f"sum_of_{field.name}", (field.name,)) for field in random.sample(summed, 1)),
        *(Measure(op, f"{op}_of_{f.name}", (f.name,)) for op in ("min", "max") for f in random.sample(limited, 2)),
        *(Measure("mean", f"mean_of_{field.name}", (field.name,)) for field in random.sample(summed, 1)),
        *(Measure("variance", f"variance_of_{field.name}", (field.name,)) for field in random.sample(squared, 1)),
        Measure("latest", "latest", tuple(random.sample(shown, 3)), random.choice(by)),
        Measure("top", "top", tuple(random.sample(shown, 2)), random.choice(by), (1, 3, 100)[turn % 3]),
    ]
    return tuple(measure for position, measure in enumerate(every) if (position + turn) % 3 or not position)


def _alerts(random: Random, fields: list[Field]) -> tuple[Alert, ...]:
    others = [field.name for field in fields if field.name not in ("client", "level")]
    readings = random.randint(1, 4)
    return (Alert("alerts", ("client",), "level", 20, readings, 10, ("level", *random.sample(others, 2))),)


def _rollups(random: Random, views: list[View]) -> tuple[Rollup, ...]:
    keyed, windowed, both = views[1], views[2], views[3]
    counted = [name for name in both.outputs if name == "n"]
    measures = (Measure("count", "rows"), *(Measure("sum", f"{name}_summed", (name,)) for name in counted))
    measures += tuple(Measure(op, f"{op}_{name}", (name,)) for op in ("min", "max", "mean") for name in counted)
    return (
        Rollup("rollup0", keyed.name, (random.choice(keyed.keys),), (Measure("count", "rows"),), most=3),
        Rollup("rollup1", both.name, both.keys[:1], measures, last=3600),
        Rollup("rollup2", both.name, ("window_start",)),
        Rollup("rollup3", windowed.name, (), (Measure("count", "rows"),), last=600),
    )


def pipeline(definition: Definition, name: str) -> model.Pipeline:
    """The pipeline that a description means."""
    views: list[Any] = [*map(_view, definition.views)]
    views += [
        model.Alert(one.name, one.keys, one.of, one.above, one.readings, one.below, one.columns)
        for one in definition.alerts
    ]
    return model.Pipeline(
        name=name,
        description="",
        topic=model.Topic(name, partitions=2),
        columns=tuple(map(_column, definition.fields)),
        event_time=definition.event_time,
        views=tuple(views),
        rollups=tuple(map(_rollup, definition.rollups)),
        checks=tuple(model.Check(check.name, check.condition.sql) for check in definition.checks),
        dedup=model.Dedup(definition.dedup, "1 hour") if definition.dedup else None,
        max_quarantined_percent=100,
    )


def _column(field: Field) -> model.Column | model.Derived:
    if field.derived:
        return model.Derived(field.name, field.kind, field.derived.sql, required=field.required)
    return model.Column(field.name, field.kind, field.clean.sql if field.clean else None, required=field.required)


def _view(view: View) -> model.View:
    keys: tuple[Any, ...] = view.keys
    if view.window:
        length, slide = (f"{seconds} seconds" for seconds in view.window)
        keys += (model.Tumbling(length) if length == slide else model.Sliding(length, slide),)
    return model.View(view.name, keys, tuple(map(_measure, view.measures)), indexes=view.indexes)


def _measure(measure: Measure) -> Any:
    match measure.op:
        case "count":
            return model.Count(measure.name)
        case "latest":
            return model.Latest(measure.of, by=measure.by)
        case "top":
            return model.TopN(measure.name, measure.of, by=measure.by, n=measure.n)
        case op:
            return getattr(model, op.title())(measure.name, of=measure.of[0])


def _rollup(rollup: Rollup) -> model.Rollup:
    last = f"{rollup.last} seconds" if rollup.last else None
    measures = tuple(map(_measure, rollup.measures))
    return model.Rollup(rollup.name, rollup.of, rollup.keys, measures, last=last, most=rollup.most)
