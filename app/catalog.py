"""The names of the lake's tables in the Hive metastore, for SQL: a database a pipeline, `<pipeline>.<table>`.

The metastore holds names and places, and no data: what it has lost, the next start of a job tells it again.
"""

import logging
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession

from app.external import DATE, columns, create_database, create_table, literal
from app.model import LakeTable, Pipeline

logger = logging.getLogger(__name__)


class CatalogError(Exception):
    """The Hive metastore does not answer, or lacks a table."""


class Catalog:
    """The tables of one pipeline in the metastore."""

    def __init__(self, spark: SparkSession, pipeline: Pipeline, root: str) -> None:
        """`root` is the folder of the pipeline's tables, as Hadoop spells it."""
        self.spark = spark
        self.pipeline = pipeline
        self.database = pipeline.name
        self.root = root
        self._registered: set[str] = set()
        self._told: dict[str, dict[str, str]] = {}

    def register(self, table: str, path: str) -> None:
        """Makes `<database>.<table>` the Delta table at `path`. The metastore is told once a table and process.

        Where it does not answer, that is a warning: the lake is whole without it, and the next call tries again.
        """
        if table in self._registered:
            return
        try:
            self._point(table, path)
        except (Py4JJavaError, PySparkException) as error:
            self._warn(table, error, "the next batch, or start of this job, registers the table")
        else:
            self._registered.add(table)

    def _warn(self, table: str, error: Py4JJavaError | PySparkException, remedy: str) -> None:
        logger.warning(
            "%s.%s is not in the Hive metastore as it is, so SQL does not show it: %s. Start the metastore at "
            "HIVE_METASTORE_URI; %s",
            self.database, table, _said(error), remedy,
        )  # fmt: skip

    def _point(self, table: str, path: str) -> None:
        known = self._location(table)
        if known == path:
            return
        if known is not None:
            self._forget(table)
        self._make_database()
        self.spark.sql(f"CREATE TABLE IF NOT EXISTS `{self.database}`.`{table}` USING delta LOCATION {literal(path)}")
        logger.info("%s.%s registered in the Hive metastore at %s", self.database, table, path)

    def partition(self, table: LakeTable, root: str, places: dict[str, str]) -> bool:
        """Makes the partitions of a Parquet table those in `places`: {date: folder}. Others are forgotten.

        A partition that moves is in its new folder from one instant to the next. The metastore is asked where anything
        differs from what it was told last; where it does not answer, that is a warning, and the next call tries again.
        Returns whether it knows them now.
        """
        if self._told.get(table.name) == places:
            return True
        try:
            self._partition(table, root, places)
        except (Py4JJavaError, PySparkException) as error:
            self._warn(table.name, error, "the next file or batch registers it")
            return False
        self._told[table.name] = places
        return True

    def _partition(self, table: LakeTable, root: str, places: dict[str, str]) -> None:
        name = f"`{self.database}`.`{table.name}`"
        expected = [*columns(self.pipeline, table), (DATE, "date")]
        if self._location(table.name) is not None and self.spark.table(name).dtypes != expected:
            self._forget(table.name)
        self._make_database()
        self.spark.sql(create_table(self.pipeline, table, root))
        known = self._partitions(table.name)
        for date in known.keys() - places.keys():
            self.spark.sql(f"ALTER TABLE {name} DROP IF EXISTS PARTITION (`{DATE}` = DATE '{date}')")
        for date, path in places.items():
            partition = f"PARTITION (`{DATE}` = DATE '{date}')"
            if date not in known:
                self.spark.sql(f"ALTER TABLE {name} ADD IF NOT EXISTS {partition} LOCATION {literal(path)}")
            elif known[date] != path:
                self.spark.sql(f"ALTER TABLE {name} {partition} SET LOCATION {literal(path)}")

    def _partitions(self, table: str) -> dict[str, str]:
        """The folder of each partition that the metastore has."""
        jvm: Any = self.spark._jvm
        found = self._tables.listPartitions(self.database, table, jvm.scala.Option.empty())
        partitions = [found.apply(number) for number in range(found.size())]
        return {
            partition.spec().apply(DATE): jvm.org.apache.hadoop.fs.Path(partition.location()).toString()
            for partition in partitions
        }

    def rows(self, table: str) -> DataFrame:
        """The rows that readers of `<database>.<table>` get now.

        Raises:
            CatalogError: the metastore does not answer, or has no such table.
        """
        name = f"`{self.database}`.`{table}`"
        try:
            self.spark.catalog.refreshTable(name)
            return self.spark.table(name)
        except (Py4JJavaError, PySparkException) as error:
            raise CatalogError(
                f"{self.database}.{table} cannot be read by its name in the Hive metastore: {_said(error)}. Start the "
                "metastore at HIVE_METASTORE_URI, and the streaming job, which registers the table"
            ) from error

    def _make_database(self) -> None:
        if not self._tables.databaseExists(self.database):  # else the metastore logs an error
            self.spark.sql(create_database(self.database, self.root))

    def _forget(self, table: str) -> None:
        self._tables.dropTable(self.database, table, True, False)  # the name alone: the table is external

    def _location(self, table: str) -> str | None:
        """Where the metastore has a table; None: it has none of this name."""
        if not self._tables.tableExists(self.database, table):
            return None
        jvm: Any = self.spark._jvm
        return str(jvm.org.apache.hadoop.fs.Path(self._tables.getTable(self.database, table).location()))

    @property
    def _tables(self) -> Any:
        return self.spark._jsparkSession.sharedState().externalCatalog()


def _said(error: Py4JJavaError | PySparkException) -> str:
    """The first line of what Java says."""
    text = error.java_exception.toString() if isinstance(error, Py4JJavaError) else str(error)
    return str(text.strip().splitlines()[0])
