"""The names of the lake's tables in the Hive metastore, for SQL: a database a pipeline, `<pipeline>.<table>`.

The metastore holds names and places, and no data: what it has lost, the next start of a job tells it again.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession

from app.external import DATE, columns, create_database, create_table, literal
from app.model import LakeTable, Pipeline

logger = logging.getLogger(__name__)
ALL = -1  # partitions, to the metastore
SPARK_SCHEMA = "spark.sql.sources.schema"  # Spark's copy of the columns; where there is none, it takes them as they are


class CatalogError(Exception):
    """The Hive metastore does not answer."""


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

        Those that move are all in their new folders from one instant to the next, and none goes before, also where the
        columns change. The metastore is asked where anything differs from what it was told last; where it does not
        answer, that is a warning, and the next call tries again.
        Returns whether it knows them now.
        """
        if self.has_told(table.name, places):
            return True
        try:
            self._partition(table, root, places)
        except (Py4JJavaError, PySparkException) as error:
            self._warn(table.name, error, "the streaming job tells it again, or the next batch")
            return False
        self._told[table.name] = places
        return True

    def has_told(self, table: str, places: dict[str, str]) -> bool:
        """Whether these are the places that this process has told the metastore last."""
        return self._told.get(table) == places

    def _partition(self, table: LakeTable, root: str, places: dict[str, str]) -> None:
        name = f"`{self.database}`.`{table.name}`"
        must = [*columns(self.pipeline, table), (DATE, "date")]
        found = self.spark.table(name).dtypes if self._location(table.name) is not None else must
        if found[:3] + found[-1:] != must[:3] + must[-1:]:  # position and date
            self._forget(table.name)  # it is no table of this kind
        self._make_database()
        self.spark.sql(create_table(self.pipeline, table, root))
        held = self.spark.table(name).dtypes
        both = [column for column in held if column in must]
        with self._client() as client:
            # Until every date is in a folder of this definition, a column that only one of two definitions has is an
            # error to ask for: where the files do not have it, it would be null.
            if both != held:
                self._set_columns(client, table.name, both[:-1])
            known = self._partitions(client, table.name)
            added = [f"{_of(date)} LOCATION {literal(path)}" for date, path in places.items() if date not in known]
            if added:
                self.spark.sql(f"ALTER TABLE {name} ADD IF NOT EXISTS {' '.join(added)}")
            self._move(client, table.name, [(known[date], path) for date, path in places.items() if date in known])
            if both != must:
                self._set_columns(client, table.name, must[:-1])
        for date in known.keys() - places.keys():
            self.spark.sql(f"ALTER TABLE {name} DROP IF EXISTS {_of(date)}")

    @contextmanager
    def _client(self) -> Iterator[Any]:
        """The metastore itself: Spark's own client cannot change the columns of a table and its partitions at once."""
        jvm: Any = self.spark._jvm
        hadoop = self.spark._jsparkSession.sessionState().newHadoopConf()
        client = jvm.org.apache.hadoop.hive.metastore.HiveMetaStoreClient(
            jvm.org.apache.hadoop.hive.conf.HiveConf(hadoop, hadoop.getClass())
        )
        try:
            yield client
        finally:
            client.close()

    def _partitions(self, client: Any, table: str) -> dict[str, Any]:
        """The partitions that the metastore has, by date."""
        return {found.getValues()[0]: found for found in client.listPartitions(self.database, table, ALL)}

    def _set_columns(self, client: Any, table: str, to: list[tuple[str, str]]) -> None:
        """Gives a table other columns, and each of its partitions, which Hive reads by its own: in one transaction."""
        api: Any = self.spark._jvm.org.apache.hadoop.hive.metastore.api  # type: ignore[union-attr]
        changed = client.getTable(self.database, table)
        changed.getSd().setCols([api.FieldSchema(name, kind, None) for name, kind in to])
        for key in [key for key in changed.getParameters() if key.startswith(SPARK_SCHEMA)]:
            del changed.getParameters()[key]
        client.alter_table(self.database, table, changed, True)

    def _move(self, client: Any, table: str, to: list[tuple[Any, str]]) -> None:
        """Points partitions to other folders, in one transaction."""
        moved = []
        for partition, path in to:
            if self._path(partition.getSd().getLocation()) != path:
                partition.getSd().setLocation(path)
                moved.append(partition)
        if moved:
            client.alter_partitions(self.database, table, moved)

    def _path(self, location: Any) -> str:
        """A place as Hadoop spells it."""
        jvm: Any = self.spark._jvm
        return str(jvm.org.apache.hadoop.fs.Path(location))

    def rows(self, table: str) -> DataFrame | None:
        """The rows that readers of `<database>.<table>` get now; None: the metastore has no such table.

        Raises:
            CatalogError: it does not answer.
        """
        name = f"`{self.database}`.`{table}`"
        with self._answering(table):
            if self._location(table) is None:
                return None
            self.spark.catalog.refreshTable(name)
            return self.spark.table(name)

    def places(self, table: str) -> dict[str, str]:
        """The folder of each date of a Parquet table that readers are pointed to.

        Raises:
            CatalogError: the metastore does not answer.
        """
        with self._answering(table), self._client() as client:
            if self._location(table) is None:
                return {}
            found = self._partitions(client, table)
            return {date: self._path(partition.getSd().getLocation()) for date, partition in found.items()}

    @contextmanager
    def _answering(self, table: str) -> Iterator[None]:
        try:
            yield
        except (Py4JJavaError, PySparkException) as error:
            raise CatalogError(
                f"{self.database}.{table} cannot be read by its name in the Hive metastore: {_said(error)}. Start the "
                "metastore at HIVE_METASTORE_URI"
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
        return self._path(self._tables.getTable(self.database, table).location())

    @property
    def _tables(self) -> Any:
        return self.spark._jsparkSession.sharedState().externalCatalog()


def _of(date: str) -> str:
    return f"PARTITION (`{DATE}` = DATE '{date}')"


def _said(error: Py4JJavaError | PySparkException) -> str:
    """The first line of what Java says."""
    text = error.java_exception.toString() if isinstance(error, Py4JJavaError) else str(error)
    return str(text.strip().splitlines()[0])
