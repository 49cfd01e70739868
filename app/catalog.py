"""The names of the lake's tables in the Hive metastore, for SQL: a database a pipeline, `<pipeline>.<table>`.

The metastore holds names and places, and no data: what it has lost, the next start of a job tells it again.
"""

import logging
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

logger = logging.getLogger(__name__)


class Catalog:
    """The tables of one pipeline in the metastore."""

    def __init__(self, spark: SparkSession, database: str, root: str) -> None:
        """`root` is the folder of the pipeline's tables, as Hadoop spells it."""
        self.spark = spark
        self.database = database
        self.root = root
        self._registered: set[str] = set()

    def register(self, table: str, path: str) -> None:
        """Makes `<database>.<table>` the Delta table at `path`. The metastore is asked once a table and process.

        Where it does not answer, that is a warning: the lake is whole without it, and the next start tries again.
        """
        if table in self._registered:
            return
        self._registered.add(table)
        try:
            self._point(table, path)
        except (Py4JJavaError, PySparkException) as error:
            logger.warning(
                "%s.%s is not in the Hive metastore, so SQL does not list it: %s. Start the metastore at "
                "HIVE_METASTORE_URI; the next start of this job registers the table",
                self.database, table, _said(error),
            )  # fmt: skip

    def _point(self, table: str, path: str) -> None:
        known = self._location(table)
        if known == path:
            return
        if known is not None:
            self._tables.dropTable(self.database, table, True, False)  # the name alone: the table is external
        name = f"`{self.database}`.`{table}`"
        if not self._tables.databaseExists(self.database):  # else the metastore logs an error
            self.spark.sql(f"CREATE DATABASE IF NOT EXISTS `{self.database}` LOCATION {_literal(self.root)}")
        self.spark.sql(f"CREATE TABLE IF NOT EXISTS {name} USING delta LOCATION {_literal(path)}")
        logger.info("%s.%s registered in the Hive metastore at %s", self.database, table, path)

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


def _literal(text: str) -> str:
    """A text in SQL."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
