"""Reading the rows of views with Spark."""

from pyspark.sql import DataFrame, SparkSession

from app.model import Alert, Pipeline, Rollup, View
from app.postgres import Role, password
from app.readers import served_as
from app.relations import Relation
from app.settings import Settings


def merged(spark: SparkSession, settings: Settings, pipeline: Pipeline, view: View | Alert | Rollup) -> DataFrame:
    """A merged view: its columns, and the instant it is of: _version, and _offsets as JSON. One statement, one instant.

    Reading it fails, as every reader's query does, when increments that the version needs are gone.
    """
    query = (
        f"SELECT rows.*, status.version AS _version, status.offsets::text AS _offsets "
        f"FROM {served_as(pipeline, view.name)} AS rows, serving.status AS status "
        f"WHERE status.pipeline = '{pipeline.name}'"
    )
    return _read(spark, settings, Role.READ, query)


def of_version(spark: SparkSession, settings: Settings, relation: Relation, version: int) -> DataFrame:
    """What a reader would see of a view if there were only this version: its columns, and _version."""
    states = f"SELECT * FROM batch.{relation.name} WHERE version = {version}"
    rows = relation.outputs(relation.merge(states))
    return _read(spark, settings, Role.BATCH, f"SELECT rows.*, {version} AS _version FROM ({rows}) AS rows")


def _read(spark: SparkSession, settings: Settings, role: Role, query: str) -> DataFrame:
    user = settings.pg_user or role
    return (
        spark.read.format("jdbc")
        .option("url", f"jdbc:{settings.pg_url}")
        .option("driver", "org.postgresql.Driver")
        .option("user", user)
        .option("password", password(settings, user))
        .option("query", query)
        .load()
    )
