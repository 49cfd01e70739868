"""The increments of an alert: the summary of each sequence of readings, whatever the order of the events."""

import json
from dataclasses import replace
from typing import Any

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from app.alerts import CHUNK
from app.model import Alert, Column, Count, Pipeline, Topic, View
from app.transform import aggregate, decode, needed
from tests.hysteresis import LEVEL, ON_THE_LIMITS, summary
from tests.spark.conftest import Messages, Table

PIPELINE = Pipeline(
    name="rooms",
    description="",
    topic=Topic("rooms", 2),
    columns=(Column("at", "timestamp"), Column("client", "string"), Column("value", "int"), Column("amount", "int")),
    event_time="at",
    views=(replace(LEVEL, columns=("value",)), View("all", (), (Count("n"),))),
)
EVENTS = "_partition int, _offset bigint, _index int, _reason string, client string, amount int, value int"
# Each example is a Spark job; to shrink one would take minutes.
LAW = settings(max_examples=10, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
Sequences = dict[tuple[str, int, int], list[tuple[tuple[int, int], int]]]


@st.composite
def some_events(draw: st.DrawFn) -> list[tuple[Any, ...]]:
    """Events of two clients and two partitions, some quarantined, in any order, around the end of a chunk."""
    fields = st.tuples(
        st.integers(0, 1),
        st.sampled_from([None, None, None, "bad"]),
        st.sampled_from(["ada", "bob"]),
        st.sampled_from([*ON_THE_LIMITS, 1201, 1201]),
    )
    drawn = draw(st.lists(fields, min_size=20, max_size=60))
    events = [
        (p, CHUNK - 10 + n // 2, n % 2, bad, client, amount, amount) for n, (p, bad, client, amount) in enumerate(drawn)
    ]
    return draw(st.permutations(events))


def found_in(table: Any, pipeline: Pipeline = PIPELINE) -> list[tuple[Any, ...]]:
    name = pipeline.views[0].states[0].name
    rows = aggregate(table, pipeline).filter("view = 0").select("client", "_partition", name).collect()
    return [(row["client"], row["_partition"], json.loads(row[name])) for row in rows]


@LAW
@given(some_events())
def test_there_is_a_summary_of_each_client_partition_and_chunk(table: Table, events: list[tuple[Any, ...]]) -> None:
    sequences: Sequences = {}
    for partition, offset, index, reason, client, amount, _ in sorted(events, key=lambda event: event[:3]):
        if reason is None:
            sequences.setdefault((client, partition, offset // CHUNK), []).append(((offset, index), amount))

    found = found_in(table(events, EVENTS))

    assert len(found) == len(sequences)
    for (client, partition, _), readings in sequences.items():
        assert (client, partition, summary(readings)) in found


def test_limits_of_one_definition_are_not_those_of_another(table: Table) -> None:
    views = tuple(
        Alert(name, ("client",), "amount", above=above, readings=1, below=0, columns=("value",))
        for name, above in (("low", 5), ("high", 7))
    )
    pipeline = replace(PIPELINE, views=views)
    events = table([(0, 0, 0, None, "ada", 1, 1), (0, 1, 0, None, "ada", 6, 6)], EVENTS)

    rows = aggregate(events, pipeline).collect()

    marks = {row["view"]: json.loads(row[views[row["view"]].states[0].name])["marks"] for row in rows}
    assert [[mark["at"] for mark in marks[view]] for view in (0, 1)] == [[[1, 0]], []]
    assert [row[views[1 - row["view"]].states[0].name] for row in rows] == [None, None]


def test_what_a_reading_shows_is_of_any_type_also_of_the_columns_that_the_speed_layer_carries(
    messages: Messages,
) -> None:
    columns = (
        *PIPELINE.columns,
        Column("price", "decimal(9,2)"),
        Column("day", "date"),
        Column("note", "string", required=False),
    )
    alert = replace(LEVEL, columns=("at", "price", "day", "note"), readings=1)
    pipeline = replace(PIPELINE, columns=columns, views=(alert,))
    text = (
        '{"at": "2026-01-01T12:00:00.000001+01:00", "client": "ada", "value": 1, "amount": 1201, "price": 2.50, '
        '"day": "2026-01-02"}'
    )

    events = decode(messages(text), pipeline).select(needed(pipeline))
    ((_, _, found),) = found_in(events, pipeline)

    assert found["head"][0]["row"] == {
        "at": "2026-01-01T11:00:00.000001Z",
        "price": 2.5,
        "day": "2026-01-02",
        "note": None,
    }
