"""The columns that readers see of a view, and what a page can make of them. Given the types of a pipeline's columns."""

from collections.abc import Iterable, Mapping

from app.measures import POSITION, Count, Latest, Max, Mean, Measure, Min, Sum, TopN
from app.views import Alert, Rollup, View

Types = Mapping[str, str]
Served = View | Alert | Rollup
NUMBERS = ("int", "bigint", "decimal")  # as `outputs` calls them


def outputs(types: Types, view: Served, views: Iterable[View | Alert]) -> dict[str, str]:
    """Columns and types, as a definition calls them, but for the digits of a decimal. `views` has what is rolled up."""
    if isinstance(view, Alert):
        position = dict(zip(POSITION, ("int", "bigint", "int"), strict=True))
        return {name: kind({**types, **position, "alert": "boolean"}[name]) for name in view.output_names}
    measures: tuple[Measure, ...] = view.measures
    source = types
    if isinstance(view, View):
        found = {key: kind(source[key]) for key in view.key_names}
    else:
        of = _of(view, views)
        below = outputs(types, of, ())
        found = {key: below[key] for key in view.keys}
        if measures:
            source = below
        elif isinstance(of, View):
            measures = of.measures
    for measure in measures:
        match measure:
            case Count():
                found[measure.name] = "bigint"
            case Min() | Max():
                found[measure.name] = kind(source[measure.of])
            case Latest():
                found |= {name: kind(source[name]) for name in measure.columns}
            case TopN():
                found[measure.name] = "json"
            case _:
                found[measure.name] = "decimal"
    return found


def sums(view: Served, views: Iterable[View | Alert]) -> tuple[str, ...]:
    """The columns of which the batch layer's value and the speed layer's add to the merged one."""
    return tuple(measure.name for measure in _measures(view, views) if isinstance(measure, Count | Sum))


def limits(view: Served, views: Iterable[View | Alert]) -> dict[str, tuple[float, float]]:
    """For a column that shows what an alert watches: below which value it ends, and above which it begins."""
    views = tuple(views)
    watched = {one.of: (float(one.below), float(one.above)) for one in views if isinstance(one, Alert)}
    shown = (one for one in _measures(view, views) if isinstance(one, Mean | Min | Max))
    return {measure.name: watched[measure.of] for measure in shown if measure.of in watched}


def asked_by(view: Served) -> tuple[str, ...]:
    """The key columns of which readers can ask for a value."""
    return view.key_names if isinstance(view, View) else view.keys


def time_column(columns: Types, event_time: str) -> str | None:
    """The column, of those of a view, that a time range is about: where a window starts, or the event's time."""
    return next((name for name in ("window_start", event_time) if columns.get(name) == "timestamp"), None)


def _measures(view: Served, views: Iterable[View | Alert]) -> tuple[Measure, ...]:
    if isinstance(view, Rollup) and not view.measures:
        return _measures(_of(view, views), ())
    return () if isinstance(view, Alert) else view.measures


def _of(rollup: Rollup, views: Iterable[View | Alert]) -> View | Alert:
    return next(one for one in views if one.name == rollup.of)


def kind(column_type: str) -> str:
    """A type without its digits."""
    return column_type.partition("(")[0]
