"""What can be observed in space: the near-earth objects of `datasets/neos.csv`, and meteorites and exoplanets.

The catalogue is always the same. Meteorites and exoplanets are made up:

near_earth_object  diameter as measured, or from the absolute magnitude H with an albedo of 0.14 (E. Bowell et al.,
                   Asteroids II, 1989); velocity relative to the Earth's where its orbit comes nearest to 1 au from the
                   Sun (E. Öpik, Collision probabilities with the planets, 1951); hazardous as NASA says: the orbits
                   come within 0.05 au, and H is at most 22
meteorite          diameter of the body that enters, at least 2 m, with the power law of P. Brown et al., The flux of
                   small near-Earth objects colliding with the Earth, Nature 420, 2002; velocity of entry, from the
                   Earth's escape velocity on; hazardous from 5 m on, which is met about once a year
exoplanet          diameter log-normal about 2.4 of the Earth's; velocity of its star towards us or from us; never
                   hazardous
"""

import csv
import math
from collections.abc import Mapping
from functools import cache
from random import Random
from typing import NamedTuple

from app.settings import HOME

NEOS = HOME / "datasets/neos.csv"
NEAR_EARTH_OBJECT, METEORITE, EXOPLANET = "near_earth_object", "meteorite", "exoplanet"
MADE_UP = 300  # of each kind

EARTH_VELOCITY = 29.78  # km/s, around the Sun
EARTH_DIAMETER = 12_742_000  # m
ALBEDO = 0.14
ENTRY_VELOCITY = (11.2, 72.8)  # km/s
SMALLEST_METEORITE, DANGEROUS_METEORITE = 2.0, 5.0  # m


class Body(NamedTuple):
    """An object. Units: km/s, m, lunar distances; `nearest` is how near to the Earth it can come, None if not asked."""

    object_id: str
    name: str
    kind: str
    velocity: float
    diameter: float
    nearest: float | None
    hazardous: bool


@cache
def catalogue() -> dict[str, tuple[Body, ...]]:
    """All bodies, by kind."""
    with NEOS.open(encoding="utf-8", newline="") as file:
        near = tuple(_near_earth_object(row) for row in csv.DictReader(file))
    random = Random(1)  # noqa: S311 - a catalogue that is always the same is what is wanted
    numbers = range(1, MADE_UP + 1)
    return {
        NEAR_EARTH_OBJECT: near,
        METEORITE: tuple(_meteorite(number, random) for number in numbers),
        EXOPLANET: tuple(_exoplanet(number, random) for number in numbers),
    }


def _near_earth_object(row: Mapping[str, str]) -> Body:
    kilometres = float(row["diameter"]) if row["diameter"] else diameter_of(float(row["H"]))
    return Body(
        object_id=f"neo-{row['pdes']}",
        name=row["full_name"],
        kind=NEAR_EARTH_OBJECT,
        velocity=encounter_velocity(float(row["a"]), float(row["e"]), float(row["i"])),
        diameter=1000 * kilometres,
        nearest=float(row["moid_ld"]),
        hazardous=row["pha"] == "Y",
    )


def _meteorite(number: int, random: Random) -> Body:
    slowest, fastest = ENTRY_VELOCITY
    velocity = min(slowest + random.expovariate(1 / 9), fastest)
    diameter = SMALLEST_METEORITE * random.paretovariate(2.7)
    hazardous = diameter >= DANGEROUS_METEORITE
    return Body(f"meteorite-{number:03d}", f"Meteorite {number:03d}", METEORITE, velocity, diameter, None, hazardous)


def _exoplanet(number: int, random: Random) -> Body:
    velocity = abs(random.gauss(0, 30))
    diameter = EARTH_DIAMETER * min(random.lognormvariate(math.log(2.4), 0.8), 22)
    return Body(f"exoplanet-{number:03d}", f"Exoplanet {number:03d} b", EXOPLANET, velocity, diameter, None, False)


def diameter_of(magnitude: float) -> float:
    """The diameter in km of a body of this absolute magnitude."""
    return 1329 / math.sqrt(ALBEDO) * 10 ** (-magnitude / 5)


def encounter_velocity(axis: float, eccentricity: float, inclination: float) -> float:
    """The velocity in km/s, relative to the Earth's, of a body in an orbit: semi-major axis in au, degrees."""
    distance = min(max(1.0, axis * (1 - eccentricity)), axis * (1 + eccentricity))
    along = math.sqrt(axis * (1 - eccentricity**2)) / distance * math.cos(math.radians(inclination))
    return EARTH_VELOCITY * math.sqrt(2 / distance - 1 / axis + 1 - 2 * along)
