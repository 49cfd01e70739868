"""Reading merged views with Spark."""

from pyspark.sql import DataFrame, SparkSession

from app.model import Alert, Pipeline, Rollup, View
from app.postgres import Role, password
from app.relations import served_as
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
    user = settings.pg_user or Role.READ
    return (
        spark.read.format("jdbc")
        .option("url", f"jdbc:{settings.pg_url}")
        .option("driver", "org.postgresql.Driver")
        .option("user", user)
        .option("password", password(settings, user))
        .option("query", query)
        .load()
    )
