"""What merged views show, as Postgres writes it."""

from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal, localcontext

import pyarrow as pa
import pytest

from app.model import Column, Count, Max, Mean, Rollup, Sum, Variance, View
from tests.integration.boundary import NewBoundary
from tests.integration.oracle import COLUMNS, EPOCH, Event, Row


@pytest.mark.parametrize(
    ("values", "mean", "variance"),
    [(("1", "3"), "2", "2"), (("1", "0", "0"), "0." + "3" * 12, "0." + "3" * 12), (("0", "0"), "0", "0")],
    ids=["whole", "thirds", "nothing"],
)
def test_a_mean_has_six_digits_more_than_its_column_and_a_variance_than_its_square(
    new_boundary: NewBoundary, values: tuple[str, ...], mean: str, variance: str
) -> None:
    boundary = new_boundary()
    time = datetime(2026, 1, 1, tzinfo=UTC)
    boundary.commit([Event(f"{n}", "ada", Decimal(v), Decimal(v), time, (0, n, 0)) for n, v in enumerate(values)])
    view = f"serving.{boundary.pipeline.name}_clients"

    assert boundary.query(f"SELECT mean::text, variance::text FROM {view}") == [
        (_digits(mean, 2 + 6), _digits(variance, 2 * 3 + 6))
    ]
    assert boundary.owned(
        "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute "
        f"WHERE attrelid = '{view}'::regclass AND attname IN ('mean', 'variance') ORDER BY attname"
    ) == [("mean", "numeric(38,8)"), ("variance", "numeric(38,12)")]


@pytest.mark.parametrize("indexes", [(), ("variance",)], ids=["a view", "a table"])
@pytest.mark.parametrize("scale", [0, 2, 14])
@pytest.mark.parametrize("count", [200_001, 20_000_001, 10**10])
def test_a_mean_and_a_variance_do_not_overflow_for_any_number_of_events_that_a_sum_can_hold(
    new_boundary: NewBoundary, count: int, scale: int, indexes: tuple[str, ...]
) -> None:
    measures = (Mean("mean", "size"), Variance("variance", "size"))
    boundary = new_boundary(
        columns=(*COLUMNS, Column("size", f"decimal(14,{scale})")),
        views=(View("clients", ("client",), measures, indexes=indexes),),
    )
    high = count // 2  # so many events are as large as can be, the others as small
    with localcontext(prec=120):
        largest = Decimal(10**14 - 1).scaleb(-scale)
        total, squares = (high - (count - high)) * largest, count * largest * largest
        mean, variance = total / count, (count * squares - total * total) / (count * (count - 1))
        mean = mean.quantize(Decimal(1).scaleb(-scale - 6), ROUND_HALF_UP)
        variance = variance.quantize(Decimal(1).scaleb(-2 * scale - 6), ROUND_HALF_UP)
    kinds: dict[str, pa.DataType] = {"view": pa.int32(), "client": pa.string(), "count_size": pa.int64()}
    kinds |= {"sum_size": pa.decimal128(38, scale), "squares_size": pa.decimal128(38, 2 * scale)}
    states = dict(zip(kinds, (0, "ada", count, total, squares), strict=True))

    boundary.speed.commit({}, {0: 1}, pa.Table.from_pylist([states], schema=pa.schema([*kinds.items()])))

    name = f"serving.{boundary.pipeline.name}_clients"
    assert boundary.query(f"SELECT client, mean, variance FROM {name}") == [("ada", mean, variance)]


def test_a_rollup_is_of_the_rows_as_they_are_after_each_commit_and_publish(new_boundary: NewBoundary) -> None:
    measures = (Count("clients"), Sum("sum", "total"), Mean("mean", "total"))
    by_score = Rollup("by_score", "clients", ("score",), measures)
    largest = Rollup("largest", "clients", (), (Max("total", "total"),))
    most = Rollup("most_clients", "clients", ("score",), (Count("clients"),), most=1)
    boundary = new_boundary(rollups=(by_score, largest, most))
    one, two = Decimal(1), Decimal(2)
    sent = [("ada", "1.10", one), ("bob", "2.20", one), ("cy", "4.00", None)]
    sent += [("ada", "3.90", two), ("bob", "1.00", None)]
    events = [
        Event(f"{n}", client, Decimal(amount), score, EPOCH + timedelta(n), (0, n, 0))
        for n, (client, amount, score) in enumerate(sent)
    ]

    def shows(rollup: str, columns: str) -> list[Row]:
        name = f"serving.{boundary.pipeline.name}_{rollup}"
        return boundary.query(f"SELECT {columns} FROM {name} ORDER BY 1, 2")

    boundary.commit(events[:3])
    assert shows("by_score", "score, clients, sum, mean::text") == [
        (one, 2, Decimal("3.30"), "1.650000"),
        (None, 1, Decimal("4.00"), "4.000000"),
    ]
    assert shows("most_clients", "score, clients") == [(one, 2)]
    cut = boundary.batch.cut()
    boundary.commit(events[3:])
    after = [(two, 1, Decimal("5.00")), (None, 2, Decimal("7.20"))]
    assert shows("by_score", "score, clients, sum") == after
    boundary.publish(1, cut, events[:3], 0)
    assert shows("by_score", "score, clients, sum") == after
    assert shows("most_clients", "score, clients") == [(two, 1)]  # those without a score are no group of their own
    assert boundary.query(f"SELECT total FROM serving.{boundary.pipeline.name}_largest") == [(Decimal("5.00"),)]


def test_a_rollup_without_measures_shows_those_of_the_view_of_its_newest_windows(new_boundary: NewBoundary) -> None:
    of_all, last = Rollup("of_all", "minutes", ("client",)), Rollup("newest", "minutes", (), last="2 minutes")
    boundary = new_boundary(rollups=(of_all, last))
    name = f"serving.{boundary.pipeline.name}"
    events = [
        Event(f"{n}", client, Decimal(n), None, EPOCH + timedelta(minutes=n), (0, n, 0))
        for n, client in enumerate("abbab")
    ]
    boundary.commit(events[:3])
    boundary.publish(1, boundary.batch.cut(), events[:3])
    boundary.commit(events[3:])

    assert boundary.query(f"SELECT client, count, total FROM {name}_of_all ORDER BY client") == [
        ("a", 2, Decimal(3)),
        ("b", 3, Decimal(7)),
    ]
    assert boundary.query(f"SELECT count, total FROM {name}_newest") == [(2, Decimal(7))]


def test_a_view_named_as_its_pipeline_is_served_under_that_name(new_boundary: NewBoundary) -> None:
    name = new_boundary().pipeline.name + "x"
    boundary = new_boundary(name=name, views=(View(name, (), (Count("events"),)),))

    assert boundary.query(f"SELECT events FROM serving.{name}") == []


def _digits(value: str, scale: int) -> str:
    """A value written with exactly this many digits after the point."""
    whole, _, fraction = value.partition(".")
    return f"{whole}.{fraction[:scale]:0<{scale}}"


def test_each_layer_is_shown_alone_and_the_two_are_the_merged_view(new_boundary: NewBoundary) -> None:
    boundary = new_boundary(rollups=(Rollup("largest", "clients", (), (Max("total", "total"),)),))
    name = boundary.pipeline.name
    events = [
        Event(f"{n}", client, Decimal(amount), None, EPOCH, (0, n, 0))
        for n, (client, amount) in enumerate([("ada", "1.10"), ("bob", "2.20"), ("ada", "3.90"), ("cy", "0.50")])
    ]

    def shows(layer: str, view: str = "clients", columns: str = "client, total") -> list[Row]:
        schema = f"serving_{layer}" if layer else "serving"
        return boundary.query(f"SELECT {columns} FROM {schema}.{name}_{view} ORDER BY 1")

    boundary.commit(events[:2])
    cut = boundary.batch.cut()
    boundary.commit(events[2:])
    assert shows("batch") == []
    assert shows("speed") == shows("")
    boundary.publish(1, cut, events[:2])
    assert shows("batch") == [("ada", Decimal("1.10")), ("bob", Decimal("2.20"))]
    assert shows("speed") == [("ada", Decimal("3.90")), ("cy", Decimal("0.50"))]
    assert shows("") == [("ada", Decimal("5.00")), ("bob", Decimal("2.20")), ("cy", Decimal("0.50"))]
    assert [shows(layer, "largest", "total") for layer in ("batch", "speed")] == [
        [(Decimal("2.20"),)],
        [(Decimal("3.90"),)],
    ]


def test_what_readers_see_is_made_anew_where_a_release_makes_it_in_another_way(new_boundary: NewBoundary) -> None:
    boundary = new_boundary()
    name = boundary.pipeline.name
    event = Event("1", "ada", Decimal("1.10"), None, EPOCH, (0, 0, 0))
    boundary.commit([event])
    boundary.owned(  # as a release without layers has left it
        f"UPDATE tidemark.generation SET serving_views = serving_views[1:3] WHERE pipeline = '{name}' RETURNING 1"
    )
    boundary.owned(f"DROP VIEW serving_speed.{name}_clients; SELECT 1")

    boundary.define()

    assert boundary.query(f"SELECT client FROM serving_speed.{name}_clients") == [("ada",)]
    assert boundary.query(f"SELECT client FROM serving.{name}_clients") == [("ada",)]
