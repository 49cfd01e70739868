"""Which pipelines there are, where each stands, what readers can ask of it, and how a page draws it."""

from typing import Annotated, Any

from flask import Response
from pydantic import BaseModel, Field, RootModel, TypeAdapter

from app.charts import Chart, fitting
from app.model import Pipeline
from app.outputs import asked_by, limits, sums
from app.pipelines import select
from backend import answers
from backend.questions import identity
from backend.routes import Endpoint
from backend.status import Status, known, standings

Drawn = Annotated[Chart, Field(discriminator="kind")]
CHARTS: TypeAdapter[Any] = TypeAdapter(tuple[Drawn, ...])


class Limits(BaseModel):
    """Where an alert begins and ends."""

    below: float
    above: float


class Listed(BaseModel):
    """A view of a pipeline."""

    name: str
    description: str
    keys: list[str] = Field(description="Columns that tell its rows apart")
    asked_by: list[str] = Field(description="Keys that are parameters")
    columns: dict[str, str] = Field(description="The type of each column")
    sums: list[str] = Field(description="Columns in which the layers' parts add to the merged value")
    limits: dict[str, Limits] = Field(description="Columns that show what an alert watches, and its limits")


class Declared(BaseModel):
    """A pipeline in the list."""

    name: str
    description: str
    topic: str
    partitions: int
    views: list[Listed]
    endpoints: list[str] = Field(description="Where its newest events are listed")
    charts: list[Drawn] = Field(description="How a page draws them: those that it declares, or that fit its views")
    meta: Status | None = Field(description="Where it stands; null: /readyz says why nobody knows")


class Pipelines(RootModel[list[Declared]]):
    """All of them."""


def endpoint() -> Endpoint:
    return Endpoint("/pipelines", _index, Pipelines)


def _index() -> Response:
    """Every pipeline: what it is, its topic, its views, what a page draws of them, and where it stands.

    What a definition says needs no Postgres: without it, all are listed.
    """
    stands = known(standings) or {}
    return answers.whole([_declared(pipeline) | {"meta": stands.get(pipeline.name)} for pipeline in select([])])


def _declared(pipeline: Pipeline) -> dict[str, Any]:
    """What its definition says."""
    return {
        "name": pipeline.name,
        "description": pipeline.description,
        "topic": pipeline.topic.name,
        "partitions": pipeline.topic.partitions,
        "views": [
            {
                "name": view.name,
                "description": view.description,
                "keys": identity(view),
                "asked_by": asked_by(view),
                "columns": pipeline.outputs[view.name],
                "sums": sums(view, pipeline.views),
                "limits": {
                    column: {"below": below, "above": above}
                    for column, (below, above) in limits(view, pipeline.views).items()
                },
            }
            for view in pipeline.served
        ],
        "endpoints": [table.endpoint for table in pipeline.lake if table.endpoint],
        "charts": CHARTS.dump_python(charts(pipeline), mode="json"),
    }


def charts(pipeline: Pipeline) -> tuple[Chart, ...]:
    """Those that it declares, or those that fit its views."""
    columns = {view.name: pipeline.outputs[view.name] for view in pipeline.served}
    by = {view.name: asked_by(view) for view in pipeline.served}
    added = {view.name: sums(view, pipeline.views) for view in pipeline.served}
    return pipeline.charts or tuple(fitting(columns, by, added))
