"""Increments: what each view gains from events, as states."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from chispa import assert_df_equality
from pyspark.sql import DataFrame

from app.measures import Measure
from app.model import (
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
from app.transform import aggregate
from tests.spark.conftest import START, Table

EVENTS = (
    "_partition int, _offset bigint, _index int, arrival timestamp, _reason string, "
    "id string, at timestamp, kind string, amount decimal(6,2), units int, day date"
)
PIPELINE = Pipeline(
    name="sales",
    description="",
    topic=Topic("sales", 1),
    columns=(
        Column("id", "string"),
        Column("at", "timestamp"),
        Column("kind", "string"),
        Column("amount", "decimal(6,2)"),
        Column("units", "int", required=False),
        Column("day", "date"),
    ),
    event_time="at",
    dedup=Dedup("id", horizon="1 hour"),
    views=(View("all", (), (Count("sales"),)),),
)
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
NEW_YEAR = date(2026, 1, 1)


def with_view(keys: tuple[Any, ...], *measures: Measure) -> Pipeline:
    return replace(PIPELINE, views=(View("v", keys, measures or (Count("sales"),)),))


def event(offset: int = 0, **fields: Any) -> tuple[Any, ...]:
    """An event of partition 0; by default an accepted one, of noon, worth 1.00."""
    given: dict[str, Any] = {
        "_partition": 0,
        "_index": 0,
        "arrival": START,
        "_reason": None,
        "id": f"id{offset}",
        "at": NOON,
    }
    given |= {"kind": "tea", "amount": "1.00", "units": None, "day": NEW_YEAR, "_offset": offset} | fields
    given["amount"] = Decimal(given["amount"])
    return tuple(given[column.split()[0]] for column in EVENTS.split(", "))


def expect(
    source_df: DataFrame, pipeline: Pipeline, expected: Iterable[tuple[Any, ...]], table: Table, of: int = 0
) -> None:
    """A view's increments are these rows of key and state columns, of the types that are declared."""
    view = pipeline.all_views[of]
    types = {name: pipeline.types[name] for name in view.key_names}
    types |= {state.name: state.type(pipeline.types).replace("json", "string") for state in view.states}
    actual_df = aggregate(source_df, pipeline).filter(f"view = {of}").select(*types)
    expected_df = table(expected, ", ".join(f"{name} {kind}" for name, kind in types.items()))

    assert_df_equality(actual_df, expected_df, ignore_nullable=True, ignore_row_order=True)


def top(*rows: tuple[Any, list[int], str]) -> str:
    """What a state holds of the highest rows."""
    return "[" + ",".join(f'{{"by":{by},"at":[{",".join(map(str, at))}],"row":{row}}}' for by, at, row in rows) + "]"


def test_sums_and_counts_are_of_the_events_that_share_the_keys(table: Table) -> None:
    measures = Count("n"), Sum("total", of="amount"), Mean("mean", of="units"), Variance("spread", of="amount")
    source_df = table(
        [event(0, amount="1.50", units=3), event(1, amount="-2.25"), event(2, amount="9999.99", kind="rum", units=2)],
        EVENTS,
    )

    expected = [
        ("rum", 1, Decimal("9999.99"), 1, Decimal(2), 1, Decimal("99999800.0001")),
        ("tea", 2, Decimal("-0.75"), 1, Decimal(3), 2, Decimal("7.3125")),
    ]
    expect(source_df, with_view(("kind",), *measures), expected, table)


def test_what_is_null_is_not_counted_and_adds_nothing(table: Table) -> None:
    measures = Mean("mean", of="units"), Min("least", of="units"), Variance("spread", of="units")

    expect(table([event(0), event(1)], EVENTS), with_view((), *measures), [(0, None, None, None)], table)


def test_many_of_the_widest_values_do_not_overflow(table: Table) -> None:
    wide = replace(PIPELINE.columns[3], type="decimal(28,2)")
    pipeline = replace(
        with_view((), Sum("s", of="amount")), columns=(*PIPELINE.columns[:3], wide, *PIPELINE.columns[4:])
    )
    most = Decimal("9" * 26 + ".99")
    source_df = table([event(n, amount=most) for n in range(100)], EVENTS.replace("decimal(6,2)", "decimal(28,2)"))

    expect(source_df, pipeline, [(Decimal("9" * 28),)], table)


def test_least_and_greatest_are_of_any_ordered_type(table: Table) -> None:
    names = ("units", "amount", "at", "day")
    measures = [measure(f"{kind}_{name}", of=name) for name in names for kind, measure in (("lo", Min), ("hi", Max))]
    early, later = NOON.replace(year=1900), date(2999, 12, 31)
    source_df = table([event(0, units=2, at=early, amount="-1"), event(1, units=-2, day=later), event(2)], EVENTS)

    expected = (-2, 2, Decimal("-1.00"), Decimal("1.00"), early, NOON, NEW_YEAR, later)
    expect(source_df, with_view((), *measures), [expected], table)


def test_strings_are_ordered_by_their_bytes(table: Table) -> None:
    kinds = ["a", "Z", "é", "\ufffd", "\U0001f600", "~"]
    source_df = table([event(n, kind=kind) for n, kind in enumerate(kinds)], EVENTS)

    expect(source_df, with_view((), Min("lo", of="kind"), Max("hi", of="kind")), [("Z", "\U0001f600")], table)


def test_latest_is_the_event_with_the_highest_order_then_the_last_position(table: Table) -> None:
    later = NOON.replace(microsecond=1)
    source_df = table(
        [
            event(0, at=later, units=1), event(5, at=later, units=2), event(5, at=later, units=3, _index=1),
            event(9, at=NOON, units=4), event(1, at=later, units=5, kind="rum"),
            event(0, at=later, units=6, kind="rum", _partition=1),
        ],
        EVENTS,
    )  # fmt: skip

    micros = 1_767_268_800_000_001
    expected = [
        ("tea", top((micros, [0, 5, 1], '{"units":3,"day":"2026-01-01"}'))),
        ("rum", top((micros, [1, 0, 0], '{"units":6,"day":"2026-01-01"}'))),
    ]
    expect(source_df, with_view(("kind",), Latest(("units", "day"), by="at")), expected, table)


def test_the_top_rows_come_highest_first_and_a_tie_goes_to_the_last_position(table: Table) -> None:
    source_df = table([event(n, amount=amount) for n, amount in enumerate(["1", "3.5", "2", "3.5", "2"])], EVENTS)

    rows = (
        ("3.50", [0, 3, 0], '{"id":"id3"}'),
        ("3.50", [0, 1, 0], '{"id":"id1"}'),
        ("2.00", [0, 4, 0], '{"id":"id4"}'),
    )
    expect(source_df, with_view((), TopN("top", ("id",), by="amount", n=3)), [(top(*rows),)], table)


def test_the_top_of_fewer_rows_is_all_of_them(table: Table) -> None:
    source_df = table([event(0, day=date(1970, 1, 3)), event(1, day=date(1969, 12, 31))], EVENTS)

    expected = top((2, [0, 0, 0], '{"kind":"tea"}'), (-1, [0, 1, 0], '{"kind":"tea"}'))
    expect(source_df, with_view((), TopN("top", ("kind",), by="day", n=100)), [(expected,)], table)


def test_a_row_that_is_kept_keeps_every_kind_of_value(table: Table) -> None:
    at = NOON.replace(microsecond=123_456)
    source_df = table([event(0, at=at, kind='"é\\', amount="-0.10")], EVENTS)

    row = r'{"at":"2026-01-01T12:00:00.123456Z","kind":"\"é\\","amount":-0.10,"units":null,"day":"2026-01-01"}'
    pipeline = with_view((), Latest(("at", "kind", "amount", "units", "day"), by="day"))
    expect(source_df, pipeline, [(top((20454, [0, 0, 0], row)),)], table)


def test_two_views_keep_other_columns_of_the_same_order(table: Table) -> None:
    views = View("one", ("kind",), (Latest(("units",), by="at"),)), View("other", (), (Latest(("id",), by="at"),))
    pipeline = replace(PIPELINE, views=views)
    source_df = table([event(0, units=3)], EVENTS)

    expect(source_df, pipeline, [("tea", top((1_767_268_800_000_000, [0, 0, 0], '{"units":3}')))], table, of=0)
    expect(source_df, pipeline, [(top((1_767_268_800_000_000, [0, 0, 0], '{"id":"id0"}')),)], table, of=1)


def test_a_tumbling_window_holds_its_start_and_not_its_end(table: Table) -> None:
    times = ["2026-01-01 00:00:00", "2026-01-01 00:00:59.999999", "2026-01-01 00:01:00", "1969-12-31 23:59:59.999999"]
    source_df = table([event(n, at=datetime.fromisoformat(f"{at}+00:00")) for n, at in enumerate(times)], EVENTS)

    starts = [(datetime(2026, 1, 1, tzinfo=UTC), 2), (datetime(2026, 1, 1, 0, 1, tzinfo=UTC), 1)]
    before = (datetime(1969, 12, 31, 23, 59, tzinfo=UTC), datetime(1970, 1, 1, tzinfo=UTC), 1)
    expected = [(start, start.replace(minute=start.minute + 1), count) for start, count in starts]
    expect(source_df, with_view((Tumbling("1 minute"),)), [before, *expected], table)


@pytest.mark.parametrize("day", [datetime(2026, 1, 1, tzinfo=UTC), datetime(1950, 1, 1, tzinfo=UTC)])
def test_an_event_is_in_every_sliding_window_that_covers_it(table: Table, day: datetime) -> None:
    times = [day + timedelta(hours=12, minutes=7), day + timedelta(hours=12, minutes=15)]
    source_df = table([event(n, at=at) for n, at in enumerate(times)], EVENTS)

    starts = {day + timedelta(minutes=m): count for m, count in ((715, 1), (720, 1), (725, 2), (730, 1), (735, 1))}
    expected = [("tea", start, start + timedelta(minutes=15), count) for start, count in starts.items()]
    expect(source_df, with_view(("kind", Sliding("15 minutes", "5 minutes"))), expected, table)


def test_all_views_are_counted_in_one_pass_and_the_quarantine_by_reason(table: Table) -> None:
    views = (
        View("kinds", ("kind",), (Count("n"), Sum("total", of="amount"))),
        View("all", (), (Count("n"),)),
        View("days", (Tumbling("1 day"), "day"), (Max("most", of="amount"),)),
    )
    pipeline = replace(PIPELINE, views=views)
    events = [event(0), event(1, kind="rum", amount="2"), event(2, _reason="old"), event(3, _reason="old")]
    source_df = table([*events, event(4, _reason="new")], EVENTS)

    assert aggregate(source_df, pipeline).count() == 2 + 1 + 1 + 2
    expect(source_df, pipeline, [("tea", 1, Decimal("1.00")), ("rum", 1, Decimal("2.00"))], table, of=0)
    expect(source_df, pipeline, [(2,)], table, of=1)
    midnight = NOON.replace(hour=0)
    expect(source_df, pipeline, [(midnight, midnight.replace(day=2), NEW_YEAR, Decimal("2.00"))], table, of=2)
    expect(source_df, pipeline, [("old", 2), ("new", 1)], table, of=3)


def test_no_events_add_nothing(table: Table) -> None:
    expect(table([], EVENTS), PIPELINE, [], table)


def test_events_of_the_quarantine_alone_add_nothing_to_a_view_without_keys(table: Table) -> None:
    expect(table([event(0, _reason="old")], EVENTS), PIPELINE, [], table)
