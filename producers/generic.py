"""Events of any pipeline, made of its definition: `python -m producers.generic PIPELINE`.

A made-up event lies between two of the pipeline's accepted examples, taken by chance: its numbers and times stand at
the same place between theirs, all else is from the first of the two. So conditions that hold for both and whose
values form a range (`amount > 0`, `low <= high`) hold for it. Its event time is now, its id its own.
"""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, localcontext
from functools import cached_property
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID, uuid4, uuid5

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import click

from app import pipelines
from app.events import EXAMPLES_ARRIVE
from app.measures import MAX_PRECISION, digits
from app.model import Pipeline
from producers.disorder import happened, now, repeated
from producers.encoding import encoded
from producers.options import Run, disorder_options, producer_options
from producers.producing import Message, produce

RUNS = UUID("0d6b6f5e-5d0c-4b39-9a55-64a1f1b0c1de")  # namespace of the runs that have a seed
MADE_UP = range(1, 10)  # where there is no example

Event = dict[str, Any]  # None, Decimal, datetime and date, or what JSON has, by column


@dataclass(frozen=True)
class Generic:
    """A sequence of events of a pipeline. With a seed the same fields give the same one; without, a new one each time.

    `duplicates` and `late` are percentages of the events: sent again unchanged a little later; with an event time up
    to three days in the past.
    """

    pipeline: Pipeline
    duplicates: float = 0.0
    late: float = 0.0
    seed: int | None = None

    @cached_property
    def known(self) -> list[Event]:
        """The accepted examples, or made-up events where there are none."""
        return _examples(self.pipeline) or [_made_up(self.pipeline, number) for number in MADE_UP]

    def messages(self, numbers: Iterable[int], clock: Callable[[], datetime]) -> Iterator[Message]:
        """One new event for each of `numbers`, timed by `clock`, and the duplicates on top."""
        random = Random(self.seed)  # noqa: S311 - a sequence that can be repeated is what is wanted
        mix = f"{self.pipeline.name} {self.duplicates} {self.late} {self.seed}"
        run = uuid4() if self.seed is None else uuid5(RUNS, mix)
        made = (self._message(random, run, number, clock()) for number in numbers)
        return repeated(made, self.duplicates, random)

    def _message(self, random: Random, run: UUID, number: int, arrives: datetime) -> Message:
        moment, kind = happened(arrives, self.late, random)
        first, second = random.choices(self.known, k=2)
        event = self._between(first, second, random.random())
        self._happens(event, moment)
        self._identify(event, f"{run}-{number:06d}", random)
        known = {name: value for name, value in event.items() if value is not None}
        return Message(self._key(event, number), encoded(known), kind)

    def _between(self, first: Event, second: Event, place: float) -> Event:
        return {name: _between(first[name], second[name], place, self.pipeline.types[name]) for name in first}

    def _happens(self, event: Event, moment: datetime) -> None:
        """Moves all times of the event by the same, so that its event time is `moment`."""
        before = event[self.pipeline.event_time]
        shift = moment - before if isinstance(before, datetime) else timedelta(0)
        for name, value in event.items():
            if isinstance(value, datetime):
                event[name] = value + shift
            elif isinstance(value, date) and isinstance(before, datetime):
                event[name] = value + (moment.date() - before.date())
        event[self.pipeline.event_time] = moment

    def _identify(self, event: Event, text: str, random: Random) -> None:
        if self.pipeline.dedup is None:
            return
        name = self.pipeline.dedup.id
        if number := digits(self.pipeline.types[name]):
            event[name] = Decimal(random.randrange(10 ** max(1, number.precision - number.scale - 1)))
        elif self.pipeline.types[name] == "string":
            event[name] = text

    def _key(self, event: Event, number: int) -> bytes:
        """The first column that a view is keyed by; the number of the event where there is none."""
        keys = [key for view in self.pipeline.views for key in view.keys if key in event]
        return str(event[keys[0]] if keys else number).encode()


def _examples(pipeline: Pipeline) -> list[Event]:
    accepted = [json.loads(example.message) for example in pipeline.examples if example.reason is None]
    objects = [found for value in accepted for found in (value if isinstance(value, list) else [value])]
    return [{name: _typed(found.get(name), kind) for name, kind in _types(pipeline).items()} for found in objects]


def _made_up(pipeline: Pipeline, number: int) -> Event:
    def value(name: str, kind: str) -> Any:
        if found := digits(kind):
            return Decimal(number) if found.precision > found.scale else Decimal(number).scaleb(-found.scale)
        others = {"boolean": number % 2 == 0, "timestamp": EXAMPLES_ARRIVE, "date": EXAMPLES_ARRIVE.date()}
        return others.get(kind, f"{name}-{number}")

    return {name: value(name, kind) for name, kind in _types(pipeline).items()}


def _types(pipeline: Pipeline) -> Mapping[str, str]:
    return {field.name: field.type for field in pipeline.fields}


def _typed(value: Any, kind: str) -> Any:
    """A value of JSON as Python has it for the column's type; what Python does not read that way stays as it is."""
    with suppress(ValueError, ArithmeticError):
        if digits(kind):
            return Decimal(str(value))
        if kind == "timestamp":
            found = datetime.fromisoformat(str(value))
            return found if found.tzinfo else found.replace(tzinfo=UTC)
        if kind == "date":
            return date.fromisoformat(str(value)[:10])
    return value


def _between(first: Any, second: Any, place: float, kind: str) -> Any:
    """What stands at a place from 0, the first, to 1, the second; the first where there is nothing between."""
    if isinstance(first, Decimal) and isinstance(second, Decimal) and (number := digits(kind)):
        with localcontext(prec=MAX_PRECISION + 2):
            return (first + (second - first) * Decimal(place)).quantize(Decimal(1).scaleb(-number.scale))
    if isinstance(first, datetime) and isinstance(second, datetime):
        return first + (second - first) * place
    if kind == "date" and isinstance(first, date) and isinstance(second, date):
        return first + timedelta(days=round((second - first).days * place))
    return first


def _pipeline(_: click.Context, __: click.Parameter, name: str) -> Pipeline:
    try:
        return pipelines.load(name)
    except KeyError as error:
        raise click.BadParameter(error.args[0]) from error


@click.command()
@producer_options
@click.argument("pipeline", callback=_pipeline)
@disorder_options
def main(run: Run, pipeline: Pipeline, duplicates: float, late: float) -> None:
    """Send made-up events of PIPELINE to Kafka until --count is reached, or SIGINT or SIGTERM comes."""
    messages = Generic(pipeline, duplicates, late, run.seed).messages(run.numbers(), now)
    click.echo(produce(messages, pipeline.topic.name, run.bootstrap_servers, run.rate))


if __name__ == "__main__":
    main()
