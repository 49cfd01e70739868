"""What the rows of a view can be rolled up to."""

from collections.abc import Iterable

from app.declared import known
from app.measures import Count, Max, Mean, Min, Sum
from app.outputs import NUMBERS, Types, outputs
from app.views import Alert, Rollup, View


def rollable(rollups: Iterable[Rollup], views: Iterable[View | Alert], types: Types) -> None:
    """Refuses a rollup of what there is not. `types`: of the pipeline's columns.

    Raises:
        ValueError: the message names the field and what is allowed.
    """
    named = {view.name: view for view in views}
    for rollup in rollups:
        field = f"rollups[{rollup.name}]"
        known([rollup.of], named, f"{field}.of")
        view = named[rollup.of]
        columns = outputs(types, view, ())
        single = [name for name, kind in columns.items() if kind != "json"]  # which no list of rows is
        known(rollup.keys, single if rollup.measures else view.key_names, f"{field}.keys")
        if not rollup.measures and isinstance(view, Alert):
            raise ValueError(f"{field}.measures: {view.name} is an alert, which has none; name some")
        if rollup.last and view.window is None:
            raise ValueError(f"{field}.last: {view.name} has no window; allowed: a view with one")
        for measure in rollup.measures:
            if isinstance(measure, Count):
                continue
            of = f"{field}.measures[{measure.name}].of"
            known([measure.of], columns, of)
            if isinstance(measure, Sum | Mean) and columns[measure.of] not in NUMBERS:
                raise ValueError(f"{of}: {measure.of} is no number")
            if isinstance(measure, Min | Max) and columns[measure.of] in ("boolean", "json"):
                raise ValueError(f"{of}: {measure.of} is {columns[measure.of]}, which has no order")
