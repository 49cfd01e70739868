"""IoT sensors of the rooms of some buildings: temperature, humidity and CO2, in one unit each."""

from app.model import (
    Alert, Check, Column, Count, Dedup, Derived, Example, LakeTable, Lines, Pipeline, Topic, Tumbling, View, spread,
)  # fmt: skip

CLEAN = ("reading_id", "sensor_id", "building", "room", "celsius", "humidity", "co2", "event_time")
PIPELINE = Pipeline(
    name="sensors",
    description="Temperature, humidity and CO2 in rooms, by sensor and minute.",
    topic=Topic("iot_smartech", partitions=3),
    columns=(
        Column("reading_id", "string"),
        Column("sensor_id", "string"),
        Column("building", "string"),
        Column("room", "string"),
        Column("temperature", "decimal(7,2)"),
        Column("temperature_unit", "string", clean="upper(trim(temperature_unit))"),
        Column("humidity", "decimal(5,1)"),
        Column("humidity_unit", "string"),
        Column("co2", "int"),
        Column("co2_unit", "string"),
        Column("event_time", "timestamp"),
        # °C, whatever the sensor says.
        Derived("celsius", "decimal(7,2)", "if(temperature_unit = 'F', (temperature - 32) * 5 / 9, temperature)"),
    ),
    event_time="event_time",
    checks=(
        Check("temperature_unit_unknown", "temperature_unit in ('C', 'F')"),
        Check("humidity_unit_unknown", "humidity_unit = '%'"),
        Check("co2_unit_unknown", "co2_unit = 'ppm'"),
        Check("temperature_impossible", "celsius between -40 and 60"),
        Check("humidity_impossible", "humidity between 0 and 100"),
        Check("co2_impossible", "co2 between 300 and 10000"),
        Check("event_time_in_future", "event_time <= arrival + interval 1 day"),
    ),
    dedup=Dedup("reading_id", horizon="1 hour"),
    drops=True,
    lake=(
        LakeTable("silver", columns=CLEAN),
        LakeTable("gold", view="minutes"),
    ),
    views=(
        View(
            "minutes",
            description="One row a sensor and minute",
            keys=("sensor_id", Tumbling("1 minute")),
            measures=(Count("count"), *spread("celsius"), *spread("humidity"), *spread("co2")),
        ),
        Alert(
            "co2_alerts",
            description="When the air of a room became bad, and when good again: one row a change",
            keys=("sensor_id",),
            of="co2",
            above=1200,
            readings=3,
            below=1000,
            columns=("building", "room", "co2", "event_time"),
        ),
    ),
    charts=(Lines("minutes", ("co2_mean", "celsius_mean", "humidity_mean"), "sensor_id", title="Sensors, by minute"),),
    examples=(
        Example(
            '{"reading_id": "1", "sensor_id": "b1-102-a", "building": "b1", "room": "102", "temperature": 72.50, '
            '"temperature_unit": "F", "humidity": 44.8, "humidity_unit": "%", "co2": 1213, "co2_unit": "ppm", '
            '"event_time": "2026-01-01T09:00:00Z"}'
        ),
        Example(
            '{"reading_id": "2", "sensor_id": "b1-102-a", "building": "b1", "room": "102", "temperature": 21.30, '
            '"temperature_unit": "K", "humidity": 44.8, "humidity_unit": "%", "co2": 612, "co2_unit": "ppm", '
            '"event_time": "2026-01-01T09:01:00Z"}',
            reason="temperature_unit_unknown",
        ),
        Example(
            '{"reading_id": "3", "sensor_id": "b1-102-a", "building": "b1", "room": "102", "temperature": 850.00, '
            '"temperature_unit": "C", "humidity": 44.8, "humidity_unit": "%", "co2": 612, "co2_unit": "ppm", '
            '"event_time": "2026-01-01T09:01:00Z"}',
            reason="temperature_impossible",
        ),
    ),
)
