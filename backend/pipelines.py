"""The pipelines and their merged views. Which there are is read from their definitions."""

from typing import Any

from flask import Blueprint
from sqlalchemy import Connection, text
from werkzeug.exceptions import NotFound

from app import pipelines
from app.model import Alert, Pipeline, Rollup, View
from app.relations import served_as
from backend.database import snapshot
from backend.parameters import limit
from backend.problems import unavailable
from backend.status import statuses

blueprint = Blueprint("pipelines", __name__, url_prefix="/pipelines")

DEFAULT_LIMIT = 1_000
# What pipelines call the types of app.relations.SQL_TYPES, by their Postgres object ids.
TYPES: dict[Any, str] = {
    16: "boolean",
    20: "bigint",
    23: "int",
    25: "string",
    1082: "date",
    1184: "timestamp",
    1700: "decimal",
    3802: "json",
}


@blueprint.get("")
def index() -> list[dict[str, Any]]:
    """Every pipeline: its name, what it is, its topic and its views."""
    return [
        {
            "name": pipeline.name,
            "description": pipeline.description,
            "topic": pipeline.topic.name,
            "views": [{"name": view.name, "description": view.description} for view in pipeline.served],
        }
        for pipeline in pipelines.select([])
    ]


@blueprint.get("/<name>")
def status(name: str) -> dict[str, Any]:
    """Where a pipeline stands."""
    pipeline = _pipeline(name)
    with snapshot() as connection:
        return _status(connection, pipeline)


@blueprint.get("/<name>/views/<view_name>")
def rows(name: str, view_name: str) -> dict[str, Any]:
    """The first `limit` rows of a merged view by key, and the boundary they were read at, of one instant."""
    pipeline = _pipeline(name)
    view, most = _view(pipeline, view_name), limit(DEFAULT_LIMIT)
    merged_view = served_as(pipeline, view.name)
    # By the whole row, as its keys come first: it holds for the columns of any definition that is published.
    query = f"SELECT * FROM {merged_view} AS merged ORDER BY merged LIMIT :limit"
    with snapshot() as connection:
        # Before the snapshot is taken, so that no other definition's view can come between the snapshot and the rows.
        connection.execute(text(f"LOCK TABLE {merged_view} IN ACCESS SHARE MODE"))
        state = _status(connection, pipeline)
        found = connection.execute(text(query), {"limit": most + 1})
        columns = {column[0]: TYPES.get(column[1], "string") for column in found.cursor.description}
        merged = [dict(row) for row in found.mappings()]
    meta = state | {"view": view.name, "columns": columns, "limit": most, "truncated": len(merged) > most}
    return {"meta": meta, "rows": merged[:most]}


def _pipeline(name: str) -> Pipeline:
    try:
        return pipelines.load(name)
    except KeyError as error:
        raise NotFound(error.args[0]) from error


def _view(pipeline: Pipeline, name: str) -> View | Alert | Rollup:
    views = {view.name: view for view in pipeline.served}
    if name not in views:
        raise NotFound(f"{pipeline.name} has no view {name!r}; there are: {', '.join(views)}")
    return views[name]


def _status(connection: Connection, pipeline: Pipeline) -> dict[str, Any]:
    served = statuses(connection)
    if pipeline.name not in served:
        raise unavailable(f"{pipeline.name} is not served yet; run ./scripts/migrate")
    return served[pipeline.name]
