"""Sensors of temperature, humidity and CO2 in several buildings, live: to Kafka, or as files dropped into a folder.

A message is one reading: all three quantities that a sensor has measured at a time, each with its unit, keyed by the
sensor. So the windows of a sensor count readings, and an alert sees them one by one in their order:

    {"reading_id": "…-000042", "sensor_id": "b1-102-a", "building": "b1", "room": "102",
     "temperature": 72.12, "temperature_unit": "F", "humidity": 44.8, "humidity_unit": "%",
     "co2": 1213, "co2_unit": "ppm", "event_time": "2026-01-01T09:00:00.000Z"}

The temperature has two decimals and is in C or F, the humidity one decimal, CO2 none. What is sound lies within -40 and
60 °C, 0 and 100 %, 300 and 10,000 ppm; FAULTS are what is not.
"""

import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID, uuid4, uuid5

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import click

from app import pipelines
from producers.climate import Reading, readings
from producers.disorder import happened, now, repeated
from producers.dropping import Files, messages_per_file
from producers.encoding import encoded
from producers.options import Run, disorder_options, percentage, producer_options, valid_settings
from producers.producing import Message, deliver, produce

RUNS = UUID("2b1c6e0e-93a4-4d0d-8a5c-6f6f0a3d1b77")  # namespace of the runs that have a seed
DROPS = Path("DROPS_PATH/sensors")  # where the streaming job looks; stands for the setting
FAULTS: tuple[dict[str, Any], ...] = (
    {"temperature": None},
    {"humidity": None},
    {"co2": None},
    {"temperature": Decimal("-127.00")},
    {"temperature": Decimal("850.00")},
    {"temperature": "ERR"},
    {"temperature_unit": None},
    {"humidity": Decimal("130.0")},
    {"co2": 0},
    {"co2": 65_535},
    {"co2_unit": "mg/m3"},
)


@dataclass(frozen=True)
class Sensors:
    """A sequence of readings. With a seed the same fields give the same sequence; without, a new one each time.

    `duplicates`, `late` and `bad` are percentages of the readings: sent again unchanged a little later; with an event
    time up to three days in the past; and such that the pipeline quarantines them. What is bad is not sent again.
    """

    buildings: int = 3
    named: str = "b"  # the buildings: b1, b2, …
    duplicates: float = 0.0
    late: float = 0.0
    bad: float = 0.0
    seed: int | None = None

    def messages(self, numbers: Iterable[int], clock: Callable[[], datetime]) -> Iterator[Message]:
        """One new reading for each of `numbers`, timed by `clock`, and the duplicates on top; keyed by sensor."""
        random = Random(self.seed)  # noqa: S311 - a sequence that can be repeated is what is wanted
        run = uuid4() if self.seed is None else uuid5(RUNS, repr(self))
        made = (
            self._message(random, f"{run}-{number:06d}", reading, clock())
            for number, reading in zip(numbers, readings(self.buildings, random, self.named), strict=False)
        )
        return repeated(made, self.duplicates, random)

    def _message(self, random: Random, reading_id: str, reading: Reading, arrives: datetime) -> Message:
        moment, kind = happened(arrives, self.late, random)
        fields = {"reading_id": reading_id} | reading._asdict() | {"event_time": moment}
        if random.random() * 100 < self.bad:
            kind, fields = "bad", fields | random.choice(FAULTS)
        return Message(reading.sensor_id.encode(), encoded(fields), kind)


@click.command(context_settings={"default_map": {"bad": 1}})
@producer_options
@click.option("--buildings", type=click.IntRange(min=1), default=3, show_default=True, help="Each has 8 sensors")
@disorder_options
@percentage("--bad", "Share of readings that belong in the quarantine")
@click.option(
    "--files",
    type=click.Path(path_type=Path, file_okay=False),
    is_flag=False,
    flag_value=DROPS,
    help="Drop files here, send nothing; without a folder: DROPS_PATH/sensors",
)
@percentage("--twice", "Share of the files that are dropped once more")
@percentage("--half-written", "Share of the files that can be seen while they are half-written")
def main(run: Run, files: Path | None, twice: float, half_written: float, **mix: Any) -> None:
    """Send readings of sensors until --count is reached, or SIGINT or SIGTERM comes."""
    # A sensor has one way in: its readings have one order, which its alert follows.
    named = "b" if files is None else "d"
    messages = Sensors(seed=run.seed, named=named, **mix).messages(run.numbers(), now)
    if files is not None:
        folder = valid_settings().drops_path / "sensors" if files == DROPS else files
        outlet = Files(folder, messages_per_file(run.rate), twice, half_written, run.seed)
        deliver(messages, outlet, run.rate)
        click.echo(outlet)
    elif twice or half_written:
        raise click.UsageError("--twice and --half-written say what becomes of files; name their folder with --files")
    else:
        click.echo(produce(messages, pipelines.load("sensors").topic.name, run.bootstrap_servers, run.rate))


if __name__ == "__main__":
    main()
