"""The API: a Flask application that answers with the merged views."""

from flask import Flask

from app.pipelines import select
from app.settings import Settings
from app.settings import settings as of_this_process
from backend import answers, database, events, health, lake, pipelines, problems


def create_app(settings: Settings | None = None) -> Flask:
    """The application, with the settings of this process where none are given. Connects when it is first asked.

    Raises:
        ValueError: a pipeline's definition is wrong, or does not fit to another's.
    """
    select([])
    app = Flask(__name__)
    app.json = answers.ExactJson(app)
    at = settings or of_this_process()
    database.init_app(app, at)
    lake.init_app(app, at)
    problems.init_app(app)
    app.register_blueprint(health.blueprint)
    app.register_blueprint(pipelines.blueprint)
    events.init_app(app)
    return app
