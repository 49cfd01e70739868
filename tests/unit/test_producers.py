"""The transactions that the producer makes, and how producers send: at a rate, until a signal or an error."""

import itertools
import json
import os
import re
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from kafka.errors import KafkaTimeoutError
from kafka.future import Future

from app.pipelines.transactions import PIPELINE
from app.settings import HOME
from producers import producing
from producers.producing import Delivery, Message, Pace, ProduceError, Run
from producers.transactions import HISTORY_DAYS, HISTORY_END, Transactions, amount, history, main

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
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


def messages(sequence: Transactions, count: int = 40) -> list[Message]:
    """The messages of so many events that all happen at noon."""
    return list(sequence.messages(range(count), lambda: NOON))


def event(message: Message) -> dict[str, Any]:
    decoded: dict[str, Any] = json.loads(message.value, parse_float=Decimal)
    return decoded


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


def test_numbers_end_at_the_count_and_not_at_all_without_one() -> None:
    assert list(Run("", 0, 3, None).numbers()) == [0, 1, 2]
    assert [number for _, number in zip(range(5), Run("", 0, None, None).numbers(), strict=False)] == [0, 1, 2, 3, 4]


class Clock:
    """A clock that shows what a test says."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_messages_are_due_at_the_rate() -> None:
    clock = Clock()
    pace = Pace(4, clock)

    assert [pace.delay() for _ in range(3)] == [0.0, 0.25, 0.5]
    clock.now += 0.5
    assert pace.delay() == 0.25


def test_after_a_stall_only_a_burst_is_caught_up() -> None:
    clock = Clock()
    pace = Pace(10, clock)
    clock.now += 3_600

    assert sum(pace.delay() == 0 for _ in range(100)) == pytest.approx(10 * producing.MAX_BURST, abs=1)


def test_rate_zero_never_waits() -> None:
    pace = Pace(0, Clock())

    assert {pace.delay() for _ in range(100)} == {0.0}


class Client:
    """Stands in for the Kafka client: fails from a certain message on, or leaves all unacknowledged."""

    def __init__(self, fails_from: int | None = None, *, acknowledges: bool = True) -> None:
        self.sent = 0
        self.fails_from = fails_from
        self.acknowledges = acknowledges

    def send(self, *_: Any, **__: Any) -> Any:
        future: Any = Future()
        self.sent += 1
        if self.fails_from is not None and self.sent >= self.fails_from:
            return future.failure(KafkaTimeoutError("too late"))
        return future.success(None) if self.acknowledges else future

    def flush(self, timeout: float) -> None:
        if not self.acknowledges:
            raise KafkaTimeoutError(f"not within {timeout} s")


def send(delivery: Delivery, *kinds: str) -> None:
    for kind in kinds:
        delivery.send(Message(b"", b"", kind))


def test_a_message_that_is_not_delivered_stops_the_producer() -> None:
    client = Client(fails_from=3)
    delivery = Delivery(client, "topic")

    with pytest.raises(ProduceError, match=r"1 of 3 messages to the topic topic .*too late"):
        send(delivery, *["new"] * 10)
    assert (client.sent, delivery.sent, delivery.acknowledged) == (3, 3, 2)


def test_what_is_not_acknowledged_in_time_is_an_error() -> None:
    delivery = Delivery(Client(acknowledges=False), "topic")
    send(delivery, "new")

    with pytest.raises(ProduceError, match="1 of 1 messages to the topic topic were not acknowledged"):
        delivery.flush()


def test_kinds_are_counted() -> None:
    delivery = Delivery(Client(), "topic")
    send(delivery, "new", "bad", "new")
    delivery.flush()

    assert (delivery.sent, delivery.acknowledged, delivery.kinds) == (3, 3, {"new": 2, "bad": 1})
    assert str(delivery).startswith("sent 3, acknowledged 3 in ")


@pytest.fixture
def fake_kafka(monkeypatch: pytest.MonkeyPatch) -> Client:
    """What `produce` takes for a Kafka that has every topic."""
    client = Client()

    class Admin:
        def __init__(self, **_: Any) -> None: ...
        def __enter__(self) -> Any:
            return self

        def __exit__(self, *_: object) -> None: ...
        def list_topics(self) -> list[str]:
            return ["topic"]

    monkeypatch.setattr(client, "close", lambda **_: None, raising=False)
    monkeypatch.setattr(producing, "KafkaAdminClient", Admin)
    monkeypatch.setattr(producing, "KafkaProducer", lambda **_: client)
    return client


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_long_wait_at_once(fake_kafka: Client, number: signal.Signals) -> None:
    def messages() -> Iterator[Message]:
        yield Message(b"", b"")
        raise AssertionError("the second message is due in an hour")

    handler, started = signal.getsignal(number), time.monotonic()
    sender = threading.Timer(0.1, os.kill, (os.getpid(), number))
    sender.start()
    delivery = producing.produce(messages(), "topic", "nowhere", rate=1 / 3600)
    sender.join()

    assert delivery.sent == delivery.acknowledged == fake_kafka.sent == 1
    assert time.monotonic() - started < 2
    assert signal.getsignal(number) is handler


@pytest.mark.usefixtures("fake_kafka")
def test_a_missing_topic_is_an_error_that_names_the_command() -> None:
    with pytest.raises(ProduceError, match=r"no topic other; make it with \./scripts/topics"):
        producing.produce([], "other", "nowhere")
