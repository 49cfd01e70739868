"""Observations of near-earth objects, meteorites and exoplanets: how fast, how large, how near, and how dangerous."""

from app.model import (
    AtLeast, Check, Column, Count, Dedup, Example, LakeTable, Lines, Max, Min, Pipeline, Rollup, Scatter, Topic, TopN,
    Tumbling, View, spread,
)  # fmt: skip

FILTERS = ("kind", AtLeast("min_velocity", of="velocity_km_s"))
PIPELINE = Pipeline(
    name="space",
    description="Observations of objects in space, and which of them are hazardous.",
    topic=Topic("space_data", partitions=3),
    columns=(
        Column("observation_id", "string"),
        Column("object_id", "string"),
        Column("name", "string"),
        Column("kind", "string"),
        Column("velocity_km_s", "decimal(9,3)"),
        Column("diameter_m", "decimal(12,1)"),
        Column("miss_distance_ld", "decimal(9,3)", required=False),  # lunar distances
        Column("hazardous", "boolean"),
        Column("event_time", "timestamp"),
    ),
    event_time="event_time",
    checks=(
        Check("kind_unknown", "kind in ('near_earth_object', 'meteorite', 'exoplanet')"),
        Check("velocity_negative", "velocity_km_s >= 0"),
        Check("diameter_not_positive", "diameter_m > 0"),
        Check("event_time_in_future", "event_time <= arrival + interval 10 minutes"),
    ),
    dedup=Dedup("observation_id", horizon="1 hour"),
    lake=(
        LakeTable("all", format="parquet", endpoint="objects", filters=FILTERS),
        LakeTable("alerts", where="hazardous", format="parquet", endpoint="alerts", filters=FILTERS),
    ),
    views=(
        View(
            "kinds",
            description="One row a kind of object and ten minutes",
            keys=("kind", Tumbling("10 minutes")),
            measures=(
                Count("count"),
                *spread("velocity_km_s", named="velocity"),
                Max("diameter_max", of="diameter_m"),
                Min("nearest", of="miss_distance_ld"),
            ),
        ),
        View(
            "fastest_windows",
            description="The five fastest observations of each ten minutes",
            keys=(Tumbling("10 minutes"),),
            measures=(TopN("fastest", ("observation_id", "name", "kind", "velocity_km_s"), by="velocity_km_s", n=5),),
        ),
    ),
    rollups=(
        Rollup(
            "last_day", of="kinds", keys=("kind",), last="24 hours", description="One row a kind: the last 24 hours"
        ),
        Rollup("fastest", of="fastest_windows", keys=(), last="24 hours", description="The five fastest of a day"),
    ),
    charts=(
        Scatter("objects", "velocity_km_s", "miss_distance_ld", "hazardous", "name", "How near, and how fast"),
        Lines("kinds", ("velocity_mean", "nearest", "count"), by="kind"),
    ),
    examples=(
        Example(
            '{"observation_id": "1", "object_id": "neo-99942", "name": "Apophis", "kind": "near_earth_object", '
            '"velocity_km_s": 5.465, "diameter_m": 341.2, "miss_distance_ld": 12.408, "hazardous": true, '
            '"event_time": "2026-01-01T09:00:00Z"}'
        ),
        Example(
            '{"observation_id": "2", "object_id": "met-7", "name": "M7", "kind": "meteorite", "velocity_km_s": 17.1, '
            '"diameter_m": 1.5, "miss_distance_ld": null, "hazardous": false, "event_time": "2026-01-01T09:00:01Z"}'
        ),
        Example(
            '{"observation_id": "3", "object_id": "x", "name": "X", "kind": "comet", "velocity_km_s": 17.1, '
            '"diameter_m": 1.5, "hazardous": false, "event_time": "2026-01-01T09:00:01Z"}',
            reason="kind_unknown",
        ),
    ),
)
