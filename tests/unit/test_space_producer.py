"""The messages of observations: what they hold, and what becomes of them on their way."""

import json
import re
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from statistics import mean
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from producers.producing import Message
from producers.sky import catalogue
from producers.space import SHARES, Observations, main

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
BODIES = {body.object_id: body for bodies in catalogue().values() for body in bodies}
FIELDS = [
    "observation_id", "object_id", "name", "kind", "velocity_km_s", "diameter_m", "miss_distance_ld", "hazardous",
    "event_time",
]  # fmt: skip
VALUE = re.compile(
    rb'"velocity_km_s": \d+\.\d{3}, "diameter_m": \d+\.\d, "miss_distance_ld": (\d+\.\d{3}|null), "hazardous": [tf]'
)

percentages = st.sampled_from([0.0, 5.0, 50.0, 100.0])
sequences = st.builds(Observations, duplicates=percentages, late=percentages, seed=st.integers())


def messages(sequence: Observations, count: int = 40, at: datetime = NOON) -> list[Message]:
    """The messages of so many observations that are all made at one moment."""
    return list(sequence.messages(range(count), lambda: at))


def observation(message: Message) -> dict[str, Any]:
    decoded: dict[str, Any] = json.loads(message.value, parse_float=Decimal)
    return decoded


@given(sequences)
def test_a_seed_gives_the_same_observations_at_any_time(sequence: Observations) -> None:
    later = timedelta(days=200, hours=7)
    first, again, others = (messages(sequence), messages(sequence), messages(sequence, at=NOON + later))

    assert first == again
    for now, then in zip(map(observation, first), map(observation, others), strict=True):
        assert datetime.fromisoformat(then.pop("event_time")) - datetime.fromisoformat(now.pop("event_time")) == later
        assert now == then


@given(sequences)
def test_ids_of_other_seeds_options_or_runs_without_a_seed_are_others(sequence: Observations) -> None:
    others = [
        replace(sequence, seed=(sequence.seed or 0) + 1),
        replace(sequence, late=1.0),
        replace(sequence, seed=None),
        replace(sequence, seed=None),
    ]
    ids = [{observation(message)["observation_id"] for message in messages(one, 5)} for one in [sequence, *others]]

    assert len(set.union(*ids)) == sum(len(own) for own in ids)


@given(sequences)
def test_every_observation_has_an_id_of_its_own_that_only_its_duplicate_repeats(sequence: Observations) -> None:
    sent = messages(sequence)
    first = [message for message in sent if message.kind != "duplicate"]
    again = [message for message in sent if message.kind == "duplicate"]

    assert len({observation(message)["observation_id"] for message in first}) == len(first) == 40
    assert not Counter((m.key, m.value) for m in again) - Counter((m.key, m.value) for m in first)


@given(sequences)
def test_a_message_is_one_observation_of_one_object_keyed_by_it_with_fixed_digits(sequence: Observations) -> None:
    for message in messages(sequence):
        found = observation(message)
        body = BODIES[found["object_id"]]
        assert list(found) == FIELDS
        assert VALUE.search(message.value)
        assert message.key.decode() == body.object_id
        assert (found["name"], found["kind"], found["hazardous"]) == (body.name, body.kind, body.hazardous)


def test_what_is_observed_is_the_object_with_an_error_and_no_nearer_than_it_can_come() -> None:
    ratios: dict[str, list[float]] = {"velocity_km_s": [], "diameter_m": []}
    misses = []
    for found in map(observation, messages(Observations(seed=1), 10_000)):
        body = BODIES[found["object_id"]]
        ratios["velocity_km_s"].append(float(found["velocity_km_s"]) / body.velocity)
        ratios["diameter_m"].append(float(found["diameter_m"]) / body.diameter)
        if body.nearest is None:
            assert found["miss_distance_ld"] is None
        else:
            misses.append(float(found["miss_distance_ld"]) - body.nearest)

    assert mean(ratios["velocity_km_s"]) == pytest.approx(1, abs=0.001)
    assert 0.03 < max(ratios["velocity_km_s"]) - 1 < 0.06
    assert mean(ratios["diameter_m"]) == pytest.approx(1, abs=0.002)
    assert 0.09 < max(ratios["diameter_m"]) - 1 < 0.18
    assert min(misses) >= -0.001
    assert 5 < mean(misses) < 30


def test_the_kinds_have_their_shares_and_every_object_is_observed() -> None:
    found = [observation(message) for message in messages(Observations(seed=1), 20_000)]
    kinds = Counter(one["kind"] for one in found)

    assert set(kinds) == set(catalogue()) == set(SHARES)
    for kind, percent in SHARES.items():
        assert kinds[kind] / 200 == pytest.approx(percent, abs=1.5)
    assert {one["object_id"] for one in found} == set(BODIES)


@pytest.mark.parametrize("percent", [0.0, 3.0, 40.0, 100.0])
@pytest.mark.parametrize(("option", "kind"), [("duplicates", "duplicate"), ("late", "late")])
def test_shares_are_those_that_were_asked_for(option: str, kind: str, percent: float) -> None:
    shares: dict[str, Any] = {option: percent}
    found = Counter(message.kind for message in messages(Observations(seed=1, **shares), 10_000))

    assert found[kind] / 100 == pytest.approx(percent, abs=0 if percent in (0, 100) else 1.5)


def test_the_rate_is_20_a_second_if_nothing_else_is_asked_for() -> None:
    assert re.search(r"--rate .*\[default: 20;", CliRunner().invoke(main, ["--help"]).output, re.DOTALL)


@pytest.mark.parametrize("arguments", [["--rate", "-1"], ["--count", "0"], ["--late", "101"], ["--duplicates", "-1"]])
def test_an_option_out_of_range_is_refused_by_name(arguments: list[str]) -> None:
    done = CliRunner().invoke(main, arguments)

    assert done.exit_code == 2
    assert arguments[0] in done.stderr
