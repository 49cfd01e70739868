"""The files of a folder that changed, as a stream: name (its bytes), settled (see `app.folder`).

The folder is looked at by one process of the driver, once a trigger, and what it remembers begins with the query.
"""

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pyspark import cloudpickle
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import types as T
from pyspark.sql.datasource import DataSource, SimpleDataSourceStreamReader

from app.folder import Folder


class Changes(SimpleDataSourceStreamReader):
    """Looks at the folder; an offset counts the first look, and those that found something.

    Spark begins with a micro-batch also where the first look finds nothing, and it keeps only what lies between two
    offsets.
    """

    def __init__(self, folder: Folder) -> None:
        self._folder = folder

    def initialOffset(self) -> dict[str, int]:  # noqa: N802 - the name that Spark calls
        return {"look": 0}

    def read(self, start: dict[str, int]) -> tuple[Iterator[tuple[bytes, bool]], dict[str, int]]:
        seen = self._folder.look(time.monotonic())
        look = start["look"] + 1 if seen or not start["look"] else start["look"]
        return iter([(os.fsencode(name), settled) for name, settled in seen]), {"look": look}


class ChangedFiles(DataSource):
    """The format `changed_files`. Options: path, a folder of this machine; wait, in seconds."""

    @classmethod
    def name(cls) -> str:
        return "changed_files"

    def schema(self) -> T.StructType:
        return T.StructType([T.StructField("name", T.BinaryType()), T.StructField("settled", T.BooleanType())])

    def simpleStreamReader(self, schema: T.StructType) -> SimpleDataSourceStreamReader:  # noqa: ARG002, N802
        options: Any = self.options
        return Changes(Folder(Path(options["path"]), float(options["wait"])))


def send_as_they_are(*classes: type) -> None:
    """Makes the process that looks get the modules of these classes with the classes: it need not find this package."""
    pickle: Any = cloudpickle
    for one in classes:
        pickle.register_pickle_by_value(sys.modules[one.__module__])


def changed_files(spark: SparkSession, folder: Path, wait: float) -> DataFrame:
    """The stream of a folder: `name` of a file that changed, or is `settled` since `wait` seconds."""
    send_as_they_are(Changes, Folder)
    spark.dataSource.register(ChangedFiles)
    return spark.readStream.format(ChangedFiles.name()).option("path", str(folder)).option("wait", wait).load()
