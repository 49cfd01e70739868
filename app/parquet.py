"""The files of the Parquet tables, on whatever file system the lake is.

    LAKE_PATH/<pipeline>/<table>/<fingerprint>/date=<date>/…              what the streaming job has written
    LAKE_PATH/<pipeline>/<table>/<fingerprint>-<version>-…/date=<date>/…  what a compaction has written
    LAKE_PATH/<pipeline>/<table>/_arriving/<fingerprint>/…                what is not yet where readers see it

A row is an accepted event: _partition, _offset, _index, arrival, and the table's columns.
"""

import logging
import uuid
from collections.abc import Iterable
from typing import Any

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from app.catalog import Catalog
from app.external import DATE, columns
from app.folders import Arriving, Folder, Standing
from app.lake import Lake, LakeError
from app.measures import POSITION
from app.model import LakeTable, Pipeline
from app.session import file_system
from app.tables import declared

logger = logging.getLogger(__name__)
FILE_ROWS = 5_000_000  # that a file may have
ARRIVING = "_arriving"  # Hive and Spark pass over names that begin with an underscore


class ParquetTable:
    """One Parquet table of a definition."""

    def __init__(self, lake: Lake, table: LakeTable) -> None:
        jvm: Any = lake.spark._jvm
        self._path: Any = jvm.org.apache.hadoop.fs.Path
        self._files: Any = file_system(lake.spark, self._path(lake.root))
        self.spark: SparkSession = lake.spark
        self.catalog: Catalog = lake.catalog
        self.pipeline: Pipeline = lake.pipeline
        self.table = table
        self.name = table.name
        self.root = lake.path(table.name)
        self.arriving = f"{ARRIVING}/{lake.pipeline.fingerprint}"

    def rows(self, events: DataFrame) -> DataFrame:
        """What it holds of accepted events, with `date`."""
        table = declared(self.table, self.pipeline)
        return events.filter(table.where).select(*table.columns, F.to_date(self.pipeline.event_time).alias(DATE))

    def stage(self, events: DataFrame) -> list[Arriving]:
        """Writes the rows of events, one file a date, where no reader looks."""
        folder = f"{self.arriving}/{uuid.uuid4()}"
        self.write(self.rows(events).coalesce(1), folder)
        return [Arriving(self.name, _date_of(file), file) for file in self._listed(folder)]

    def is_gone(self, file: Arriving, folder: str) -> bool:
        """Whether a file is neither where it was written nor in a folder below the table's."""
        return not self.found(file, folder)

    def found(self, file: Arriving, folder: str) -> list[str]:
        """Where a file is now: where it was written, in a folder below the table's, or, while it is moved, both."""
        return [path.toString() for path in self._way(file, folder) if self._files.exists(path)]

    def _way(self, file: Arriving, folder: str) -> tuple[Any, Any]:
        source = self._path(file.file)
        return source, self._path(f"{self.root}/{folder}/{source.getName()}")

    def place(self, file: Arriving, folder: str) -> None:
        """Moves a file into a folder below the table's. Doing it again changes nothing."""
        source, target = self._way(file, folder)
        if self._files.exists(target):
            self._files.delete(source, False)  # where a move is a copy and a delete, it may have ended between them
            return
        self._files.mkdirs(target.getParent())
        if not self._files.exists(source) or not self._files.rename(source, target):
            raise LakeError(
                f"{file.file} is not where the streaming job has written it, or cannot be moved to {target}. Run the "
                f"batch job of {self.pipeline.name} with --full, or see that the process may write to both folders"
            )

    def write(self, rows: DataFrame, folder: str) -> None:
        """Adds rows, of which each has a `date`, to the folders of their dates in one below the table's."""
        writer = rows.write.mode("append").partitionBy(DATE).option("maxRecordsPerFile", FILE_ROWS)
        writer.parquet(f"{self.root}/{folder}")

    def read(self, files: Iterable[str]) -> DataFrame:
        """The rows of files, with `date`."""
        schema = ", ".join(f"`{name}` {kind}" for name, kind in columns(self.pipeline, self.table))
        rows = self.spark.read.schema(schema).parquet(*files)
        return rows.withColumn(DATE, _date(F.col("_metadata.file_path")))

    def files(self, folders: Iterable[Folder]) -> list[str]:
        """The files in folders below the table's."""
        return [file for folder in folders for file in self._listed(folder.path)]

    def _listed(self, folder: str) -> list[str]:
        path = self._path(f"{self.root}/{folder}")
        if not self._files.exists(path):
            return []
        found = self._files.listFiles(path, True)
        names = []
        while found.hasNext():
            name = found.next().getPath().toString()
            if name.endswith(".parquet"):
                names.append(name)
        return names

    def make(self, folder: str) -> None:
        self._files.mkdirs(self._path(f"{self.root}/{folder}"))

    def delete(self, folder: str) -> None:
        self._files.delete(self._path(f"{self.root}/{folder}"), True)

    def forget(self, fingerprints: Iterable[str]) -> None:
        """Deletes what was written for definitions that are no longer kept, and has not arrived."""
        for fingerprint in fingerprints:
            self.delete(f"{ARRIVING}/{fingerprint}")

    def generations(self) -> list[str]:
        """The folders below the table's."""
        return [name for name in self._names("") if name != ARRIVING]

    def dates(self, generation: str) -> set[str]:
        """The dates that have a folder in one below the table's."""
        return {name.removeprefix(f"{DATE}=") for name in self._names(generation) if name.startswith(f"{DATE}=")}

    def _names(self, folder: str) -> list[str]:
        path = self._path(f"{self.root}/{folder}")
        if not self._files.exists(path):
            return []
        return [status.getPath().getName() for status in self._files.listStatus(path) if status.isDirectory()]

    def tell(self, standing: Standing) -> bool:
        """Tells the metastore where readers find each date, if they see this definition. Returns whether it knows."""
        if self.has_told(standing):
            return True
        return self.catalog.partition(self.table, self.root, self._places(standing))

    def has_told(self, standing: Standing) -> bool:
        """Whether this process has nothing to tell the metastore."""
        return not standing.published or self.catalog.has_told(self.name, self._places(standing))

    def is_told(self, standing: Standing) -> bool:
        """Whether the metastore points readers to the folders of what stands."""
        return self.catalog.places(self.name) == self._places(standing)

    def _places(self, standing: Standing) -> dict[str, str]:
        return {date: f"{self.root}/{folder.path}" for date, folder in standing.of(self.name).items()}


class Parquet:
    """All Parquet tables of a definition."""

    def __init__(self, lake: Lake) -> None:
        self.pipeline = lake.pipeline
        self.tables = {table.name: ParquetTable(lake, table) for table in lake.pipeline.parquet_tables}

    def settle(self, standing: Standing, anew: bool = False) -> None:
        """Moves the files that arrive to where readers see them. To be called under the lock.

        `anew`: whether all rows are about to be written anew, and so those of a file that is gone.

        Raises:
            LakeError: a file cannot be moved, or is gone, as after Postgres was restored.
        """
        for file in standing.arriving:
            table, path = self.tables[file.table], self._folder(file, standing)
            if anew and table.is_gone(file, path):
                logger.warning("%s is gone; its rows are written anew", file.file)
                continue
            table.place(file, path)
            standing.folders[file.table, file.date] = Folder(path, standing.offsets)
        standing.arriving = []

    def _folder(self, file: Arriving, standing: Standing) -> str:
        """Where a file that arrives is moved to."""
        found = standing.folders.get((file.table, file.date))
        return found.path if found else f"{self.pipeline.fingerprint}/{DATE}={file.date}"

    def arriving(self, table: str, standing: Standing) -> DataFrame | None:
        """The positions of the rows of a table that arrive, whether their files have been moved or not; None: no rows.

        To be called under the lock. What it returns no longer needs the files.
        """
        files = [
            found
            for file in standing.arriving
            if file.table == table
            for found in self.tables[table].found(file, self._folder(file, standing))
        ]
        return self.tables[table].read(files).select(*POSITION).localCheckpoint() if files else None

    def clear(self) -> None:
        """Deletes the files that are written and do not arrive: a killed job has left them."""
        for table in self.tables.values():
            table.delete(table.arriving)

    def tell(self, standing: Standing) -> bool:
        """Tells the metastore where readers find what stands. To be called under the lock. Returns whether it knows."""
        told = [table.tell(standing) for table in self.tables.values()]
        standing.told = all(told) and standing.published and not standing.arriving
        return all(told)

    def has_told(self, standing: Standing) -> bool:
        """Whether this process has nothing to tell the metastore."""
        return all(table.has_told(standing) for table in self.tables.values())

    def is_told(self, standing: Standing) -> bool:
        """Whether the metastore points readers to what stands."""
        return all(table.is_told(standing) for table in self.tables.values())


def _date_of(path: str) -> str:
    """The date of the folder that a file is in."""
    return path.rsplit(f"/{DATE}=", 1)[1].split("/", maxsplit=1)[0]


def _date(path: Column) -> Column:
    return F.regexp_extract(path, f"/{DATE}=([^/]+)/[^/]*$", 1).cast("date")
