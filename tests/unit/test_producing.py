"""How producers send: at a rate, until all is sent, a signal comes or a message is not delivered."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from kafka.errors import KafkaTimeoutError
from kafka.future import Future

from app.stopping import Stop
from producers import producing
from producers.options import Run
from producers.producing import Delivery, Message, Pace, ProduceError


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


def test_without_a_burst_nothing_is_caught_up() -> None:
    clock = Clock()
    pace = Pace(10, clock, burst=0)
    clock.now += 3_600

    assert [pace.delay() for _ in range(3)] == pytest.approx([0, 0.1, 0.2])


def test_rate_zero_never_waits() -> None:
    pace = Pace(0, Clock())

    assert {pace.delay() for _ in range(100)} == {0.0}


class Client:
    """Stands in for the Kafka client: fails from a certain message on, or leaves all unacknowledged."""

    def __init__(self, fails_from: int | None = None, *, acknowledges: bool = True) -> None:
        self.sent = 0
        self.has_sent = threading.Event()
        self.fails_from = fails_from
        self.acknowledges = acknowledges

    def send(self, *_: Any, **__: Any) -> Any:
        future: Any = Future()
        self.sent += 1
        self.has_sent.set()
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
    assert str(delivery).endswith(" a second (1 bad, 2 new)")


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

    def signals() -> None:
        assert fake_kafka.has_sent.wait(60)
        time.sleep(0.1)  # by then it waits; a signal that comes earlier ends that wait too
        os.kill(os.getpid(), number)

    sender = threading.Thread(target=signals)
    sender.start()
    delivery = producing.produce(messages(), "topic", "nowhere", rate=1 / 3600)
    sender.join()

    assert delivery.sent == delivery.acknowledged == fake_kafka.sent == 1
    assert time.monotonic() - started < 60
    assert signal.getsignal(number) is handler


def test_a_signal_ends_the_rate_and_the_rest_goes_at_once(fake_kafka: Client) -> None:
    def messages() -> Iterator[Message]:
        os.kill(os.getpid(), signal.SIGUSR1)
        yield from [Message(b"", b"")] * 3

    handler, started = signal.getsignal(signal.SIGUSR1), time.monotonic()
    producing.produce(messages(), "topic", "nowhere", rate=1 / 3600)

    assert fake_kafka.sent == 3
    assert time.monotonic() - started < 60
    assert signal.getsignal(signal.SIGUSR1) is handler


def test_what_follows_a_delivery_comes_when_all_before_it_is_acknowledged(
    fake_kafka: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    monkeypatch.setattr(fake_kafka, "flush", lambda **_: done.append(f"{fake_kafka.sent} acknowledged"))
    source = (Message(b"", b"", on_delivered=partial(done.append, name) if name else None) for name in ("a", "", "b"))
    producing.produce(source, "topic", "nowhere")

    assert done == ["1 acknowledged", "a", "3 acknowledged", "b", "3 acknowledged"]


def test_nothing_follows_what_was_not_delivered(fake_kafka: Client) -> None:
    fake_kafka.fails_from = 1
    message = Message(b"", b"", on_delivered=lambda: pytest.fail("it was not delivered"))

    with pytest.raises(ProduceError, match="1 of 1 messages"):
        producing.produce([message], "topic", "nowhere")


def test_a_source_that_waits_is_told_to_stop_by_the_signal(fake_kafka: Client) -> None:
    stop = Stop()

    def messages() -> Iterator[Message]:
        yield Message(b"", b"")
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.wait(10)

    producing.produce(messages(), "topic", "nowhere", stop=stop)
    assert fake_kafka.sent == 1


@pytest.mark.usefixtures("fake_kafka")
def test_a_missing_topic_is_an_error_that_names_the_command() -> None:
    with pytest.raises(ProduceError, match=r"no topic other; make it with \./scripts/topics"):
        producing.produce([], "other", "nowhere")
