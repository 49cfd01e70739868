"""What the sensors of three buildings measure: day and night, people, noise, drop-outs, and the wrong unit."""

import itertools
from collections import defaultdict
from decimal import Decimal
from random import Random
from statistics import mean

import pytest

from producers import climate
from producers.climate import DAY, START, Reading, Room, occupancy, readings

SENSORS = [f"b{b}-10{r}-{s}" for b, r, s in itertools.product((1, 2, 3), (1, 2, 3, 4), "ab")]  # in their turn


def celsius(one: Reading) -> Decimal:
    return (one.temperature - 32) * 5 / 9 if one.temperature_unit == "F" else one.temperature


def measured(days: float, seed: int = 1) -> dict[str, list[tuple[int, Reading]]]:
    """What each sensor of three buildings measures, with its minute; a minute is over when a sensor's turn is past."""
    found: dict[str, list[tuple[int, Reading]]] = defaultdict(list)
    minute, last = START, -1
    for one in readings(3, Random(seed)):  # noqa: S311
        place = SENSORS.index(one.sensor_id)
        minute, last = minute + (place <= last), place
        if minute >= START + days * DAY:
            return found
        found[one.sensor_id].append((minute, one))
    raise AssertionError("the readings have an end")


def test_a_day_is_warm_and_dry_in_the_afternoon_and_the_air_is_fresh_at_night() -> None:
    by_hour: dict[int, list[Reading]] = defaultdict(list)
    for minute, one in itertools.chain(*measured(days=2).values()):
        by_hour[minute // 60 % 24].append(one)

    def average(hour: int, name: str) -> float:
        return mean(float(getattr(one, name)) for one in by_hour[hour] if one.temperature_unit == "C")

    assert average(15, "temperature") > average(3, "temperature") + 2
    assert average(15, "humidity") < average(3, "humidity") - 5
    assert average(4, "co2") == pytest.approx(climate.OUTDOORS, abs=30)
    assert average(16, "co2") > 900


def test_people_come_in_working_hours_and_nobody_at_night() -> None:
    assert occupancy(10 * 60) > occupancy(12 * 60) > occupancy(3 * 60) == 0
    assert occupancy(DAY + 10 * 60) == occupancy(10 * 60)


@pytest.mark.parametrize("people", [0, 4, 10])
def test_the_co2_of_a_room_tends_to_what_its_people_breathe_out_over_what_is_ventilated(people: int) -> None:
    room = Room("b1", "101", people, people=people, people_until=10_000, co2=1_000)
    for minute in range(600):
        room.pass_minute(minute, Random(1))  # noqa: S311

    assert room.co2 == pytest.approx(420 + people * 200, abs=1)


def test_two_sensors_of_a_room_agree_but_for_their_noise() -> None:
    found = measured(days=0.5)
    first, second = dict(found["b1-101-a"]), dict(found["b1-101-b"])
    pairs = [
        (celsius(first[minute]), celsius(second[minute]), first[minute].co2, second[minute].co2)
        for minute in first.keys() & second.keys()
    ]

    assert len(pairs) > 500
    assert sum(t != u and c != d for t, u, c, d in pairs) > 0.8 * len(pairs)
    assert all(abs(t - u) < 2 and abs(c - d) < 150 for t, u, c, d in pairs)


def test_a_sensor_is_silent_for_a_while_now_and_then_and_comes_back() -> None:
    gaps = [
        after - before - 1
        for one in measured(days=2).values()
        for (before, _), (after, _) in itertools.pairwise(one)
        if after - before > 1
    ]

    assert 30 < len(gaps) < 150
    assert min(gaps) >= 10
    assert max(gaps) < 180


def test_a_sensor_measures_in_fahrenheit_for_a_while_now_and_then_and_says_so() -> None:
    for sensor, found in measured(days=3).items():
        runs = [(unit, len(list(run))) for unit, run in itertools.groupby(one.temperature_unit for _, one in found)]
        assert {unit for unit, _ in runs} == {"C", "F"}, sensor
        for (_, before), (_, after) in itertools.pairwise(found):
            assert before.temperature_unit == after.temperature_unit or abs(celsius(before) - celsius(after)) < 3
