"""The pipelines, where they stand, and the rows of their views. Which there are is read from their definitions."""

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from itertools import chain, islice
from typing import Any, Literal

from flask import Response, json
from flask_openapi3 import APIBlueprint, Tag
from flask_openapi3.models import Header, MediaType, Schema
from flask_openapi3.models.data_type import DataType
from pydantic import BaseModel, ConfigDict, Field, create_model
from sqlalchemy import Connection, text
from werkzeug.exceptions import NotFound

from app import pipelines
from app.model import Pipeline
from app.outputs import time_column
from app.readers import served_as
from backend import answers, listing, questions, routes, values, versions
from backend.database import snapshot
from backend.problems import unavailable
from backend.questions import DEFAULT_LIMIT, Asked, Viewed
from backend.routes import Endpoint
from backend.rows import rows
from backend.status import Status, status

TAG = Tag(name="pipelines", description="Where each pipeline stands, and the rows of its views")
# What pipelines call the types of app.relations.SQL_TYPES, by their Postgres object ids.
TYPES: dict[Any, str] = {
    16: "boolean", 20: "bigint", 23: "int", 25: "string", 1082: "date", 1184: "timestamp", 1700: "decimal",
    3802: "json",
}  # fmt: skip


class Meta(Status):
    """What an answer of rows says about itself."""

    view: str
    layer: Literal["merged", "batch", "speed"]
    columns: dict[str, str] = Field(description="The type of each column")
    limit: int | None = Field(description="null: all rows, in CSV")


def blueprint() -> APIBlueprint:
    endpoints = [listing.endpoint()]
    for pipeline in pipelines.select([]):
        path = f"/pipelines/{pipeline.name}"
        endpoints += [Endpoint(path, _standing(pipeline), Status), versions.endpoint(path, pipeline)]
        for view in pipeline.served:
            page, asked = _page(pipeline, view), questions.parameters(pipeline, view)
            endpoints.append(Endpoint(f"{path}/views/{view.name}", page, _answer(pipeline, view), asked))
    made = routes.blueprint("pipelines", TAG, *endpoints)
    made.add_url_rule("/pipelines/<path:rest>", endpoint="unknown", view_func=_unknown)
    return made


def _standing(pipeline: Pipeline) -> Callable[[], Response]:
    def standing() -> Response:
        with snapshot() as connection:
            return answers.whole(status(connection, pipeline))

    standing.__doc__ = f"Where {pipeline.name} stands: version, cut, offsets, and how fresh it is."
    return standing


def _page(pipeline: Pipeline, view: Viewed) -> Callable[[Any], Response]:
    def page(query: Asked) -> Response:
        sent = answers.form()
        if answers.conditional():
            with snapshot() as connection:
                if answer := answers.held(sent, status(connection, pipeline)):
                    return answer
        with ExitStack() as opened:
            connection = opened.enter_context(snapshot())
            return _read(connection, pipeline, view, query, opened)

    page.__doc__ = f"{view.description or view.name}, as of one instant.\n\nA page in JSON; in CSV, all rows."
    return page


def _read(connection: Connection, pipeline: Pipeline, view: Viewed, asked: Asked, opened: ExitStack) -> Response:
    """The answer to a question, read on a connection that `opened` gives back, which the answer does in the end."""
    name = served_as(pipeline, view.name, asked.layer)
    # Before the snapshot is taken, so that no other definition's view can come between the snapshot and the rows.
    connection.execute(text(f"LOCK TABLE {name} IN ACCESS SHARE MODE"))
    stand = status(connection, pipeline)
    types = column_types(connection, name)
    sent = answers.form()
    as_json = sent == "application/json"
    limit = asked.limit or (DEFAULT_LIMIT if as_json else None)
    most = limit + 1 if limit else None
    time = time_column(pipeline.outputs[view.name], pipeline.event_time)
    question = questions.question(asked, view, time, types, most)
    if missing := question.columns - set(types):
        named = ", ".join(sorted(missing))
        raise unavailable(f"the published definition has no column {named}; start the API with that definition")
    schema, _, relation = name.partition(".")
    statement = rows(schema, relation, types, question, as_json=as_json)
    found = iter(connection.execution_options(yield_per=answers.CHUNK).execute(statement))
    # What fails, fails before anything is sent; and the headers of a page in CSV say which row is its last.
    at_once = answers.CHUNK if as_json or not most else most
    first = list(islice(found, at_once + 1))
    page = chain(first, found)
    meta = json.dumps(stand | {"view": view.name, "layer": asked.layer, "columns": types, "limit": limit})
    following = partial(questions.following, question.order)
    headers: dict[str, str] = {}
    if as_json:
        parts = answers.as_json(meta, (row for (row,) in page), limit or 0, following)
    else:
        parts = answers.as_csv(types, map(tuple, islice(page, limit)))
        last = first[limit - 1] if limit and len(first) > limit else None
        headers = answers.beside(meta, following(dict(zip(types, last, strict=True))) if last else None)
    if len(first) <= at_once:
        return answers.made("".join(parts), sent, headers, stand)
    answer = answers.made(parts, sent, headers, stand)
    answer.call_on_close(opened.pop_all().close)  # when it has been sent, or is given up
    return answer


def column_types(connection: Connection, name: str) -> dict[str, str]:
    """The columns that a view has now: those of the published definition, which another API may know better."""
    found = connection.execute(
        text(
            "SELECT attname, atttypid::bigint FROM pg_attribute WHERE attrelid = to_regclass(:name) AND attnum > 0 "
            "AND NOT attisdropped ORDER BY attnum"
        ),
        {"name": name},
    )
    return {column: TYPES.get(kind, "string") for column, kind in found}


def _answer(pipeline: Pipeline, view: Viewed) -> type[BaseModel]:
    """What an answer of a view looks like, for the description of the API."""
    name = f"{pipeline.name}_{view.name}"
    row = values.row(f"{name}_row", pipeline.outputs[view.name])
    string = Schema(type=DataType.STRING)
    meta = Header(schema=string, description="With CSV: its `meta`, as JSON")
    link = Header(schema=string, description='With CSV that a limit cut: the page that follows, as `<?…>; rel="next"`')
    csv = {"content": {"text/csv": MediaType(schema=string)}, "headers": {answers.META: meta, answers.NEXT: link}}
    following = Field(description="`after` of the page that follows; null: there is none")
    return create_model(
        f"{name}_answer", __config__=ConfigDict(openapi_extra=csv),  # type: ignore[typeddict-unknown-key]
        meta=(Meta, ...), rows=(list[row], ...), next=(str | None, following),  # type: ignore[valid-type]
    )  # fmt: skip


def _unknown(rest: str) -> Response:
    """404 that names what there is."""
    name, _, view = rest.partition("/")
    try:
        pipeline = pipelines.load(name)
    except KeyError as error:
        raise NotFound(error.args[0]) from error
    named = view.removeprefix("views/")
    raise NotFound(f"{name} has no view {named!r}; there are: {', '.join(one.name for one in pipeline.served)}")
