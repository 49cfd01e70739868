"""Observations of near-earth objects, meteorites and exoplanets, live.

A message is one observation of one object, keyed by the object:

    {"observation_id": "…-000042", "object_id": "neo-99942", "name": "99942 Apophis (2004 MN4)",
     "kind": "near_earth_object", "velocity_km_s": 5.465, "diameter_m": 341.2, "miss_distance_ld": 12.408,
     "hazardous": true, "event_time": "2026-01-01T09:00:00.000Z"}

Velocity and miss distance have three decimals, the diameter one. A meteorite has met the Earth and an exoplanet never
comes near: their miss distance is null. See `producers.sky` for what is observed; an observation adds the error of its
instrument, and to a near-earth object how far the Earth is from the place where the orbits come nearest.
"""

import math
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID, uuid4, uuid5

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import click

from app import pipelines
from producers.disorder import happened, now, repeated
from producers.encoding import encoded, fixed
from producers.options import Run, disorder_options, producer_options
from producers.producing import Message, produce
from producers.sky import EXOPLANET, METEORITE, NEAR_EARTH_OBJECT, Body, catalogue

RUNS = UUID("c2a5b0a4-38c2-4a0e-bb1f-7f1f2f2f0c35")  # namespace of the runs that have a seed
SHARES = {NEAR_EARTH_OBJECT: 70, METEORITE: 15, EXOPLANET: 15}  # percent of the observations
VELOCITY_ERROR, DIAMETER_ERROR = 0.01, 0.03  # standard deviations, as shares of the value
TIMING = 30.0  # lunar distances, standard deviation


@dataclass(frozen=True)
class Observations:
    """A sequence of observations. With a seed the same fields give the same one; without, a new one each time.

    `duplicates` and `late` are percentages of the observations: sent again unchanged a little later; with an event
    time up to three days in the past.
    """

    duplicates: float = 0.0
    late: float = 0.0
    seed: int | None = None

    def messages(self, numbers: Iterable[int], clock: Callable[[], datetime]) -> Iterator[Message]:
        """One new observation for each of `numbers`, timed by `clock`, and the duplicates on top; keyed by object."""
        random = Random(self.seed)  # noqa: S311 - a sequence that can be repeated is what is wanted
        run = uuid4() if self.seed is None else uuid5(RUNS, repr(self))
        bodies, kinds, shares = catalogue(), list(SHARES), list(SHARES.values())
        made = (
            self._message(
                random, f"{run}-{number:06d}", random.choice(bodies[random.choices(kinds, shares)[0]]), clock()
            )
            for number in numbers
        )
        return repeated(made, self.duplicates, random)

    def _message(self, random: Random, observation_id: str, body: Body, arrives: datetime) -> Message:
        moment, kind = happened(arrives, self.late, random)
        fields = {"observation_id": observation_id} | observed(body, random) | {"event_time": moment}
        return Message(body.object_id.encode(), encoded(fields), kind)


def observed(body: Body, random: Random) -> dict[str, Any]:
    """What an instrument says of a body."""
    miss = None if body.nearest is None else fixed(math.hypot(body.nearest, random.gauss(0, TIMING)), 3)
    return {
        "object_id": body.object_id,
        "name": body.name,
        "kind": body.kind,
        "velocity_km_s": fixed(body.velocity * random.gauss(1, VELOCITY_ERROR), 3),
        "diameter_m": fixed(body.diameter * random.gauss(1, DIAMETER_ERROR), 1),
        "miss_distance_ld": miss,
        "hazardous": body.hazardous,
    }


@click.command(context_settings={"default_map": {"rate": 20}})
@producer_options
@disorder_options
def main(run: Run, **mix: Any) -> None:
    """Send observations to Kafka until --count is reached, or SIGINT or SIGTERM comes."""
    messages = Observations(seed=run.seed, **mix).messages(run.numbers(), now)
    click.echo(produce(messages, pipelines.load("space").topic.name, run.bootstrap_servers, run.rate))


if __name__ == "__main__":
    main()
