"""What readers see of a definition: the columns of each view with their types, and their values as the oracle's."""

import json
from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from tests.fuzz.plain import Definition, Measure, Rollup, View
from tests.fuzz.typed import EPOCH_DAY, MICROS

Kinds = dict[str, str]
POSITION = {"_partition": "int", "_offset": "bigint", "_index": "int", "alert": "boolean"}


def kinds(definition: Definition) -> dict[str, Kinds]:
    """Columns and their types of every view, alert and rollup, and of the quarantine."""
    found: dict[str, Kinds] = {"quarantine": {"reason": "string", "events": "bigint"}}
    for view in definition.views:
        found[view.name] = dict(zip(view.outputs, _of_view(definition.kinds, view), strict=True))
    for alert in definition.alerts:
        found[alert.name] = {name: (POSITION | definition.kinds)[name] for name in alert.outputs}
    views = {view.name: view for view in definition.views}
    for rollup in definition.rollups:
        found[rollup.name] = _of_rollup(found[rollup.of], rollup, views[rollup.of])
    return found


def _of_view(types: Kinds, view: View) -> Iterable[str]:
    yield from (types[key] for key in view.keys)
    yield from ["timestamp", "timestamp"] if view.window else []
    for measure in view.measures:
        yield from _of_measure(types, measure)


def _of_measure(types: Kinds, measure: Measure) -> list[str]:
    match measure.op:
        case "latest":
            return [types[name] for name in measure.of]
        case "top":
            return ["rows"]
        case "min" | "max":
            return [types[measure.of[0]]]
        case _:
            return ["number"]


def _of_rollup(columns: Kinds, rollup: Rollup, view: View) -> Kinds:
    keys = {key: columns[key] for key in rollup.keys}
    if rollup.measures:
        return keys | {measure.name: _of_measure(columns, measure)[0] for measure in rollup.measures}
    windows = ("window_start", "window_end")
    measured = {name: kind for name, kind in columns.items() if name not in (*view.keys, *windows)}
    return keys | measured


def selected(column: str, kind: str) -> str:
    """SQL of a column whose value loses nothing on its way."""
    if kind == "timestamp":
        return f'(extract(epoch FROM "{column}") * 1000000)::bigint'
    if kind == "date":
        return f""""{column}" - date '1970-01-01'"""
    return f'"{column}"::text' if kind == "rows" else f'"{column}"'


def value(found: Any, kind: str, types: Kinds) -> Any:
    """The value that the oracle would have; `types`: of the columns in the rows that a TopN keeps whole."""
    if kind != "rows" or found is None:
        return found
    rows = json.loads(found, parse_float=Decimal)
    return [{name: _plain(of, types[name]) for name, of in row.items()} for row in rows]


def _plain(found: Any, kind: str) -> Any:
    if found is None:
        return None
    if kind == "date":
        return date.fromisoformat(found).toordinal() - EPOCH_DAY
    if kind == "timestamp":
        since = datetime.fromisoformat(found) - datetime.fromisoformat("1970-01-01T00:00:00Z")
        return (since.days * 86_400 + since.seconds) * MICROS + since.microseconds
    return found


def frozen(row: Iterable[Any]) -> tuple[Any, ...]:
    """A row that can be counted."""
    return tuple(tuple(tuple(sorted(one.items())) for one in v) if isinstance(v, list) else v for v in row)
