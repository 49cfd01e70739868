"""The boundary that an answer was read at, and how it stands against the targets that the definition names."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, Field
from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from app.durations import span
from app.model import Pipeline
from app.pipelines import select
from backend.database import snapshot
from backend.failures import Failure, failures
from backend.problems import unavailable

Read = TypeVar("Read")
Standing = Literal["ok", "warn", "error"]
ERROR_AFTER = 3  # times its target: what is older is an error
# Null where there is no moment: greatest() alone would pass over it, and say that it is now.
SINCE = (
    "CASE WHEN {0} IS NOT NULL THEN "
    "round(extract(epoch FROM greatest(clock_timestamp() - {0}, interval '0')), 3)::float8 END AS {1}_seconds"
)
AGES = {"fresh_at": "freshness", "published_at": "batch", "written_at": "written"}
STATUS = text(
    f"SELECT *, seconds::float8 AS seconds, {', '.join(SINCE.format(*age) for age in AGES.items())} FROM serving.status"
)


class Status(BaseModel):
    """Where a pipeline stands."""

    pipeline: str
    fingerprint: str = Field(description="Of the published definition")
    version: int = Field(description="What the batch layer has published last; 0: nothing yet")
    cut: dict[str, int] = Field(description="For each partition, the offset below which the batch layer has counted")
    offsets: dict[str, int] = Field(description="For each partition, the offset below which both layers have counted")
    mode: str = Field(description="How the version was computed: incremental or full")
    accepted: int
    duplicates: int
    quarantined: int
    seconds: float = Field(description="That the version took to compute")
    published_at: datetime
    open_segment: int
    committed_at: datetime | None = Field(description="When the speed layer committed last")
    checked_at: datetime | None = Field(description="All that the log held then is counted")
    fresh_at: datetime | None = Field(
        description="How old the count is is measured from it: the same moment, or `open_since` where that is earlier"
    )
    open_since: datetime | None = Field(
        description="Since when a Kafka transaction is open: what it holds, and what follows it in its partitions, "
        "counts when it ends; null: none is"
    )
    freshness_seconds: float | None = Field(description="Since then; null: nothing is counted yet")
    freshness: Standing = Field(description="Against `fresh_within`")
    fresh_within: float = Field(description="Seconds: the target for `freshness_seconds`")
    batch_seconds: float = Field(description="Since the version was published")
    batch_within: float = Field(description="Seconds: the target for `batch_seconds`, where there is more to count")
    batch_late: bool = Field(description="Whether the version is older than that, and there is more to count")
    written: dict[str, int] | None = Field(
        description="For each partition, the offset below which the Parquet tables have all events; null: it has none"
    )
    compacted: dict[str, int] | None = Field(
        description="For each partition, the offset below which they have them as the batch layer does; null: none"
    )
    written_at: datetime | None = Field(description="All that the log held then is in the Parquet tables")
    written_seconds: float | None = Field(description="Since then; null: nothing is written yet")
    failures: list[Failure] = Field(description="The jobs that have stopped it; empty: none")


def statuses(connection: Connection) -> dict[str, dict[str, Any]]:
    """The row of `serving.status` of each pipeline by name, how old it is, and which jobs have stopped the pipeline."""
    rows, failed = connection.execute(STATUS).mappings(), failures(connection)
    return {row["pipeline"]: dict(row) | {"failures": failed.get(row["pipeline"], [])} for row in rows}


def status(connection: Connection, pipeline: Pipeline) -> dict[str, Any]:
    """Where a pipeline stands: the fields of Status.

    Raises:
        ServiceUnavailable: Postgres does not know it yet.
    """
    served = statuses(connection)
    if pipeline.name not in served:
        raise unavailable(f"{pipeline.name} is not served yet; run ./scripts/migrate")
    return judged(pipeline, served[pipeline.name])


def standings(connection: Connection) -> dict[str, dict[str, Any]]:
    """Where each pipeline that is served stands, by name: the fields of Status."""
    rows = statuses(connection)
    return {one.name: judged(one, rows[one.name]) for one in select([]) if one.name in rows}


def known(read: Callable[[Connection], Read]) -> Read | None:
    """What is read at one instant; None where Postgres does not answer."""
    try:
        with snapshot() as connection:
            return read(connection)
    except (SQLAlchemyError, OSError):
        return None


def judged(pipeline: Pipeline, row: dict[str, Any]) -> dict[str, Any]:
    """A row of `statuses` with the targets of the pipeline, and how it stands against them."""
    fresh, batch = span(pipeline.fresh_within).total_seconds(), span(pipeline.batch_within).total_seconds()
    behind = any(offset > row["cut"].get(partition, 0) for partition, offset in row["offsets"].items())
    return row | {
        "freshness": standing(row["freshness_seconds"], fresh),
        "fresh_within": fresh,
        "batch_within": batch,
        "batch_late": behind and row["batch_seconds"] > batch,
    }


def of_tables(stand: dict[str, Any]) -> dict[str, Any]:
    """The same of the rows of the Parquet tables: they have a cut, offsets and an age of their own."""
    return stand | {
        "cut": stand["compacted"] or {},
        "offsets": stand["written"] or {},
        "fresh_at": stand["written_at"],
        "freshness_seconds": stand["written_seconds"],
        "freshness": standing(stand["written_seconds"], stand["fresh_within"]),
    }


def standing(seconds: float | None, target: float) -> Standing:
    if seconds is None or seconds > target * ERROR_AFTER:
        return "error"
    return "warn" if seconds > target else "ok"
