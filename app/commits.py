"""The newest commits to a Delta table, read from its log.

Delta's own history is a query over all commits that are kept, and makes a Spark job of it.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pyspark.sql import SparkSession

from app.session import file_system

FILES = "[0-9]" * 20 + ".json"
SPECIAL = re.compile(r"[][{}*?\\]")  # what stands for other characters in such a pattern


@dataclass(frozen=True)
class Commit:
    """A version of a table: what was done, as Delta calls it, what its writer has noted on it, and how many rows it
    has written.
    """

    version: int
    operation: str | None
    metadata: str | None
    rows: int | None = None


def newest_commits(spark: SparkSession, path: str, most: int) -> Iterator[Commit]:
    """The last commits to the table at a path, the newest first, each read when it is asked for; of no table none."""
    jvm: Any = spark._jvm
    log = jvm.org.apache.hadoop.fs.Path(path, "_delta_log")
    files = file_system(spark, log)
    named = jvm.org.apache.hadoop.fs.Path(SPECIAL.sub(r"\\\g<0>", log.toString()), FILES)
    found = files.globStatus(named) or []  # by name; null where there is no folder
    for number in range(len(found) - 1, max(len(found) - most, 0) - 1, -1):
        file = found[number].getPath()
        said = _said(jvm, files, file)
        rows = said.get("operationMetrics", {}).get("numOutputRows")
        yield Commit(
            int(file.getName().removesuffix(".json")),
            said.get("operation"),
            said.get("userMetadata"),
            None if rows is None else int(rows),
        )


def _said(jvm: Any, files: Any, path: Any) -> dict[str, Any]:
    stream = files.open(path)
    try:
        text: str = jvm.org.apache.commons.io.IOUtils.toString(stream, "UTF-8")
    finally:
        stream.close()
    actions = (json.loads(line) for line in text.splitlines())
    said: dict[str, Any] = next((action["commitInfo"] for action in actions if "commitInfo" in action), {})
    return said
