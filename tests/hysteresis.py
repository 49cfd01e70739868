"""What an alert must show, in plain Python: of all readings, by an automaton, and the summary of some of them."""

from collections.abc import Iterable
from itertools import takewhile
from typing import Any

from app.model import Alert

LEVEL = Alert("level", ("client",), of="amount", above=1200, readings=3, below=1000, columns=("event_id", "amount"))
ON_THE_LIMITS = (999, 1000, 1200, 1201)

Place = tuple[int, int]  # offset, index
Reading = tuple[Place, int]
Change = tuple[bool, Place, int]


def changes(readings: Iterable[Reading], n: int = LEVEL.readings) -> list[Change]:
    """Each change of the alert, over readings in their order: whether it is on from there, where, and the value."""
    on, run, found = False, 0, []
    for place, value in readings:
        run = run + 1 if value > LEVEL.above else 0
        if (on and value < LEVEL.below) or (not on and run == n):
            on = not on
            found.append((on, place, value))
    return found


def summary(readings: list[Reading], n: int = LEVEL.readings) -> dict[str, Any] | None:
    """What the readings say whatever comes before and after them; `row` is {"value": …}."""
    if not readings:
        return None
    leading, run = [*takewhile(_high, readings)], 0
    marks: list[dict[str, Any]] = []
    for reading in readings[len(leading) :]:
        run = run + 1 if _high(reading) else 0
        marked = run == n if _high(reading) else reading[1] < LEVEL.below
        if marked and (not marks or marks[-1]["on"] != _high(reading)):
            marks.append(_switch(reading))
    return {
        "first": [*readings[0][0]],
        "last": [*readings[-1][0]],
        "head": [_switch(reading) for reading in leading[:n]],
        "all": len(leading) == len(readings),
        "tail": min(n, len([*takewhile(_high, reversed(readings))])),
        "marks": marks,
    }


def _high(reading: Reading) -> bool:
    return reading[1] > LEVEL.above


def _switch(reading: Reading) -> dict[str, Any]:
    return {"on": _high(reading), "at": [*reading[0]], "row": {"value": reading[1]}}
