"""Buildings with a climate: rooms that people fill and leave, and two sensors in each that measure once a minute.

The minutes are simulated, one after the other as fast as they are asked for, from START on. So an hour or a day passes
within a demonstration, and a seed gives the same readings at any time of the real day.

CO2 follows the mass balance of a well-mixed room: people breathe it out, ventilation replaces a share of the air
(A. Persily and L. de Jonge, Carbon dioxide generation rates for building occupants, Indoor Air 27, 2017).
Units: °C, % relative humidity, ppm.
"""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from random import Random
from typing import NamedTuple

from producers.encoding import fixed

DAY = 24 * 60  # minutes
START = 8 * 60  # the minute of the day at which a simulation begins: people are about to come
WARMEST = 15 * 60
ROOMS = 4  # in a building
SEATS = (4, 12)  # in a room

OUTDOORS = 420.0  # ppm
BREATH = 5.0  # ppm that a sitting person adds a minute: 18 l of CO2 an hour into 60 m³
VENTILATION = 0.025  # of the air is replaced a minute: 1.5 times an hour

MEETING = (20, 90)  # minutes that a room stays as full, or as empty, as it is
SILENCE = (10, 60)  # minutes of a drop-out
RESET = (20, 60)  # minutes that a sensor measures in °F, until somebody sets it to °C again
MISHAP = 0.001  # chance of each of the two, a sensor and minute


class Reading(NamedTuple):
    """What a sensor has measured. The unit of the temperature is C or F, of the humidity %, of CO2 ppm."""

    sensor_id: str
    building: str
    room: str
    temperature: Decimal
    temperature_unit: str
    humidity: Decimal
    humidity_unit: str
    co2: int
    co2_unit: str


@dataclass
class Room:
    """A room, and the people and the air in it."""

    building: str
    name: str
    seats: int
    people: int = 0
    people_until: int = START
    co2: float = OUTDOORS

    def pass_minute(self, minute: int, random: Random) -> None:
        if minute >= self.people_until:
            taken = random.random() < occupancy(minute)
            self.people = random.randint(self.seats // 2, self.seats) if taken else 0
            self.people_until = minute + random.randint(*MEETING)
        self.co2 += self.people * BREATH - (self.co2 - OUTDOORS) * VENTILATION


@dataclass
class Sensor:
    """A sensor, with an error of its own, and what has befallen it."""

    room: Room
    name: str
    error: float
    silent_until: int = 0
    fahrenheit_until: int = 0

    def read(self, minute: int, random: Random) -> Reading | None:
        """What it measures, with noise; None while it is silent."""
        self._suffer(minute, random)
        if minute < self.silent_until:
            return None
        warmth = math.cos(2 * math.pi * (minute - WARMEST) / DAY)
        celsius = 21 + 1.5 * warmth + 0.1 * self.room.people + self.error + random.gauss(0, 0.1)
        humidity = 45 - 6 * warmth + 0.5 * self.room.people + random.gauss(0, 1)
        co2 = round(self.room.co2 + random.gauss(0, 15))
        fahrenheit = minute < self.fahrenheit_until
        temperature = fixed(celsius * 9 / 5 + 32 if fahrenheit else celsius, 2)
        where = (f"{self.room.building}-{self.room.name}-{self.name}", self.room.building, self.room.name)
        return Reading(*where, temperature, "F" if fahrenheit else "C", fixed(humidity, 1), "%", co2, "ppm")

    def _suffer(self, minute: int, random: Random) -> None:
        if random.random() < MISHAP:
            self.silent_until = minute + random.randint(*SILENCE)
        if random.random() < MISHAP:
            self.fahrenheit_until = minute + random.randint(*RESET)


def occupancy(minute: int) -> float:
    """The chance that a room is in use: high in working hours, low at noon and in the evening, none at night."""
    hour = minute // 60 % 24
    if hour in (8, 9, 10, 11, 13, 14, 15, 16, 17):
        return 0.7
    return 0.2 if hour in (12, 18, 19) else 0.0


def readings(buildings: int, random: Random, named: str = "b") -> Iterator[Reading]:
    """What all sensors of the buildings `named` so, with a number each, measure, minute by minute, without end."""
    places = itertools.product(range(1, buildings + 1), range(1, ROOMS + 1))
    rooms = [Room(f"{named}{building}", f"{100 + room}", random.randint(*SEATS)) for building, room in places]
    sensors = [Sensor(room, name, random.gauss(0, 0.3)) for room in rooms for name in ("a", "b")]
    for minute in itertools.count(START):
        for room in rooms:
            room.pass_minute(minute, random)
        for sensor in sensors:
            if reading := sensor.read(minute, random):
                yield reading
