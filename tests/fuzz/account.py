"""The rows of every view, in plain Python, of the events that `oracle` accepts. Nothing of `app` is imported."""

from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction
from functools import reduce
from typing import Any

from tests.fuzz.oracle import firsts, windows
from tests.fuzz.plain import Alert, Definition, Event, Measure, Rollup, View
from tests.fuzz.typed import EXACT, MICROS, digits

Shown = tuple[Any, ...]
Rows = dict[str, list[Shown]]  # of each view, in no order
Groups = dict[Shown, list[Event]]
NOTHING = Fraction(0)
MEAN_DIGITS = 6  # of a rollup


def account(definition: Definition, found: Iterable[Event]) -> Rows:
    """What readers must see of each view, alert and rollup, and of the quarantine."""
    found = list(found)
    counted = firsts(definition, found)
    reasons = Counter(event.reason for event in found if event.reason is not None)
    rows: Rows = {"quarantine": [*reasons.items()]}
    grouped = {view.name: groups(definition, view, counted) for view in definition.views}
    for view in definition.views:
        rows[view.name] = shown(definition, view.measures, grouped[view.name])
    for alert in definition.alerts:
        rows[alert.name] = changes(alert, counted)
    views = {view.name: view for view in definition.views}
    for rollup in definition.rollups:
        view = views[rollup.of]
        if rollup.measures:
            rows[rollup.name] = rolled_up(rollup, view, rows[view.name])
        else:
            rows[rollup.name] = shown(definition, view.measures, _coarser(rollup, view, grouped[view.name]))
    return rows


def groups(definition: Definition, view: View, counted: list[Event]) -> Groups:
    """The events of each row of a view, by its keys."""
    found: Groups = {}
    for event in counted:
        keys = tuple(event.row[key] for key in view.keys)
        for window in windows(view, event.row[definition.event_time]) if view.window else [()]:
            found.setdefault((*keys, *window), []).append(event)
    return found


def shown(definition: Definition, measures: tuple[Measure, ...], found: Groups) -> list[Shown]:
    return [
        (*keys, *(value for measure in measures for value in _measured(measure, events, definition.kinds)))
        for keys, events in found.items()
    ]


def _measured(measure: Measure, events: list[Event], kinds: dict[str, str]) -> Shown:
    if measure.op in ("latest", "top"):
        highest = sorted(events, key=lambda event: (event.row[measure.by], event.at), reverse=True)[: measure.n]
        if measure.op == "latest":
            return tuple(highest[0].row[name] for name in measure.of)
        return ([{name: event.row[name] for name in measure.of} for event in highest],)
    if measure.op == "count":
        return (len(events),)
    values = [event.row[measure.of[0]] for event in events if event.row[measure.of[0]] is not None]
    return (_reduced(measure.op, values, _scale(kinds[measure.of[0]])),)


def _reduced(op: str, values: list[Any], scale: int) -> Any:
    if not values or (op == "variance" and len(values) == 1):
        return None
    if op in ("min", "max"):
        return min(values) if op == "min" else max(values)
    exact = [Fraction(value) for value in values]
    total = sum(exact, NOTHING)
    if op == "sum":
        return quotient(total, scale)
    if op == "mean":
        return quotient(total / len(exact), scale + 6)
    n, squares = len(exact), sum((value * value for value in exact), NOTHING)
    return quotient((n * squares - total * total) / (n * (n - 1)), 2 * scale + 6)


def quotient(value: Fraction, scale: int) -> Decimal:
    """A fraction, rounded half up."""
    scaled = abs(value) * 10**scale
    whole = (2 * scaled.numerator + scaled.denominator) // (2 * scaled.denominator)
    return EXACT.scaleb(Decimal(-whole if value < 0 else whole), -scale)


def _scale(kind: str) -> int:
    return digits(kind)[1] if kind.startswith("decimal") else 0


def changes(alert: Alert, counted: list[Event]) -> list[Shown]:
    """On with the last of so many readings in a row above, off with the first below, by keys and partition."""
    state: dict[Shown, tuple[int, bool]] = {}  # how many in a row are above, and whether the alert is on
    rows = []
    for event in sorted(counted, key=lambda event: event.at):
        keys = (*(event.row[key] for key in alert.keys), event.at[0])
        run, on = state.get(keys, (0, False))
        value = event.row[alert.of]
        run = run + 1 if value > alert.above else 0
        now = True if run >= alert.readings else False if value < alert.below else on
        if now != on:
            rows.append((*keys, *event.at[1:], now, *(event.row[name] for name in alert.columns)))
        state[keys] = run, now
    return rows


def _coarser(rollup: Rollup, view: View, found: Groups) -> Groups:
    """The events of all rows that share the keys of a rollup."""
    names = view.outputs
    newest = max((keys[names.index("window_end")] for keys in found), default=0) if rollup.last else 0
    joined: Groups = {}
    for keys, events in found.items():
        if not rollup.last or keys[names.index("window_end")] > newest - rollup.last * MICROS:
            joined.setdefault(tuple(keys[names.index(key)] for key in rollup.keys), []).extend(events)
    return joined


def rolled_up(rollup: Rollup, view: View, rows: list[Shown]) -> list[Shown]:
    """Measures over the rows of a view, of which `last` leaves out the old ones, and `most` those after the first."""
    names = view.outputs
    if rollup.last:
        end = names.index("window_end")
        newest = max((row[end] for row in rows), default=0)
        rows = [row for row in rows if row[end] > newest - rollup.last * MICROS]
    joined: dict[Shown, list[Shown]] = {}
    for row in rows:
        joined.setdefault(tuple(row[names.index(key)] for key in rollup.keys), []).append(row)
    found = [
        (*keys, *(_rolled(measure, names, members) for measure in rollup.measures)) for keys, members in joined.items()
    ]
    if rollup.most is None:
        return found
    first = len(rollup.keys)
    named = sorted((row for row in found if None not in row[:first]), key=lambda row: row[:first])
    ordered = sorted(named, key=lambda row: (row[first] is not None, row[first] or 0), reverse=True)
    return ordered[: rollup.most]


def _rolled(measure: Measure, names: tuple[str, ...], rows: list[Shown]) -> Any:
    if measure.op == "count":
        return len(rows)
    values = [found for row in rows if (found := row[names.index(measure.of[0])]) is not None]
    if not values:
        return None
    match measure.op:
        case "min":
            return min(values)
        case "max":
            return max(values)
        case "sum":
            return reduce(EXACT.add, values)
        case _:
            return quotient(sum(map(Fraction, values), NOTHING) / len(values), MEAN_DIGITS)
