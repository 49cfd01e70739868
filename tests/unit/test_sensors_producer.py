"""The messages of the sensors: what they hold, what becomes of them on their way, and the files they are dropped in."""

import itertools
import json
import re
from collections import Counter, defaultdict
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from app.settings import settings
from producers.climate import Reading
from producers.producing import Message
from producers.sensors import FAULTS, Sensors, main

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
FIELDS = ["reading_id", *Reading._fields, "event_time"]
VALUE = re.compile(
    rb'"temperature": -?\d+\.\d\d, "temperature_unit": "[CF]", "humidity": \d+\.\d, "humidity_unit": "%", '
    rb'"co2": \d+, "co2_unit": "ppm", '
)
SENSORS = 24  # of three buildings

percentages = st.sampled_from([0.0, 5.0, 50.0, 100.0])
sequences = st.builds(
    Sensors,
    buildings=st.integers(1, 3),
    duplicates=percentages,
    late=percentages,
    bad=percentages,
    seed=st.integers(),
)


def messages(sequence: Sensors, count: int = 40, at: datetime = NOON) -> list[Message]:
    """The messages of so many readings that are all taken at one moment."""
    return list(sequence.messages(range(count), lambda: at))


def reading(message: Message) -> dict[str, Any]:
    decoded: dict[str, Any] = json.loads(message.value, parse_float=Decimal)
    return decoded


def celsius(found: dict[str, Any]) -> Decimal:
    value: Decimal = found["temperature"]
    return (value - 32) * 5 / 9 if found["temperature_unit"] == "F" else value


def sound(found: dict[str, Any]) -> bool:
    """Whether all three quantities are there, in a unit that is known, and possible."""
    units = (found["temperature_unit"] in ("C", "F"), found["humidity_unit"] == "%", found["co2_unit"] == "ppm")
    if not all(units) or not all(isinstance(found[name], Decimal | int) for name in ("temperature", "humidity", "co2")):
        return False
    return -40 <= celsius(found) <= 60 and 0 <= found["humidity"] <= 100 and 300 <= found["co2"] <= 10_000


@given(sequences)
def test_a_seed_gives_the_same_messages_again(sequence: Sensors) -> None:
    assert messages(sequence) == messages(sequence)


@given(sequences)
def test_a_seed_gives_the_same_readings_at_any_time(sequence: Sensors) -> None:
    later = timedelta(days=200, hours=7)
    pairs = zip(messages(sequence), messages(sequence, at=NOON + later), strict=True)

    for now, then in ((reading(one), reading(other)) for one, other in pairs):
        times = (datetime.fromisoformat(found.pop("event_time")) for found in (then, now))
        assert next(times) - next(times) == later
        assert now == then


@given(sequences)
def test_ids_of_other_seeds_options_or_runs_without_a_seed_are_others(sequence: Sensors) -> None:
    others = [
        replace(sequence, seed=(sequence.seed or 0) + 1),
        replace(sequence, buildings=sequence.buildings + 1),
        replace(sequence, seed=None),
        replace(sequence, seed=None),
    ]
    ids = [{reading(message)["reading_id"] for message in messages(one, 5)} for one in [sequence, *others]]

    assert len(set.union(*ids)) == sum(len(own) for own in ids)


@given(sequences)
def test_a_message_is_one_reading_keyed_by_its_sensor_which_says_where_it_is(sequence: Sensors) -> None:
    for message in messages(sequence):
        found = reading(message)
        assert list(found) == FIELDS
        assert message.key.decode() == found["sensor_id"]
        assert found["sensor_id"].startswith(f"{found['building']}-{found['room']}-")


@given(sequences)
def test_every_reading_has_an_id_of_its_own_that_only_its_duplicate_repeats(sequence: Sensors) -> None:
    sent = messages(sequence)
    first = [message for message in sent if message.kind != "duplicate"]
    again = [message for message in sent if message.kind == "duplicate"]

    assert len({reading(message)["reading_id"] for message in first}) == len(first) == 40
    assert not Counter((m.key, m.value) for m in again) - Counter((m.key, m.value) for m in first if m.kind != "bad")


@given(sequences)
def test_a_reading_is_sound_unless_it_is_bad_and_written_with_fixed_digits(sequence: Sensors) -> None:
    for message in messages(sequence):
        assert sound(reading(message)) == (message.kind != "bad")
        assert message.kind == "bad" or VALUE.search(message.value)


@pytest.mark.parametrize("fault", FAULTS, ids=str)
@pytest.mark.parametrize("unit", ["C", "F"])
def test_every_fault_makes_a_reading_unsound_in_either_unit_and_comes(fault: dict[str, Any], unit: str) -> None:
    temperature = {"C": Decimal("20.00"), "F": Decimal("68.00")}[unit]
    whole = Reading("b1-101-a", "b1", "101", temperature, unit, Decimal("40.0"), "%", 600, "ppm")._asdict()
    bad = [reading(message) for message in messages(Sensors(bad=100.0, seed=1), 200)]

    assert sound(whole)
    assert not sound(whole | fault)
    assert any(fault.items() <= found.items() for found in bad)


@pytest.mark.parametrize("percent", [0.0, 3.0, 40.0, 100.0])
@pytest.mark.parametrize(("option", "kind"), [("duplicates", "duplicate"), ("late", "late"), ("bad", "bad")])
def test_shares_are_those_that_were_asked_for(option: str, kind: str, percent: float) -> None:
    shares: dict[str, Any] = {option: percent}
    found = Counter(message.kind for message in messages(Sensors(seed=1, **shares), 10_000))

    assert found[kind] / 100 == pytest.approx(percent, abs=0 if percent in (0, 100) else 1.5)


def test_late_readings_are_up_to_three_days_late_and_others_are_of_now() -> None:
    for message in messages(Sensors(late=50.0, seed=1), 1_000):
        late = NOON - datetime.fromisoformat(reading(message)["event_time"])
        assert timedelta(0) < late <= timedelta(days=3) if message.kind == "late" else late == timedelta(0)


@pytest.mark.parametrize("buildings", [1, 3, 12])
def test_every_building_has_four_rooms_with_two_sensors_each(buildings: int) -> None:
    found = [reading(message) for message in messages(Sensors(buildings=buildings, seed=1), 20 * buildings)]
    rooms: dict[tuple[str, str], set[str]] = defaultdict(set)
    for one in found:
        rooms[one["building"], one["room"]].add(one["sensor_id"])

    assert len({building for building, _ in rooms}) == buildings
    assert len(rooms) == 4 * buildings
    assert all(len(sensors) == 2 for sensors in rooms.values())


def alerts(found: list[dict[str, Any]]) -> list[str]:
    """Changes of the alert of one sensor: on after three readings in a row above 1,200 ppm, off below 1,000 ppm."""
    above, changes = 0, ["off"]
    for one in found:
        above = above + 1 if one["co2"] > 1_200 else 0
        if changes[-1] == "off" and above >= 3:
            changes.append("on")
        elif changes[-1] == "on" and one["co2"] < 1_000:
            changes.append("off")
    return changes[1:]


@pytest.mark.parametrize("seed", range(5))
def test_co2_rises_into_an_alert_within_1000_readings_and_out_of_it_within_5000(seed: int) -> None:
    by_sensor: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for place, message in enumerate(messages(Sensors(seed=seed), 5_000)):
        by_sensor[message.key.decode()].append(reading(message))
        if place == 1_000:
            assert any(alerts(found) for found in by_sensor.values())

    changes = Counter(itertools.chain(*(alerts(found) for found in by_sensor.values())))
    assert changes["on"] >= changes["off"] > 3
    assert len(by_sensor) == SENSORS


def test_files_hold_the_readings_of_the_seed_and_the_count(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["--files", str(tmp_path / "in"), "--count", "2500", "--seed", "5", "--rate", "0"])
    found = [path.read_bytes().splitlines() for path in sorted((tmp_path / "in").iterdir())]

    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.startswith("dropped 3 files, 0 of them again, 0 half-written at first, with 2,500 messages in ")
    assert [len(file) for file in found] == [1_000, 1_000, 500]
    expected = [reading(message) for message in messages(Sensors(named="d", bad=1.0, seed=5), 2_500)]
    for line, one in zip(itertools.chain(*found), expected, strict=True):
        assert json.loads(line, parse_float=Decimal) | {"event_time": None} == one | {"event_time": None}


def test_files_without_a_folder_are_dropped_where_the_streaming_job_looks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DROPS_PATH", str(tmp_path))
    settings.cache_clear()
    done = CliRunner().invoke(main, ["--files", "--count", "10", "--rate", "0"])
    settings.cache_clear()

    assert (done.exit_code, done.stderr) == (0, "")
    (file,) = (tmp_path / "sensors").iterdir()
    assert len(file.read_bytes().splitlines()) == 10


def test_files_can_come_twice_and_half_written(tmp_path: Path) -> None:
    options = ["--count", "100", "--rate", "0", "--twice", "100", "--half-written", "100"]
    done = CliRunner().invoke(main, ["--files", str(tmp_path), *options])

    assert done.stdout.startswith("dropped 1 files, 1 of them again, 1 half-written at first, with 100 messages in ")
    (one, other) = tmp_path.iterdir()
    assert one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize("option", ["--twice", "--half-written"])
def test_what_becomes_of_files_needs_a_folder(option: str) -> None:
    done = CliRunner().invoke(main, [option, "10"])

    assert done.exit_code == 2
    assert "name their folder with --files" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [["--rate", "-1"], ["--count", "0"], ["--buildings", "0"], ["--bad", "101"], ["--twice", "-1"],
     ["--half-written", "101"], ["--files", __file__]],
)  # fmt: skip
def test_an_option_out_of_range_is_refused_by_name(arguments: list[str]) -> None:
    done = CliRunner().invoke(main, arguments)

    assert done.exit_code == 2
    assert arguments[0] in done.stderr
