"""Laws of the views, against an account in plain Python that shares nothing with the code it holds to."""

import json
import operator
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from pyspark.sql import DataFrame

from app.duplicates import duplicates_marked
from app.measures import State
from app.model import (
    Check,
    Column,
    Count,
    Dedup,
    Latest,
    Max,
    Mean,
    Min,
    Pipeline,
    Sliding,
    Sum,
    Topic,
    TopN,
    Tumbling,
    Variance,
    View,
)  # fmt: skip
from app.pipelines import load, names
from app.transform import aggregate, decode, needed
from tests.spark.conftest import Messages

PIPELINE = Pipeline(
    name="laws",
    description="",
    topic=Topic("laws", 1),
    columns=(
        Column("id", "string"),
        Column("at", "timestamp"),
        Column("kind", "string", clean="lower(trim(kind))"),
        Column("amount", "decimal(9,2)"),
        Column("score", "int"),
        Column("units", "int", required=False),
        Column("spare", "string", required=False),
    ),
    event_time="at",
    checks=(Check("kind_empty", "kind <> ''"), Check("amount_negative", "amount >= 0")),
    dedup=Dedup("id", horizon="1 hour"),
    views=(
        View("kinds", ("kind",), (Count("n"), Sum("total", of="amount"), Mean("mean", of="units"))),
        View("all", (), (Variance("spread", of="units"), Min("lo", of="kind"), Max("hi", of="amount"))),
        View("minutes", (Tumbling("1 minute"),), (Count("n"), Max("hi", of="units"))),
        View("slides", ("kind", Sliding("3 minutes", "1 minute")), (Sum("total", of="units"),)),
        View("newest", ("kind",), (Latest(("id", "units"), by="at"),)),
        View("best", (), (TopN("top", ("id",), by="score", n=3),)),
    ),
)
MIDNIGHT = datetime(1970, 1, 1, tzinfo=UTC)  # windows on both sides of it
# Each example is a Spark job or two; to shrink one would take minutes.
LAW = settings(max_examples=12, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])

Event = dict[str, Any]
Increments = dict[tuple[Any, ...], dict[str, Any]]  # by the view's position and its keys

EVENTS = st.lists(
    st.fixed_dictionaries(
        {
            "id": st.integers(0, 20).map(str),
            "second": st.integers(-150, 150),
            "kind": st.sampled_from([" Tea", "tea ", "RUM", "rum", "é", " "]),
            "amount": st.decimals(-1, 1_000, places=2),
            "score": st.integers(0, 3),
            "units": st.none() | st.integers(-(2**31), 2**31 - 1),
        }
    ),
    min_size=20,
    max_size=60,
)


def message(event: Event) -> str:
    at = MIDNIGHT + timedelta(seconds=event["second"])
    return json.dumps({**event, "at": at.isoformat(), "amount": str(event["amount"])})


def accounted(events: Iterable[tuple[int, Event]]) -> Increments:
    """What the views gain from events at these offsets, of which the first with an id counts."""
    rows: dict[tuple[Any, ...], list[tuple[int, Event]]] = defaultdict(list)
    seen: set[str] = set()
    for offset, event in events:
        kind = event["kind"].strip().lower()
        if not kind or event["amount"] < 0:
            rows[6, "amount_negative" if kind else "kind_empty"].append((offset, event))
        elif event["id"] not in seen:
            seen.add(event["id"])
            minute = event["second"] // 60
            for key in [
                (0, kind),
                (1,),
                (2, minute),
                *((3, kind, minute - back) for back in range(3)),
                (4, kind),
                (5,),
            ]:
                rows[key].append((offset, {**event, "kind": kind, "micros": event["second"] * 1_000_000}))
    return {key: STATES[key[0]](found) for key, found in rows.items()}


def total(values: Iterable[Any]) -> Any:
    found = [value for value in values if value is not None]
    return sum(found[1:], found[0]) if found else None


def highest(rows: list[tuple[int, Event]], by: str, n: int, names: tuple[str, ...]) -> list[dict[str, Any]]:
    kept = [
        {"by": event[by], "at": [0, offset, 0], "row": {name: event[name] for name in names}} for offset, event in rows
    ]
    return top(kept, n)


def top(rows: list[dict[str, Any]], n: int) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: (row["by"], row["at"]), reverse=True)[:n]


def of_units(rows: list[tuple[int, Event]]) -> list[int]:
    return [event["units"] for _, event in rows if event["units"] is not None]


STATES: dict[int, Any] = {
    0: lambda rows: {
        "count": len(rows), "sum_amount": total(event["amount"] for _, event in rows),
        "count_units": len(of_units(rows)), "sum_units": total(of_units(rows)),
    },
    1: lambda rows: {
        "count_units": len(of_units(rows)), "sum_units": total(of_units(rows)),
        State("sum_squares", ("units",)).name: total(units * units for units in of_units(rows)),
        "min_kind": min((event["kind"] for _, event in rows), key=str.encode),
        "max_amount": max(event["amount"] for _, event in rows),
    },
    2: lambda rows: {"count": len(rows), "max_units": max(of_units(rows), default=None)},
    3: lambda rows: {"sum_units": total(of_units(rows))},
    4: lambda rows: {State("top", ("id", "units"), "at", 1).name: highest(rows, "micros", 1, ("id", "units"))},
    5: lambda rows: {State("top", ("id",), "score", 3).name: highest(rows, "score", 3, ("id",))},
    6: lambda rows: {"count": len(rows)},
}  # fmt: skip


def found_in(increments: DataFrame) -> Increments:
    """The same of Spark's increments: a window is known by the number of its first minute."""
    found: Increments = {}
    for row in increments.withColumn("window_start", increments["window_start"].cast("long")).collect():
        view = PIPELINE.all_views[row["view"]]
        names = [name for name in view.key_names if name != "window_end"]
        key = tuple(row[name] // 60 if name == "window_start" else row[name] for name in names)
        assert (row["view"], *key) not in found
        found[row["view"], *key] = {state.name: shown(row[state.name]) for state in view.states}
    return found


def shown(state: Any) -> Any:
    return json.loads(state, parse_float=Decimal) if isinstance(state, str) and state.startswith("[") else state


def merged(one: Increments, other: Increments) -> Increments:
    """Two increments added up, state by state."""
    result = dict(one)
    for key, states in other.items():
        result[key] = {name: added(name, one[key][name], states[name]) for name in states} if key in one else states
    return result


def added(name: str, one: Any, other: Any) -> Any:
    known = [value for value in (one, other) if value is not None]
    if len(known) < 2:
        return known[0] if known else None
    if name.startswith("top"):
        return top(one + other, int(name.removeprefix("top").split("_")[0]))
    return {"min": min, "max": max}.get(name[:3], operator.add)(one, other)


def counted(events: DataFrame) -> DataFrame:
    return duplicates_marked(events, PIPELINE).filter("_duplicate = 0")


@LAW
@given(EVENTS, st.booleans())
def test_the_views_are_what_a_count_by_hand_gives_also_of_what_the_speed_layer_carries(
    messages: Messages, events: list[Event], carried: bool
) -> None:
    whole = decode(messages(*map(message, events)), PIPELINE)

    increments = aggregate(counted(whole.select(needed(PIPELINE)) if carried else whole), PIPELINE)

    assert found_in(increments) == accounted(enumerate(events))


@LAW
@given(EVENTS, st.integers(0, 60))
def test_the_increments_of_two_parts_add_up_to_those_of_the_whole(
    messages: Messages, events: list[Event], cut: int
) -> None:
    whole = decode(messages(*(message(event | {"id": str(n)}) for n, event in enumerate(events))), PIPELINE)
    parts = [found_in(aggregate(whole.filter(part), PIPELINE)) for part in (f"_offset < {cut}", f"_offset >= {cut}")]

    assert merged(*parts) == accounted((n, event | {"id": str(n)}) for n, event in enumerate(events))


@pytest.mark.parametrize(
    ("view", "dedup", "read"),
    [
        (View("v", (), (Count("n"),)), None, []),
        (View("v", ("kind",), (Count("n"),)), None, ["kind"]),
        (View("v", (Tumbling("1 hour"),), (Count("n"),)), None, ["at"]),
        (View("v", (), (Sum("s", of="amount"), Min("m", of="units"))), None, ["amount", "units"]),
        (View("v", (), (Latest(("spare",), by="score"),)), None, ["score", "spare"]),
        (View("v", (), (Count("n"),)), Dedup("id", horizon="1 hour"), ["id"]),
    ],
)
def test_the_speed_layer_carries_what_views_and_dedup_read_and_no_more(
    messages: Messages, view: View, dedup: Dedup | None, read: list[str]
) -> None:
    pipeline = replace(PIPELINE, views=(view,), dedup=dedup)

    carried = decode(messages("{}"), pipeline).select(needed(pipeline))

    assert carried.columns == ["_partition", "_offset", "_index", "arrival", "_reason", *read]
    assert "count" in aggregate(duplicates_marked(carried, pipeline), pipeline).columns


@pytest.mark.parametrize("name", names())
def test_what_the_speed_layer_carries_is_enough_for_every_pipeline_of_the_stack(messages: Messages, name: str) -> None:
    pipeline = load(name)
    whole = decode(messages("{}"), pipeline)

    carried = duplicates_marked(whole.select(needed(pipeline)), pipeline)

    assert aggregate(carried, pipeline).schema == aggregate(duplicates_marked(whole, pipeline), pipeline).schema
