"""Client transactions, live: a few clients buy much, most buy little. Also makes `datasets/transactions.json`."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID, uuid4, uuid5

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import click

from app.pipelines.transactions import PIPELINE
from producers.disorder import happened, now, repeated
from producers.options import Run, disorder_options, percentage, producer_options
from producers.producing import Message, produce

RUNS = UUID("5f0e3a52-6f0e-4f0b-9c52-0d8c1f1f7a11")  # namespace of the runs that have a seed
MAX_CENTS = 999_999_999_999  # the pipeline's amount is decimal(12,2)
BROKEN: tuple[dict[str, str], ...] = (
    {"client": '""'},
    {"amount": "-12.50"},
    {"amount": '"much"'},
    {"event_time": "null"},
)

HISTORY_EVENTS = 5_000
HISTORY_END = datetime(2026, 1, 1, tzinfo=UTC)
HISTORY_DAYS = 30


@dataclass(frozen=True)
class Transactions:
    """A sequence of transactions. With a seed the same fields give the same sequence; without, a new one each time.

    `duplicates`, `late` and `bad` are percentages of the events: sent again unchanged a little later; with an event
    time up to three days in the past; and such that the pipeline quarantines them. What is bad is not sent again.
    """

    clients: int = 500
    duplicates: float = 0.0
    late: float = 0.0
    bad: float = 0.0
    seed: int | None = None

    def messages(self, numbers: Iterable[int], clock: Callable[[], datetime]) -> Iterator[Message]:
        """One new event for each of `numbers`, timed by `clock`, and the duplicates on top; keyed by client."""
        random = Random(self.seed)  # noqa: S311 - a sequence that can be repeated is what is wanted
        run = uuid4() if self.seed is None else uuid5(RUNS, repr(self))
        names = [f"client-{rank:04d}" for rank in range(1, self.clients + 1)]
        weights = list(accumulate(1 / rank for rank in range(1, self.clients + 1)))
        made = (
            self._message(random, f"{run}-{number:06d}", random.choices(names, cum_weights=weights)[0], clock())
            for number in numbers
        )
        return repeated(made, self.duplicates, random)

    def _message(self, random: Random, event_id: str, client: str, arrives: datetime) -> Message:
        cents = min(1 + int(random.lognormvariate(8, 1.2)), MAX_CENTS)
        moment, kind = happened(arrives, self.late, random)
        fields = {
            "event_id": json.dumps(event_id),
            "client": json.dumps(client),
            "amount": amount(cents),
            "event_time": json.dumps(moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")),
        }
        if random.random() * 100 < self.bad:
            kind, fields = "bad", fields | random.choice(BROKEN)
        value = "{" + ", ".join(f'"{name}": {literal}' for name, literal in fields.items()) + "}"
        return Message(client.encode(), value.encode(), kind)


def amount(cents: int) -> str:
    """An amount as a JSON number with two decimals, made without floating point."""
    return f"{cents // 100}.{cents % 100:02d}"


def history() -> bytes:
    """The content of `datasets/transactions.json`: the events of the 30 days before 2026, always the same."""
    random = Random(2025)  # noqa: S311
    seconds = sorted(random.uniform(0, HISTORY_DAYS * 86_400) for _ in range(HISTORY_EVENTS))
    moments = (HISTORY_END - timedelta(days=HISTORY_DAYS, seconds=-second) for second in seconds)
    sequence = Transactions(duplicates=1, late=0.2, seed=2025)
    messages = sequence.messages(range(HISTORY_EVENTS), lambda: next(moments))
    return b"".join(message.value + b"\n" for message in messages)


@click.command()
@producer_options
@click.option("--clients", type=click.IntRange(min=1), default=500, show_default=True, help="Number of clients")
@disorder_options
@percentage("--bad", "Share of events that belong in the quarantine")
@click.option("--to-file", type=click.Path(path_type=Path, dir_okay=False), help="Write the bundled history and end")
def main(run: Run, to_file: Path | None, **mix: Any) -> None:
    """Send transactions to Kafka until --count is reached, or SIGINT or SIGTERM comes."""
    if to_file is not None:
        to_file.write_bytes(history())
        return
    messages = Transactions(seed=run.seed, **mix).messages(run.numbers(), now)
    click.echo(produce(messages, PIPELINE.topic.name, run.bootstrap_servers, run.rate))


if __name__ == "__main__":
    main()
