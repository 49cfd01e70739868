"""The newest events of the Parquet tables, at the endpoints that their pipelines declare, read through HiveServer2."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from typing import Annotated, Any

from flask import Response
from flask_openapi3 import APIBlueprint, Tag
from pydantic import BaseModel, ConfigDict, Field, create_model

from app.external import DATE, columns
from app.model import AtLeast, LakeTable, Pipeline
from app.pipelines import select
from backend import answers, routes
from backend.database import snapshot
from backend.lake import lake
from backend.questions import MAX_LIMIT
from backend.routes import Endpoint
from backend.status import Status, of_tables, status
from backend.values import TYPES, WHOLE, Absent, absent, row

DEFAULT_LIMIT = 100
TAG = Tag(name="events", description="The newest events as they came, read from the lake")


class Asked(BaseModel):
    """What can be asked of the events of every table."""

    model_config = ConfigDict(extra="forbid")

    date: TYPES["date"] | Absent = absent("Only events of this date (UTC)")  # type: ignore[valid-type]
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT), WHOLE] = Field(DEFAULT_LIMIT, description="Events at most")


class EventsMeta(Status):
    """What an answer of events says about itself: how its table stood before it was read, when it may have had more."""

    cut: dict[str, int] = Field(description="As `compacted`: the rows are the batch layer's below it")
    offsets: dict[str, int] = Field(description="As `written`: the table has all events below them")
    fresh_at: datetime | None = Field(description="As `written_at`: all that the log held then is in the table")
    table: str
    columns: dict[str, str]
    limit: int
    truncated: bool = Field(description="Whether there are more")


def blueprint() -> APIBlueprint:
    """The endpoints of all pipelines."""
    endpoints = [
        Endpoint(f"/{table.endpoint}", _page(pipeline, table), _answer(pipeline, table), _parameters(pipeline, table))
        for pipeline in select([])
        for table in pipeline.parquet_tables
        if table.endpoint is not None
    ]
    return routes.blueprint("events", TAG, *endpoints)


def _parameters(pipeline: Pipeline, table: LakeTable) -> type[Asked]:
    types = {name: kind.partition("(")[0] for name, kind in columns(pipeline, table)}
    fields: dict[str, Any] = {}
    for place, one in enumerate(table.filters):
        if isinstance(one, AtLeast):
            name, of, said = one.name, one.of, f"The least `{one.of}`"
        else:
            name, of, said = one, one, f"Only events whose `{one}` is this"
        fields[f"filter_{place}"] = (TYPES[types[of]] | Absent, absent(said, name))  # as a model has names of its own
    return create_model(f"{table.endpoint}_asked", __base__=Asked, **fields)


def _answer(pipeline: Pipeline, table: LakeTable) -> type[BaseModel]:
    types = {name: kind.partition("(")[0] for name, kind in _shown(pipeline, table).items()}
    one = row(f"{table.endpoint}_row", types)
    return create_model(f"{table.endpoint}_answer", meta=(EventsMeta, ...), rows=(list[one], ...))  # type: ignore[valid-type]


def _shown(pipeline: Pipeline, table: LakeTable) -> dict[str, str]:
    """Of a table's columns those that a definition names, and arrival."""
    return {name: kind for name, kind in columns(pipeline, table) if not name.startswith("_")}


def _page(pipeline: Pipeline, table: LakeTable) -> Callable[[Any], Response]:
    types = _shown(pipeline, table)

    def page(query: Asked) -> Response:
        # First how far the table is, then its rows, which have all that is said of it. Where Postgres does not answer
        # there is neither: the metastore, which knows the table's files, is a database of the same server.
        with snapshot() as connection:
            stand = of_tables(status(connection, pipeline))
        if answer := answers.held("application/json", stand):
            return answer
        with lake() as cursor:
            rows = newest(cursor, pipeline, table, query.limit + 1, query)
        found = [dict(zip(types, map(_in_utc, one), strict=True)) for one in rows]
        meta = stand | {"table": table.name, "columns": types, "limit": query.limit}
        return answers.listed(meta | {"truncated": len(found) > query.limit}, found[: query.limit], stand)

    page.__doc__ = f"The newest events of {pipeline.name}.{table.name}."
    return page


def newest(cursor: Any, pipeline: Pipeline, table: LakeTable, most: int, asked: Asked) -> list[tuple[Any, ...]]:
    """The newest events by event time that meet what is asked.

    Reads no more dates than are needed, the newest first.
    """
    name = f"`{pipeline.name}`.`{table.name}`"
    names = ", ".join(f"`{column}`" for column in _shown(pipeline, table))
    order = f"`{DATE}` DESC, `{pipeline.event_time}` DESC, _partition, _offset DESC, _index DESC"
    conditions, values = _conditions(pipeline, table, asked)
    cursor.execute(f"SHOW PARTITIONS {name}")
    found = (date.fromisoformat(partition.removeprefix(f"{DATE}=")) for (partition,) in cursor.fetchall())
    dates = sorted((day for day in found if asked.date in (None, day)), reverse=True)
    rows: list[tuple[Any, ...]] = []
    for some in _more_and_more(dates):
        listed = ", ".join(f"DATE '{day.isoformat()}'" for day in some)
        where = " AND ".join([f"`{DATE}` IN ({listed})", *conditions])
        cursor.execute(f"SELECT {names} FROM {name} WHERE {where} ORDER BY {order} LIMIT {most - len(rows)}", values)
        rows += cursor.fetchall()
        if len(rows) == most:
            break
    return rows


def _conditions(pipeline: Pipeline, table: LakeTable, asked: Asked) -> tuple[list[str], dict[str, str] | None]:
    """What the filters ask, in SQL, and the values of its parameters as texts."""
    types, conditions, values = dict(columns(pipeline, table)), [], {}
    asked_for = asked.model_dump(exclude_none=True, by_alias=True)
    for one in table.filters:
        name, of, sign = (one.name, one.of, ">=") if isinstance(one, AtLeast) else (one, one, "=")
        if (given := asked_for.get(name)) is not None:
            kind = types[of]
            if kind.startswith("decimal"):
                kind = "decimal(38,18)"  # the column's would round
            conditions.append(f"`{of}` {sign} CAST(%({name})s AS {kind})")
            values[name] = given.isoformat() if isinstance(given, date | datetime) else str(given)
    return conditions, values or None


def _more_and_more(dates: list[date]) -> Iterator[list[date]]:
    """One, then two, then four, and so on: few questions, whether one date holds enough or all hold little."""
    size = 1
    while dates:
        yield dates[:size]
        dates, size = dates[size:], size * 2


def _in_utc(value: Any) -> Any:
    """HiveServer2 gives moments without their zone, which is UTC."""
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) else value
