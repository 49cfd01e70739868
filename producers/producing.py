"""Sending: at a rate, until all is sent or a signal comes. SIGUSR1 ends the rate: the rest goes at once.

Every message is counted when it is handed to the client and again when all in-sync replicas have it. The client is
idempotent, so a message that it sends again after an error stands in the topic once.
"""

import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, NamedTuple, Protocol

import click
from kafka import KafkaAdminClient, KafkaProducer
from kafka.errors import KafkaError, KafkaTimeoutError
from rich.console import Console
from rich.live import Live
from rich.text import Text

from app.stopping import Stop

MAX_UNACKNOWLEDGED = 20_000  # messages; the client itself sets no limit to its memory
MAX_BURST = 1.0  # seconds of messages that are sent at once to catch up after a stall
PLAIN_INTERVAL = 5.0  # seconds between two progress lines where there is no terminal
CONNECT_MS = 10_000
REQUEST_MS = 10_000
DELIVERY_MS = 30_000  # from send to acknowledgement, all retries included
LINGER_MS = 50  # that a message waits for others to go with
CLOSE_SECONDS = 2


class Message(NamedTuple):
    """What is sent, and as what it is counted in the totals.

    `partition`: None for that of the key. `on_delivered`: called when this and all messages before it are delivered.
    """

    key: bytes
    value: bytes
    kind: str = "new"
    partition: int | None = None
    on_delivered: Callable[[], None] | None = None


class ProduceError(click.ClickException):
    """Not everything was sent. The message is for the one who runs the producer; the exit code is 1."""


class Pace:
    """When the next message is due. Behind by more than `burst`, in seconds, it does not catch up."""

    def __init__(self, rate: float, clock: Callable[[], float] = time.monotonic, burst: float = MAX_BURST) -> None:
        self._step = 1 / rate if rate else 0.0
        self._clock = clock
        self._burst = burst
        self._due = clock()

    def delay(self) -> float:
        """Seconds until the next message; it is taken as sent then."""
        now = self._clock()
        due = max(self._due, now - self._burst)
        self._due = due + self._step
        return max(0.0, due - now)

    def end(self) -> None:
        """From now on every message is due at once."""
        self._step, self._due = 0.0, self._clock()


class Delivery:
    """Messages on their way to one topic, counted. The counts are safe to read from another thread."""

    def __init__(self, producer: KafkaProducer, topic: str) -> None:
        self._producer = producer
        self._topic = topic
        self._changed = threading.Condition()
        self._started = time.monotonic()
        self.kinds: Counter[str] = Counter()
        self.sent = self.acknowledged = 0
        self.failure: Exception | None = None

    def send(self, message: Message) -> None:
        """Hands a message to the client; waits while too many are unacknowledged.

        Raises:
            ProduceError: an earlier message was not delivered.
            kafka.errors.KafkaError: the client refuses the message.
        """
        with self._changed:
            self._changed.wait_for(self._has_room)
            self.refuse_failure()
            self.sent += 1
            self.kinds[message.kind] += 1
        future = self._producer.send(self._topic, key=message.key, value=message.value, partition=message.partition)
        future.add_callback(self._on_acknowledged).add_errback(self._on_failed)

    def flush(self) -> None:
        """Returns when everything sent has been acknowledged.

        Raises:
            ProduceError: a message was not delivered.
        """
        try:
            self._producer.flush(timeout=DELIVERY_MS / 1000)
        except KafkaTimeoutError as error:
            self.failure = self.failure or error
        with self._changed:
            self.refuse_failure()

    def refuse_failure(self) -> None:
        if self.failure is not None:
            raise ProduceError(
                f"{self.sent - self.acknowledged:,} of {self.sent:,} messages to the topic {self._topic} were not "
                f"acknowledged: {self.failure!r}. Some may be in the topic all the same. Look at the broker's log, "
                "then start again"
            )

    def _has_room(self) -> bool:
        return self.failure is not None or self.sent - self.acknowledged < MAX_UNACKNOWLEDGED

    def _on_acknowledged(self, _: Any) -> None:
        with self._changed:
            self.acknowledged += 1
            self._changed.notify()

    def _on_failed(self, error: Exception) -> None:
        with self._changed:
            self.failure = self.failure or error
            self._changed.notify()

    def __str__(self) -> str:
        counts = f"sent {self.sent:,}, acknowledged {self.acknowledged:,}"
        return totals(counts, self.acknowledged, time.monotonic() - self._started, self.kinds)


def totals(counts: str, delivered: int, seconds: float, kinds: Counter[str]) -> str:
    """The counts with the time they took, the messages delivered in a second, and the messages of each kind."""
    rate = delivered / seconds if seconds else 0.0
    of_kind = ", ".join(f"{number:,} {kind}" for kind, number in sorted(kinds.items()))
    return f"{counts} in {seconds:.1f} s, {rate:,.0f} a second ({of_kind or 'nothing'})"


class Outlet(Protocol):
    """Where messages go. As a text it says how many went."""

    def send(self, message: Message) -> None:
        """Takes a message. Raises ProduceError when one cannot be delivered."""

    def flush(self) -> None:
        """Returns when all that was taken is delivered. Raises ProduceError when that cannot be."""


def deliver(messages: Iterable[Message], outlet: Outlet, rate: float = 0, stop: Stop | None = None) -> None:
    """Sends messages until there are no more or SIGINT or SIGTERM comes; returns when all sent are delivered.

    SIGUSR1 ends the rate: once the message that is waited for has gone, the rest goes without waiting.

    A message is taken from `messages` at the moment it is due, so what it says of the present is true. A source that
    waits by itself gives what the signals set, `stop`, and then waits no longer.
    """
    pace, source, stop = Pace(rate), iter(messages), stop or Stop()
    with _heeding_signals(stop, pace), _progress(outlet):
        while not stop.wait(pace.delay()) and (message := next(source, None)):
            outlet.send(message)
            if message.on_delivered is not None:
                outlet.flush()
                message.on_delivered()
        outlet.flush()


def produce(
    messages: Iterable[Message],
    topic: str,
    bootstrap_servers: str,
    rate: float = 0,
    stop: Stop | None = None,
) -> Delivery:
    """Delivers messages to a topic; returns when all sent are acknowledged. See `deliver`.

    Raises:
        ProduceError: no broker answers, the topic is missing, or a message was not delivered.
    """
    try:
        with _producer(bootstrap_servers, topic) as producer:
            delivery = Delivery(producer, topic)
            deliver(messages, delivery, rate, stop)
            return delivery
    except KafkaError as error:
        raise ProduceError(
            f"no answer from Kafka at {bootstrap_servers}: {error}; is it running, and reachable from here?"
        ) from error


@contextmanager
def _producer(bootstrap_servers: str, topic: str) -> Iterator[KafkaProducer]:
    servers = {"bootstrap_servers": bootstrap_servers.split(",")}
    limits = {"bootstrap_timeout_ms": CONNECT_MS, "request_timeout_ms": REQUEST_MS}
    with KafkaAdminClient(**servers, **limits) as admin:
        if topic not in admin.list_topics():
            raise ProduceError(f"Kafka at {bootstrap_servers} has no topic {topic}; make it with ./scripts/topics")
    producer = KafkaProducer(
        acks="all", enable_idempotence=True, allow_auto_create_topics=False, linger_ms=LINGER_MS,
        delivery_timeout_ms=DELIVERY_MS, max_block_ms=CONNECT_MS, **servers, **limits,
    )  # fmt: skip
    try:
        yield producer
    finally:
        with suppress(KafkaTimeoutError):
            producer.close(timeout=CLOSE_SECONDS)


@contextmanager
def _heeding_signals(stop: Stop, pace: Pace) -> Iterator[None]:
    """SIGINT or SIGTERM sets `stop`, a second one does what it does by default; SIGUSR1 ends the pace."""
    stopping = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in (*stopping, signal.SIGUSR1)}

    def restore(*numbers: signal.Signals) -> None:
        for number in numbers:
            signal.signal(number, before[number])

    def on_stop(_: int, __: FrameType | None) -> None:
        restore(*stopping)
        stop.set()

    for number in stopping:
        signal.signal(number, on_stop)
    signal.signal(signal.SIGUSR1, lambda *_: pace.end())
    try:
        yield
    finally:
        restore(*before)


@contextmanager
def _progress(outlet: Outlet) -> Iterator[None]:
    """Shows the counts on standard error: one live line on a terminal, else a line now and then."""
    console = Console(stderr=True)
    if console.is_terminal:
        shared = sys.stdout.isatty()  # what goes to a file or a pipe stays out of the terminal
        with Live(get_renderable=lambda: Text(str(outlet)), console=console, transient=True, redirect_stdout=shared):
            yield
        return
    done = threading.Event()

    def report() -> None:
        while not done.wait(PLAIN_INTERVAL):
            click.echo(str(outlet), err=True)

    thread = threading.Thread(target=report, name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
