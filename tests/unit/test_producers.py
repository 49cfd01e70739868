"""The transactions that the producer makes, and how producers send: at a rate, until a signal or an error."""

import itertools
import json
import re
from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from app.pipelines.transactions import PIPELINE
from app.settings import HOME
from producers.transactions import HISTORY_DAYS, HISTORY_END, Transactions, amount, history, main
from tests.unit.sequences import NOON, event, messages

COLUMNS = {column.name for column in PIPELINE.columns}

percentages = st.sampled_from([0.0, 5.0, 50.0, 100.0])
sequences = st.builds(
    Transactions,
    clients=st.integers(1, 50),
    duplicates=percentages,
    late=percentages,
    bad=percentages,
    seed=st.integers(),
)


@given(sequences)
def test_a_seed_gives_the_same_messages_again(sequence: Transactions) -> None:
    assert messages(sequence) == messages(sequence)


@given(sequences)
def test_ids_of_other_seeds_options_or_runs_without_a_seed_are_others(sequence: Transactions) -> None:
    others = [
        replace(sequence, seed=(sequence.seed or 0) + 1),
        replace(sequence, clients=sequence.clients + 1),
        replace(sequence, seed=None),
        replace(sequence, seed=None),
    ]
    ids = [{event(message)["event_id"] for message in messages(one, 5)} for one in [sequence, *others]]

    assert len(set.union(*ids)) == sum(len(own) for own in ids)


@given(sequences)
def test_every_event_has_the_columns_of_the_pipeline_and_is_keyed_by_its_client(sequence: Transactions) -> None:
    for message in messages(sequence):
        found = event(message)
        assert set(found) == COLUMNS
        assert message.kind == "bad" or message.key.decode() == found["client"]


@given(sequences)
def test_every_event_has_an_id_of_its_own_that_only_its_duplicate_repeats(sequence: Transactions) -> None:
    sent = messages(sequence)
    first = [message for message in sent if message.kind != "duplicate"]
    again = [message for message in sent if message.kind == "duplicate"]

    assert len({event(message)["event_id"] for message in first}) == len(first) == 40
    assert not Counter((m.key, m.value) for m in again) - Counter((m.key, m.value) for m in first if m.kind != "bad")


@given(sequences)
def test_amounts_are_numbers_with_two_decimals_and_positive(sequence: Transactions) -> None:
    for message in messages(replace(sequence, bad=0.0)):
        assert re.search(rb'"amount": \d{1,10}\.\d\d[,}]', message.value)
        assert event(message)["amount"] > 0


@given(st.integers(0, 10**12 - 1))
def test_an_amount_is_exactly_its_cents(cents: int) -> None:
    assert Decimal(amount(cents)) * 100 == cents
    assert json.loads(amount(cents), parse_float=Decimal) == Decimal(cents).scaleb(-2)


@pytest.mark.parametrize("percent", [0.0, 3.0, 40.0, 100.0])
@pytest.mark.parametrize(("option", "kind"), [("duplicates", "duplicate"), ("late", "late"), ("bad", "bad")])
def test_shares_are_those_that_were_asked_for(option: str, kind: str, percent: float) -> None:
    shares: dict[str, Any] = {option: percent}
    sequence = Transactions(seed=1, **shares)
    found = Counter(message.kind for message in messages(sequence, 10_000))

    assert found[kind] / 100 == pytest.approx(percent, abs=0 if percent in (0, 100) else 1.5)


def test_late_events_are_up_to_three_days_late_and_others_are_of_now() -> None:
    for message in messages(Transactions(late=50.0, seed=1), 1_000):
        late = NOON - datetime.fromisoformat(event(message)["event_time"])
        if message.kind == "late":
            assert timedelta(0) < late <= timedelta(days=3)
        else:
            assert late == timedelta(0)


def test_duplicates_come_a_little_later_than_what_they_repeat() -> None:
    sent = messages(Transactions(duplicates=20.0, seed=1), 2_000)
    first = {message.value: place for place, message in reversed(list(enumerate(sent)))}
    distances = [place - first[m.value] for place, m in enumerate(sent) if m.kind == "duplicate"]

    assert len(distances) > 300
    assert min(distances) > 0
    assert 50 < max(distances) < 400


def test_a_tenth_of_the_clients_makes_more_than_half_of_the_events() -> None:
    clients = Counter(message.key for message in messages(Transactions(seed=1), 10_000))

    assert sum(number for _, number in clients.most_common(50)) > 5_000
    assert len(clients) > 400


def test_the_bundled_history_is_what_the_producer_makes() -> None:
    assert (HOME / "datasets/transactions.json").read_bytes() == history()


def test_the_bundled_history_is_what_its_description_says() -> None:
    lines = history().splitlines()
    events = [json.loads(line, parse_float=Decimal) for line in lines]
    times = [datetime.fromisoformat(found["event_time"]) for found in events]
    described = (HOME / "datasets/README.md").read_text()

    assert len({found["event_id"] for found in events}) == len(set(lines)) == 5_000
    assert f"{len(lines):,} lines: 5,000 transactions" in described
    assert f"and {len(lines) - 5_000} of them a second time" in described
    assert HISTORY_END - timedelta(days=HISTORY_DAYS) <= min(times) < max(times) < HISTORY_END
    assert sum(before - after > timedelta(hours=12) for before, after in itertools.pairwise(times)) > 2


def test_the_history_is_written_to_the_file_that_is_named(tmp_path: Any) -> None:
    done = CliRunner().invoke(main, ["--to-file", str(tmp_path / "made.json")])

    assert (done.exit_code, done.output) == (0, "")
    assert (tmp_path / "made.json").read_bytes() == history()


@pytest.mark.parametrize(
    "arguments", [["--rate", "-1"], ["--count", "0"], ["--clients", "0"], ["--late", "101"], ["--bad", "-1"]]
)
def test_an_option_out_of_range_is_refused_by_name(arguments: list[str]) -> None:
    done = CliRunner().invoke(main, arguments)

    assert done.exit_code == 2
    assert arguments[0] in done.stderr
