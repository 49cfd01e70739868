"""What can be observed: the bundled near-earth objects as they stand in their file, and what is made up."""

import csv

import pytest

from producers.sky import (
    EXOPLANET,
    METEORITE,
    NEAR_EARTH_OBJECT,
    NEOS,
    catalogue,
    diameter_of,
    encounter_velocity,
)

BODIES = {body.object_id: body for bodies in catalogue().values() for body in bodies}


def rows() -> list[dict[str, str]]:
    """The bundled near-earth objects as they stand in the file."""
    with NEOS.open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_bundled_file_holds_972_objects_277_of_them_hazardous_and_367_measured() -> None:
    found = rows()

    assert len({row["pdes"] for row in found}) == len(found) == 972
    assert sum(row["pha"] == "Y" for row in found) == 277
    assert sum(row["diameter"] != "" for row in found) == 367


def test_what_the_file_calls_hazardous_is_what_nasa_defines() -> None:
    for row in rows():
        assert (row["pha"] == "Y") == (float(row["moid"]) <= 0.05 and float(row["H"]) <= 22)


def test_every_object_of_the_file_is_in_the_catalogue_with_its_hazard_and_its_nearest_distance() -> None:
    found = {f"neo-{row['pdes']}": row for row in rows()}
    near = [body for body in BODIES.values() if body.kind == NEAR_EARTH_OBJECT]

    assert [body.object_id for body in near] == list(found)
    for body in near:
        row = found[body.object_id]
        assert (body.name, body.hazardous) == (row["full_name"], row["pha"] == "Y")
        assert body.nearest == float(row["moid_ld"])
        assert not row["diameter"] or body.diameter == pytest.approx(1000 * float(row["diameter"]))


@pytest.mark.parametrize(
    ("object_id", "velocity"), [("neo-99942", 5.8), ("neo-101955", 6.2), ("neo-4179", 10.4), ("neo-25143", 5.8)]
)
def test_the_velocity_of_an_approach_is_about_that_of_known_ones(object_id: str, velocity: float) -> None:
    assert BODIES[object_id].velocity == pytest.approx(velocity, rel=0.15)


def test_a_diameter_that_was_not_measured_is_that_of_the_magnitude_a_kilometre_at_17_75() -> None:
    assert diameter_of(17.75) == pytest.approx(1, rel=0.01)
    for row in rows():
        body = BODIES[f"neo-{row['pdes']}"]
        assert row["diameter"] or body.diameter == pytest.approx(1000 * diameter_of(float(row["H"])))


def test_a_body_in_the_orbit_of_the_earth_meets_it_at_no_velocity_and_the_other_way_round_at_twice_its_own() -> None:
    assert encounter_velocity(1, 0, 0) == pytest.approx(0, abs=1e-6)
    assert encounter_velocity(1, 0, 180) == pytest.approx(2 * 29.78)


@pytest.mark.parametrize(("axis", "eccentricity"), [(2.0, 0.4), (0.7, 0.2)])
def test_an_orbit_outside_or_inside_of_that_of_the_earth_is_met_where_it_comes_nearest(
    axis: float, eccentricity: float
) -> None:
    distance = axis * (1 - eccentricity) if axis > 1 else axis * (1 + eccentricity)
    own = 29.78 * (2 / distance - 1 / axis) ** 0.5

    assert encounter_velocity(axis, eccentricity, 0) == pytest.approx(abs(own - 29.78))


def test_every_kind_is_there_and_possible() -> None:
    limits = {NEAR_EARTH_OBJECT: (0.5, 45, 50, 40e3), METEORITE: (11.2, 72.8, 2, 200), EXOPLANET: (0, 150, 2e6, 3e8)}
    for kind, (slowest, fastest, smallest, largest) in limits.items():
        bodies = catalogue()[kind]
        assert len(bodies) >= 300
        for body in bodies:
            assert slowest <= body.velocity <= fastest
            assert smallest <= body.diameter <= largest
            assert (body.nearest is None) == (kind != NEAR_EARTH_OBJECT)
    assert len(BODIES) == len({body.name for body in BODIES.values()}) == sum(map(len, catalogue().values()))


def test_a_meteorite_is_hazardous_from_five_metres_on_and_an_exoplanet_never() -> None:
    meteorites, exoplanets = catalogue()[METEORITE], catalogue()[EXOPLANET]

    assert all(body.hazardous == (body.diameter >= 5) for body in meteorites)
    assert 10 < sum(body.hazardous for body in meteorites) < 100
    assert not any(body.hazardous for body in exoplanets)
