"""The demo: the whole stack on this machine, with events that arrive, and a table that moves."""

import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain, cycle
from types import FrameType

from rich.console import Console, Group
from rich.live import Live
from tenacity import RetryError, Retrying, retry_if_result, stop_after_delay, wait_fixed

from app import pipelines as declared
from app.options import PORTS, parser
from embedded.process import ServerError
from embedded.stack import EXPECTED, SPEED_INTERVAL, Ports, Stack
from embedded.tables import failures, overview, shown, view_of
from producers.each import DISORDER


class Stopped(BaseException):
    """A signal asks for the end. A KeyboardInterrupt, even handled, can make Python end as if it were not."""


console = Console()
TURN_SECONDS = 5  # that the view of a pipeline is shown before that of the next
PUBLISH_SECONDS = 600  # within which a batch publishes, on a slow machine too
SPEED_INTERVAL_ONCE = 10  # as nobody looks, and two versions are to be published soon
ARRIVE_SECONDS = 400  # that the events of --once would take to arrive; two versions are published sooner


@contextmanager
def step(text: str) -> Iterator[None]:
    """Says that something is being done, and how long it took."""
    began = time.monotonic()
    with console.status(f"{text} …") if console.is_terminal else _said(f"{text} …"):
        yield
    console.print(f"[green]✓[/] {text} [dim]({time.monotonic() - began:.1f} s)[/]")


@contextmanager
def _said(text: str) -> Iterator[None]:
    console.print(text)
    yield


def start(stack: Stack) -> None:
    """Starts all but the batch job and the producers, what does not wait for another side by side."""
    with step("Postgres: roles, migrations, tables"):
        stack.start_postgres()
    metastore = stack.begin_metastore()
    api, dashboard = stack.begin_face("api", "backend"), stack.begin_face("dashboard", "dashboard")
    with step("Kafka"):
        stack.start_kafka()
    with step("Hive metastore"):
        metastore()
    streaming, sql = stack.begin_streaming(), stack.begin_sql()
    with step("API and dashboard"):
        api()
        dashboard()
    with step("HiveServer2: the lake in SQL"):
        sql()
    with step("streaming job: archive and speed layer"):
        streaming()
    console.print(f"  API        http://127.0.0.1:{stack.ports.api}/pipelines")
    console.print(f"  dashboard  http://127.0.0.1:{stack.ports.dashboard}")
    console.print(f"  SQL        hive2://{stack.settings.hive_user}@127.0.0.1:{stack.ports.sql}")
    console.print(f"  logs       {stack.data / 'logs'}")


def show_until_stopped(stack: Stack, stopped: Callable[[], bool]) -> None:
    """Shows how far the pipelines are, and a merged view of each in turn, refreshed every second, until `stopped`."""
    turns = (pipeline for pipeline in cycle(stack.pipelines) for _ in range(TURN_SECONDS))
    with Live(console=console, auto_refresh=False) as live:
        wait = Retrying(wait=wait_fixed(1), retry=retry_if_result(lambda done: not done))

        def look() -> bool:
            stack.require_running()
            pipeline = next(turns)
            parts = lambda: overview(stack), lambda: failures(stack), lambda: view_of(stack, pipeline)
            live.update(Group(*map(shown, parts)), refresh=console.is_terminal)
            return stopped()

        wait(look)


def once(stack: Stack, events: int) -> None:
    """History and `events` live events of each pipeline, two publishes while they arrive, and the proof.

    Once both are done, what is left of the events comes at once. For a pipeline whose events have all been counted by
    the first, that is enough.

    Raises:
        ServerError: something ended with an error, or the merged view is not exact.
    """
    before = {name: sum(offsets.values()) for name, offsets in stack.committed().items()}
    versions = stack.published()
    options = {"count": events, "rate": max(1, events // ARRIVE_SECONDS)} | DISORDER
    producers = {pipeline.name: stack.start_producers(pipeline, options) for pipeline in stack.pipelines}
    batch = stack.start_batch(every=1)

    def counts_all(name: str) -> bool:
        ended = not any(producer.running for producer in producers[name])
        return ended and stack.counted()[name] == sum(stack.sent()[name].values())

    def enough(name: str, version: int) -> bool:
        return version >= versions[name] + 2 or (version > versions[name] and counts_all(name))

    with step(f"batches publish while up to {events:,} live events of each pipeline arrive"):
        _wait(stack, lambda: all(enough(name, version) for name, version in stack.published().items()))
        at_second = _messages(stack, stack.sent())
        _wait(stack, lambda: all(now > before[name] for name, now in stack.counted().items()))
    batch.ask_to_stop()  # what it has not counted yet is the speed layer's part of the proof
    with step("the other events arrive, all at once"):
        started = list(chain.from_iterable(producers.values()))
        for producer in started:
            producer.send(signal.SIGUSR1)
        _wait(stack, lambda: not any(producer.running for producer in started))
        expected = stack.sent()
        _wait(stack, lambda: stack.committed() == expected)
    console.print(f"  {_messages(stack, expected) - at_second:,} messages came after the second version")
    with step("the batch job ends what it has begun"):
        _require(batch.wait(PUBLISH_SECONDS), "the batch job failed")
    console.print(overview(stack))
    prove(stack)


def prove(stack: Stack) -> None:
    """Publishes the merged views to the lake, and recounts everything.

    Raises:
        ServerError: either ended with an error, as verification does where a row is not exact.
    """
    with step("serving job, the merged views to the lake; verification, a recount of everything"):
        done = stack.run({"serving": ["--rows", "5"], "verify": []})
    for _, printed in done.values():
        console.out(printed, end="", highlight=False)
    _require(done["serving"][0], "the serving job failed")
    _require(done["verify"][0], "the merged views are not exact")


def _messages(stack: Stack, ends: Mapping[str, Mapping[int, int]]) -> int:
    """Messages of all topics. `ends`: where the topic of each pipeline ends; one that several read counts once."""
    by_topic = {pipeline.topic.name: ends[pipeline.name] for pipeline in stack.pipelines}
    return sum(end for topic in by_topic.values() for end in topic.values())


def _require(code: int, otherwise: str) -> None:
    if code:
        raise ServerError(f"{otherwise} (exit code {code})")


def _wait(stack: Stack, condition: Callable[[], bool]) -> None:
    def look() -> bool:
        stack.require_running()
        return condition()

    try:
        Retrying(
            stop=stop_after_delay(PUBLISH_SECONDS), wait=wait_fixed(0.5), retry=retry_if_result(lambda done: not done)
        )(look)
    except RetryError:
        stopped = "".join(f"\n{name} ({job}): {reason.splitlines()[0]}" for name, job, _, reason, _ in stack.failed())
        logs = stack.data / "logs"
        raise ServerError(f"waited {PUBLISH_SECONDS} s in vain; see the logs in {logs}{stopped}") from None


def main() -> None:
    asked = parser("demo").parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    ports = Ports(**{server: getattr(asked, f"{server}_port") for server in PORTS})
    try:
        pipelines = declared.select(asked.pipelines)
        ports.require()
        interval = SPEED_INTERVAL_ONCE if asked.once else SPEED_INTERVAL
        with Stack(asked.data, ports, pipelines, interval, bounded=asked.once) as stack:
            if asked.reset:
                stack.reset()
            try:
                start(stack)
                if asked.once:
                    once(stack, asked.events)
                else:
                    stack.start_batch(asked.every)
                    rate = {} if asked.rate is None else {"rate": asked.rate}
                    for pipeline in pipelines:
                        stack.start_producers(pipeline, rate | DISORDER)
                    show_until_stopped(stack, stopped=lambda: False)
            finally:
                console.print("stopping …")
    except EXPECTED as error:
        console.print(f"[red]error:[/] {error}", highlight=False)
        sys.exit(1)
    except Stopped:
        console.print("stopped; the data is kept in", str(asked.data))
        sys.exit(130 if asked.once else 0)


def _stop(_: int, __: FrameType | None) -> None:
    raise Stopped


if __name__ == "__main__":
    main()
