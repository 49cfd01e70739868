"""The options of the producers."""

import functools
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Concatenate

import click
from pydantic import ValidationError

from app.settings import Settings, settings


@dataclass(frozen=True)
class Run:
    """The options that producers have. `rate`: messages a second, 0 for no limit; `count`: None for no end."""

    bootstrap_servers: str
    rate: float
    count: int | None = None
    seed: int | None = None

    def numbers(self) -> Iterator[int]:
        """0, 1, 2, … up to the count."""
        return iter(range(self.count)) if self.count is not None else itertools.count()


def valid_settings() -> Settings:
    """The settings. Raises click.ClickException for a value that is not allowed."""
    try:
        return settings()
    except ValidationError as error:
        raise click.ClickException(str(error)) from error


def run_options(*names: str) -> Callable[[Callable[Concatenate[Run, ...], None]], Callable[..., None]]:
    """Gives a command these options of `Run` beside the brokers, and the command a `Run` as its first argument."""
    rate, count = click.FloatRange(min=0), click.IntRange(min=1)
    known = {
        "rate": click.option(
            "--rate", type=rate, default=200, show_default=True, help="Messages a second; 0: no limit"
        ),
        "count": click.option("--count", type=count, help="New events to send  [default: until stopped]"),
        "seed": click.option("--seed", type=int, help="The same seed and options give the same events, ids included"),
    }
    servers = click.option("--bootstrap-servers", help="Kafka brokers, HOST:PORT,…  [default: KAFKA_BOOTSTRAP_SERVERS]")

    def decorated(main: Callable[Concatenate[Run, ...], None]) -> Callable[..., None]:
        @functools.wraps(main)
        def wrapped(bootstrap_servers: str | None, **options: Any) -> None:
            found = bootstrap_servers or valid_settings().kafka_bootstrap_servers
            main(Run(found, **{name: options.pop(name) for name in names}), **options)

        decorators = (*(known[name] for name in reversed(names)), servers)
        return functools.reduce(lambda command, decorate: decorate(command), decorators, wrapped)

    return decorated


producer_options = run_options("rate", "count", "seed")


def percentage(name: str, meaning: str) -> Callable[..., Any]:
    """An option that is a share of the events."""
    kind = click.FloatRange(0, 100)
    return click.option(name, type=kind, default=0, show_default=True, metavar="PERCENT", help=meaning)


def disorder_options(main: Callable[..., None]) -> Callable[..., None]:
    """Gives a command the shares of events that `producers.disorder` makes."""
    duplicates = percentage("--duplicates", "Share of events sent again unchanged a little later")
    late = percentage("--late", "Share of events that happened up to three days ago")
    decorated: Callable[..., None] = duplicates(late(main))
    return decorated
