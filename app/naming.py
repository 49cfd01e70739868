"""The names that are taken, as all pipelines share them: a definition that asks for one is refused.

A test compares each list with what the dashboard, the API, the migrations, Postgres and Spark have.
"""

import re
from collections.abc import Collection, Iterable, Mapping

# Of a pipeline.
PAGES = ("lambda", "operations", "overview")  # of the dashboard
DATABASES = ("default", "global_temp", "spark_catalog")  # of Hive and Spark
# Of a view or rollup, with its pipeline's name: relations that the migrations make in the schema `serving`.
SERVING = ("failure", "status", "version")
INDEX = re.compile(r"_(pkey|idx)\d*$")  # how Postgres ends the names of indexes, which are names of relations too
# Of a lake table.
TABLES = ("bronze", "ids", "quarantine", "serving")
COPIES = "serving_"  # what the names of the lake's copies of views begin with, in SQL
# Of an endpoint: where the paths of the API begin.
ROUTES = ("freshness", "healthz", "metrics", "openapi", "pipelines", "quarantine", "readyz", "static", "swagger")
# Of a key, which is a parameter of the API: the other parameters of a view, and of one that has a time.
PARAMETERS = ("after", "layer", "limit", "sort")
TIME_RANGE = ("since", "until")
# Of a filter: the other parameters of an endpoint.
OF_EVENTS = ("date", "limit")
# Of columns that readers see: when a window is, and what every table of Postgres has.
WINDOW = ("window_start", "window_end")
SYSTEM_COLUMNS = ("cmax", "cmin", "ctid", "tableoid", "xmax", "xmin")


def free(names: Iterable[str], taken: Collection[str], field: str, by: str) -> None:
    """Refuses a name that is taken.

    Raises:
        ValueError: there is one; the message names it, the field, by whom it is taken, and all that are.
    """
    if found := sorted(set(names).intersection(taken)):
        raise ValueError(
            f"{field}: {', '.join(found)} is taken by {by}; choose another name. Taken: {', '.join(sorted(taken))}"
        )


def face(pipeline: str, view: str) -> str:
    """What readers see of a view or rollup is called this in Postgres. A view named as its pipeline is called that."""
    return pipeline if view == pipeline else f"{pipeline}_{view}"


def refuse_taken(pipeline: str, view: str, columns: Mapping[str, str], field: str) -> None:
    """Refuses a view or rollup, with columns of these types, that would take what is not its own.

    Raises:
        ValueError: the message names the field and what is taken.
    """
    shown = face(pipeline, view)
    free([shown], SERVING, f"{field}.name", "a view of the schema serving that is about all pipelines")
    if INDEX.search(shown):
        raise ValueError(
            f"{field}.name: {shown} is what Postgres may call an index; choose a name that ends in neither _pkey nor "
            "_idx"
        )
    free(columns, SYSTEM_COLUMNS, field, "Postgres, whose tables all have such a column")
    if found := [name for name in WINDOW if columns.get(name, "timestamp") != "timestamp"]:
        raise ValueError(f"{field}: {', '.join(found)} is when a window starts or ends; choose another name")
