"""What was not accepted: how many events for each reason, and some of them as they came."""

from typing import Annotated, Any, Literal

from flask import Response
from flask_openapi3 import APIBlueprint, Tag
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import text

from app.model import QUARANTINE
from app.pipelines import load, names
from app.readers import served_as
from backend import answers, routes
from backend.database import snapshot
from backend.lake import lake
from backend.routes import Endpoint
from backend.status import Status, standings, status
from backend.values import WHOLE, Absent, Text, absent

TAG = Tag(name="quarantine", description="Events that were not accepted, and why")
SHOWN = 2_000  # characters of a payload
MAX_SAMPLES = 100
COUNTS = "SELECT reason, events FROM {} ORDER BY events DESC, reason"


class Reason(BaseModel):
    """How many events of a pipeline were quarantined for one reason, as of now."""

    pipeline: str
    reason: str
    events: int


class Reasons(BaseModel):
    """Of all pipelines that are served."""

    meta: list[Status] = Field(description="Where each of them stands")
    rows: list[Reason]


class Asked(BaseModel):
    """Which samples."""

    model_config = ConfigDict(extra="forbid")

    pipeline: Literal[*names()] = Field(description="Of this pipeline")  # type: ignore[valid-type]
    reason: Text | Absent = absent("Only those with this reason")
    limit: Annotated[int, Field(ge=1, le=MAX_SAMPLES), WHOLE] = 10


class Sample(BaseModel):
    """A quarantined event, and where it came from."""

    reason: str
    topic: str | None
    partition: int | None
    offset: int
    index: int
    arrival: str
    payload: str | None = Field(description=f"As text, the first {SHOWN:,} characters")


class SamplesMeta(Status):
    """What an answer of samples says about itself: where the pipeline stood before they were read."""

    layer: Literal["batch"] = Field(description="They have all that was quarantined below the cut")
    limit: int


class Samples(BaseModel):
    """The newest first."""

    meta: SamplesMeta
    rows: list[Sample]


def blueprint() -> APIBlueprint:
    samples = Endpoint("/quarantine/samples", _samples, Samples, Asked)
    return routes.blueprint("quarantine", TAG, Endpoint("/quarantine", _reasons, Reasons), samples)


def _reasons() -> Response:
    """How many events were quarantined, by pipeline that is served and reason, as of now."""
    with snapshot() as connection:
        stands = standings(connection)
        if answer := answers.held("application/json", *stands.values()):
            return answer
        found = [
            {"pipeline": name, "reason": reason, "events": events}
            for name in stands
            for reason, events in connection.execute(text(COUNTS.format(served_as(load(name), QUARANTINE.name))))
        ]
    return answers.listed([*stands.values()], found, *stands.values())


def _samples(asked: Asked) -> Response:
    """Quarantined events as they came, the newest first, as of the last run of the batch job."""
    pipeline = load(asked.pipeline)
    with snapshot() as connection:
        stand = status(connection, pipeline)
    if answer := answers.held("application/json", stand):
        return answer
    where, values = ("WHERE _reason = %(reason)s", {"reason": asked.reason}) if asked.reason else ("", None)
    columns: dict[str, Any] = {
        "reason": "_reason", "topic": "_topic", "partition": "_partition", "offset": "_offset", "index": "_index",
        "arrival": "date_format(arrival, \"yyyy-MM-dd'T'HH:mm:ss.SSSSSS'Z'\")",
        "payload": f"substr(make_valid_utf8(cast(_value as string)), 1, {SHOWN})",
    }  # fmt: skip
    with lake() as cursor:
        cursor.execute(
            f"SELECT {', '.join(columns.values())} FROM `{pipeline.name}`.quarantine {where} "
            f"ORDER BY arrival DESC, _partition, _offset DESC, _index DESC LIMIT {asked.limit}",
            values,
        )
        rows = [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]
    return answers.listed(stand | {"layer": "batch", "limit": asked.limit}, rows, stand)
