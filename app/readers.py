"""What readers see: its names in Postgres, and the statements that put a query under them.

`serving.<pipeline>_<view>` is the merged view; `serving_batch` and `serving_speed` have what each layer gives to it.
"""

from collections.abc import Callable

from app.model import Pipeline
from app.naming import face

MERGED = "merged"
PARTS = ("batch", "speed")  # the layers that are merged, each with a schema of tables of its name
REASON = 300  # characters of the first line of an error: the whole may be long, and stands in the log of the job
# Each job that has stopped a pipeline, until the pipeline runs again.
FAILURES = (
    "SELECT pipeline, job, since, failed_at, failures AS times, "
    "round(extract(epoch FROM greatest(clock_timestamp() - since, interval '0')), 3)::float8 AS seconds, "
    f"left(substring(ltrim(reason, E' \\t\\n\\r') FROM E'[^\\n\\r]*'), {REASON}) AS reason, help, decision, retry_at "
    "FROM serving.failure ORDER BY pipeline, job"
)


def served_as(pipeline: Pipeline, view: str, layer: str = MERGED) -> str:
    """Name of what readers see of a view or rollup, with its schema."""
    return f"{'serving' if layer == MERGED else f'serving_{layer}'}.{face(pipeline.name, view)}"


def replaced_by(name: str, query: str, kind: str = "VIEW") -> list[str]:
    """Statements that make what readers see under a name, in place of what they saw."""
    return [
        f"SELECT tidemark.withdraw('{name.removeprefix('serving.')}')",
        f"CREATE {kind} {name} AS {query}",
        f"GRANT SELECT ON {name} TO tidemark_read, tidemark_batch, tidemark_speed",
    ]


def layers(pipeline: Pipeline, view: str, query: Callable[[str], str]) -> list[str]:
    """Statements that make what readers see of each layer alone; `query` gives the rows of a layer."""
    names = {layer: served_as(pipeline, view, layer) for layer in PARTS}
    return [
        statement
        for layer, name in names.items()
        for statement in (
            f"DROP VIEW IF EXISTS {name}",
            f"CREATE VIEW {name} AS {query(layer)}",
            f"GRANT SELECT ON {name} TO tidemark_read",
        )
    ]
