"""What the pipelines of this repository answer: from the speed layer alone, and the same once a batch has run."""

from collections.abc import Callable
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from app.model import Pipeline
from app.pipelines import housing, products, sensors, space
from app.readers import served_as
from app.settings import HOME
from producers.housing import messages, records
from tests.integration.conftest import NewStack, Stack

OWN = {"name", "description", "topic", "charts"}
Row = tuple[Any, ...]
Event = dict[str, Any]


def declared(new_stack: NewStack, pipeline: Pipeline) -> Stack:
    """A pipeline's definition under a name and over a topic of the test's own."""
    return new_stack(
        **{field.name: getattr(pipeline, field.name) for field in fields(pipeline) if field.name not in OWN}
    )


def view(stack: Stack, name: str) -> str:
    return served_as(stack.pipeline, name)


def in_both_layers(stack: Stack, asked: Callable[[], list[Row]]) -> list[Row]:
    """What readers get when only the speed layer has counted what is new, which is what they get after a batch."""
    stack.stream()
    shown = asked()
    stack.archive()
    stack.batch()
    assert asked() == shown
    return shown


def product(code: str, modified: int, grade: str | None, brands: str | None = None) -> Event:
    return {"code": code, "last_modified_t": modified, "nutriscore_grade": grade, "brands": brands}


def test_a_product_is_as_it_was_edited_last_and_its_grade_and_brand_with_it(new_stack: NewStack) -> None:
    stack = declared(new_stack, products.PIPELINE)
    edited = (
        f"SELECT code, nutriscore_grade, brand, extract(epoch FROM modified_at)::int FROM {view(stack, 'products')} "
        "ORDER BY code"
    )
    grades = f"SELECT nutriscore_grade, products FROM {view(stack, 'grades')} ORDER BY 1"
    brands = f"SELECT brand, products FROM {view(stack, 'brands')}"
    stack.send(
        product("1", 100, "A", "Nuts, Sons"), product("2", 100, "b"), product("3", 100, None, "Nuts"),
        product("4", 100, "b"), product("5", 100, "b"),
    )  # fmt: skip
    assert in_both_layers(stack, lambda: stack.rows(grades)) == [("a", 1), ("b", 3), ("unknown", 1)]
    stack.send(product("1", 99, "e", "An older revision"), product("2", 101, "a", " Oils ,Nuts"))
    assert in_both_layers(stack, lambda: stack.rows(edited)) == [
        ("1", "a", "Nuts", 100), ("2", "a", "Oils", 101), ("3", "unknown", "Nuts", 100), ("4", "b", None, 100),
        ("5", "b", None, 100),
    ]  # fmt: skip
    assert stack.rows(grades) == [("a", 2), ("b", 2), ("unknown", 1)]
    assert stack.rows(brands) == [("Nuts", 2), ("Oils", 1)]  # of those that have one


def test_products_are_counted_in_windows_of_a_minute_and_of_ten_for_each_minute(new_stack: NewStack) -> None:
    stack = declared(new_stack, products.PIPELINE)
    stack.send(*(product(str(number), 100, "a") for number in range(3)))

    def windows(name: str) -> list[Row]:
        return stack.rows(
            f"SELECT sum(count)::int, count(DISTINCT window_start)::int, max(window_end - window_start) "
            f"FROM {view(stack, name)}"
        )

    assert in_both_layers(stack, lambda: windows("arrivals"))[0][::2] == (3, timedelta(minutes=1))
    counted, windows_of_ten, length = windows("arrivals_sliding")[0]
    assert (counted, length) == (3 * 10, timedelta(minutes=10))
    assert windows_of_ten >= 10


def observation(number: int, when: datetime, velocity: float, kind: str = "meteorite", **more: Any) -> Event:
    return {
        "observation_id": str(number), "object_id": f"o-{number}", "name": f"O{number}", "kind": kind,
        "velocity_km_s": velocity, "diameter_m": 1.5, "hazardous": False, "event_time": when.isoformat(), **more,
    }  # fmt: skip


def test_the_last_day_of_space_has_its_kinds_and_the_five_fastest(new_stack: NewStack) -> None:
    stack = declared(new_stack, space.PIPELINE)
    now = datetime.now(UTC) - timedelta(hours=1)
    fastest = (
        f"SELECT one ->> 'observation_id' FROM {view(stack, 'fastest')}, jsonb_array_elements(fastest::jsonb) AS one"
    )
    last_day = (
        "SELECT kind, count, velocity_min, velocity_max, diameter_max, nearest "
        f"FROM {view(stack, 'last_day')} ORDER BY kind"
    )
    stack.send(
        *(observation(number, now - timedelta(hours=number), 10 + number) for number in range(7)),
        observation(7, now - timedelta(hours=24, minutes=10), 99),  # too long ago
        observation(10, now - timedelta(hours=23, minutes=45), 8),
        observation(8, now + timedelta(days=30), 99),  # not yet
        observation(9, now, 3, kind="exoplanet", miss_distance_ld=2.5, diameter_m=9),
    )
    assert in_both_layers(stack, lambda: stack.rows(fastest)) == [("6",), ("5",), ("4",), ("3",), ("2",)]
    assert stack.rows(last_day) == [
        ("exoplanet", 1, 3, 3, 9, Decimal("2.5")), ("meteorite", 8, 8, 16, Decimal("1.5"), None),
    ]  # fmt: skip
    assert stack.rows(f"SELECT reason FROM {view(stack, 'quarantine')}") == [("event_time_in_future",)]


def reading(number: int, co2: int, temperature: float = 21.5, unit: str = "C") -> Event:
    return {
        "reading_id": str(number), "sensor_id": "b1-101-a", "building": "b1", "room": "101", "temperature": temperature,
        "temperature_unit": unit, "humidity": 40, "humidity_unit": "%", "co2": co2, "co2_unit": "ppm",
        "event_time": f"2026-01-01T09:{number // 10:02}:{number % 10:02}Z",
    }  # fmt: skip


def test_the_air_of_a_room_is_bad_after_three_readings_above_1200_and_good_below_1000(new_stack: NewStack) -> None:
    stack = declared(new_stack, sensors.PIPELINE)
    changes = f"SELECT _offset, alert, co2 FROM {view(stack, 'co2_alerts')} ORDER BY _offset"
    co2 = [1201, 1201, 1200, 1201, 1201, 1300, 1000, 1100, 999, 1201]
    stack.send(*(reading(number, ppm) for number, ppm in enumerate(co2)))
    assert in_both_layers(stack, lambda: stack.rows(changes)) == [(5, True, 1300), (8, False, 999)]


def test_a_minute_of_a_sensor_is_in_one_unit_also_as_gold(new_stack: NewStack) -> None:
    stack = declared(new_stack, sensors.PIPELINE)
    minutes = (
        "SELECT window_start, count, celsius_mean, celsius_min, celsius_max, humidity_mean, co2_mean, co2_min, co2_max "
        f"FROM {view(stack, 'minutes')} ORDER BY window_start"
    )
    stack.send(reading(0, 600), reading(1, 800, 72.5, " f"), reading(10, 500), reading(2, 700, 900))
    shown = in_both_layers(stack, lambda: stack.rows(minutes))
    assert shown == [
        (datetime(2026, 1, 1, 9, 0, tzinfo=UTC), 2, 22, Decimal("21.5"), Decimal("22.5"), 40, 700, 600, 800),
        (
            datetime(2026, 1, 1, 9, 1, tzinfo=UTC),
            1,
            Decimal("21.5"),
            Decimal("21.5"),
            Decimal("21.5"),
            40,
            500,
            500,
            500,
        ),
    ]
    columns = ("window_start", "count", "celsius_mean", "celsius_max", "co2_min")
    gold = [(row[0].replace(tzinfo=UTC), *row[1:]) for row in stack.table("gold", *columns)]
    assert gold == [(row[0], row[1], row[2], row[4], row[7]) for row in shown]


def test_housing_is_a_table_of_506_rows_whatever_is_sent_again(new_stack: NewStack) -> None:
    stack = declared(new_stack, housing.PIPELINE)
    table = view(stack, "housing")
    found = records(HOME / "datasets/housing.csv")

    def send(rows: list[Any]) -> None:
        stack.send(*(message.value for message in messages(rows, 100, 3)))

    def summary() -> list[Row]:
        return stack.rows(f"SELECT count(*), round(avg(medv), 4), min(medv), max(medv) FROM {table}")

    def houses() -> dict[int, Any]:
        return dict(stack.rows(f"SELECT id, to_jsonb(t) - 'created_at' FROM {table} AS t"))

    send(found)
    assert in_both_layers(stack, summary) == [(506, Decimal("22.5328"), 5, 50)]
    send(found[:200])  # a producer that was killed, and started again
    send(found)
    assert in_both_layers(stack, summary) == [(506, Decimal("22.5328"), 5, 50)]
    before = houses()
    send([{**found[0], "medv": Decimal("49.0")}, *found[1:], {**found[0], "id": 507, "medv": Decimal("1.0")}])
    edited = in_both_layers(
        stack, lambda: stack.rows(f"SELECT id, medv FROM {table} WHERE id IN (1, 2, 507) ORDER BY id")
    )
    assert edited == [(1, 49), (2, Decimal("21.6")), (507, 1)]
    assert summary()[0][0] == 507
    assert {id_ for id_, house in houses().items() if house != before.get(id_)} == {1, 507}
    indexes = "SELECT indexdef FROM pg_indexes WHERE schemaname || '.' || tablename = %s"
    indexed = {definition.split("(")[1].rstrip(")") for (definition,) in stack.owner(indexes, table)}
    assert {"id", "medv", "created_at"} <= {name.strip('"') for name in indexed}
    kinds = dict(stack.owner("SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute "
                             "WHERE attrelid = %s::regclass AND attnum > 0", table))  # fmt: skip
    assert kinds == {
        "id": "integer", "crim": "numeric(9,5)", "zn": "numeric(5,2)", "indus": "numeric(5,2)", "chas": "integer",
        "nox": "numeric(6,4)", "rm": "numeric(6,4)", "age": "numeric(5,2)", "dis": "numeric(7,4)", "rad": "integer",
        "tax": "integer", "ptratio": "numeric(5,2)", "b": "numeric(6,2)", "lstat": "numeric(5,2)",
        "medv": "numeric(5,2)", "created_at": "timestamp with time zone",
    }  # fmt: skip


def test_topics_are_named_as_people_know_them_and_have_their_partitions() -> None:
    shipped = (housing.PIPELINE, products.PIPELINE, sensors.PIPELINE, space.PIPELINE)
    topics = {one.name: one.topic.name for one in shipped}
    assert topics == {
        "housing": "housing-data", "products": "openfood-topic", "sensors": "iot_smartech", "space": "space_data",
    }  # fmt: skip
    assert (sensors.PIPELINE.topic.partitions, space.PIPELINE.topic.partitions) == (3, 3)
