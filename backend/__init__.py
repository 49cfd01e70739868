"""The API: a Flask application that answers with the merged views."""

from flask import Flask
from flask_openapi3 import Info, OpenAPI

from app.pipelines import select
from app.settings import Settings
from app.settings import settings as of_this_process
from backend import answers, database, events, freshness, guard, health, lake, metrics, pipelines, problems, quarantine

INFO = Info(
    title="Tidemark",
    version="1",
    description="Exact answers over everything that has arrived, each with the boundary that it was read at.",
)


def create_app(settings: Settings | None = None) -> OpenAPI:
    """The application, with the settings of this process where none are given. Connects when it is first asked.

    `/openapi.json` describes it, and `/swagger` shows that.

    Raises:
        ValueError: a pipeline's definition is wrong, or does not fit to another's.
    """
    select([])
    app = OpenAPI(
        __name__, info=INFO, doc_prefix="", validation_error_status=400,
        validation_error_model=problems.Problem, validation_error_callback=problems.refused,
        security_schemes={"token": {"type": "http", "scheme": "bearer", "description": "Where API_TOKENS is set"}},
    )  # fmt: skip
    app.json = answers.ExactJson(app)
    app.config["SWAGGER_CONFIG"] = {"validatorUrl": None}  # else the page has a badge of swagger.io
    at = settings or of_this_process()
    problems.init_app(app)
    metrics.init_app(app)  # before what may refuse: that takes time, too
    guard.init_app(app, at)
    database.init_app(app, at)
    lake.init_app(app, at)
    for part in (metrics, health, freshness, pipelines, quarantine, events):
        app.register_api(part.blueprint())
    return app


def close(app: Flask) -> None:
    """Closes what the application has kept open: its connections to Postgres and its sessions with HiveServer2."""
    database.close(app)
    lake.close(app)
