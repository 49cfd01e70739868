"""What was not accepted: how many events for each reason, and some of them as they came."""

from typing import Annotated, Any, Literal

from flask import Response, json
from flask_openapi3 import APIBlueprint, Tag
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from app.model import QUARANTINE
from app.pipelines import load, names
from app.readers import served_as
from backend import answers, routes
from backend.database import snapshot
from backend.lake import lake
from backend.problems import of_database
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


class NotCounted(BaseModel):
    """A pipeline whose quarantine could not be read, and why."""

    pipeline: str
    detail: str


class Reasons(BaseModel):
    """Of all pipelines that are served."""

    meta: list[Status] = Field(description="Where each of them stands")
    rows: list[Reason]
    not_counted: list[NotCounted] = Field(description="Pipelines that `rows` lacks, as their view cannot be read")


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
        found, not_counted = [], []
        for name in stands:
            try:
                found += _counts(connection, name)
            except DBAPIError as error:
                if error.connection_invalidated:
                    raise
                not_counted.append({"pipeline": name, "detail": of_database(error).description})
    body = {"meta": [*stands.values()], "rows": found, "not_counted": not_counted}
    if not_counted:
        return answers.whole(body)  # without an ETag: when the view can be read again, the boundary may be the same
    return answers.made(json.dumps(body), "application/json", {}, *stands.values())


def _counts(connection: Connection, name: str) -> list[dict[str, Any]]:
    """The reasons of one pipeline. Where its view fails, the transaction can read those of the others."""
    with connection.begin_nested():
        rows = connection.execute(text(COUNTS.format(served_as(load(name), QUARANTINE.name))))
        return [{"pipeline": name, "reason": reason, "events": events} for reason, events in rows]


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
