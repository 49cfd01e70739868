"""The declared history files of a pipeline: their lines into the master dataset, once per content.

A line is what it is in a dropped file (see `app.lines`), but that a document is none: without white space at its end,
cut where it is too long, and never blank. The executors read a file where it lies, in parts. They cannot read one with
a line that takes much of their memory, nor one of UTF-16: the driver reads such a file piece by piece, and gives its
lines to the lake, where the executors read them.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.storagelevel import StorageLevel

from app.lake import FILES, Lake, LakeError
from app.ledger import Ledger
from app.lines import LIMIT, WHITESPACE, Content, is_wide, lines, lots
from app.session import file_system
from app.settings import HOME

PIECE = 16 * LIMIT  # bytes of a line that executors are spared: no line that is twice as long can go unnoticed
LOT_BYTES = 32 * LIMIT  # of lines that the driver holds at a time
ROW_NUMBER = (1 << 33) - 1  # the bits of monotonically_increasing_id that count the rows of a partition


def load_history(lake: Lake, ledger: Ledger) -> int:
    """Adds the declared history files whose content is not there yet. Returns how many were added.

    Raises:
        LakeError: a declared file does not exist.
    """
    files = new_history(lake)
    for source, path in files.items():
        with _texts(lake, path, source) as texts:
            _load(lake, ledger, texts, source)
    return len(files)


def new_history(lake: Lake) -> dict[str, Path]:
    """The declared history files whose content the master dataset does not hold, by the SHA-256 of it.

    A file without a line has nothing to hold.

    Raises:
        LakeError: a declared file does not exist.
    """
    pipeline = lake.pipeline
    if not pipeline.history:
        return {}
    held = lake.bronze().filter(F.col("partition") == FILES)
    known = {row["source"] for row in held.select("source").distinct().collect()}
    found: dict[str, Path] = {}
    for pattern in pipeline.history:
        paths = sorted(HOME.glob(pattern))
        if not paths:
            raise LakeError(f"history of {pipeline.name}: no file is named {pattern} in {HOME}")
        for path in paths:
            with path.open("rb") as file:
                source = hashlib.file_digest(file, "sha256").hexdigest()
                if source not in known and next(lines(file, Content()), None):
                    found.setdefault(source, path)
    return found


@contextmanager
def _texts(lake: Lake, path: Path, source: str) -> Iterator[DataFrame]:
    """The lines of a file in their order, as `value`, of which what is too long may go on."""
    if not _needs_driver(path):
        yield lake.spark.read.option("lineSep", "\n").text(path.as_uri()).select(F.col("value").cast("binary"))
        return
    jvm: Any = lake.spark._jvm
    staged = jvm.org.apache.hadoop.fs.Path(lake.path(f"_history/{source}.parquet"))
    files = file_system(lake.spark, staged)
    try:
        with TemporaryDirectory() as folder:
            file = Path(folder) / "lines.parquet"
            _copy_lines(path, file)
            files.copyFromLocalFile(True, True, jvm.org.apache.hadoop.fs.Path(file.as_uri()), staged)
        yield lake.spark.read.parquet(staged.toString())
    finally:
        files.delete(staged, True)


def _needs_driver(path: Path) -> bool:
    with path.open("rb") as file:
        if is_wide(file):
            return True
        file.seek(0)
        return any(b"\n" not in piece for piece in iter(lambda: file.read(PIECE), b"") if len(piece) == PIECE)


def _copy_lines(path: Path, to: Path) -> None:
    schema = pa.schema([("value", pa.binary())])
    with path.open("rb") as file, pq.ParquetWriter(to, schema) as writer:
        for lot in lots(lines(file, Content()), lambda line: len(line.text), LOT_BYTES):
            writer.write_table(pa.table({"value": [line.text for line in lot]}, schema))


def _load(lake: Lake, ledger: Ledger, texts: DataFrame, source: str) -> None:
    """Appends the lines in one commit, numbered on from those of the files before.

    They are counted before they are numbered. Both read what was kept of one reading, so the partitions are the same;
    and Spark makes those of a file in its order.
    """
    text = F.substring("value", 1, LIMIT).cast("string")
    # What is not UTF-8 is not trimmed: Spark would take white space for a part of the character before it.
    trimmed = F.when(F.is_valid_utf8(text), F.rtrim(text, F.lit(WHITESPACE.decode()))).otherwise(text).cast("binary")
    named = F.lit(lake.pipeline.name).alias("pipeline")  # another that loads this file now keeps a reading of its own
    kept = texts.select(trimmed.alias("value"), named).filter(F.octet_length("value") > 0)
    kept.persist(StorageLevel.DISK_ONLY)
    try:
        counts: dict[int, int] = dict(kept.groupBy(F.spark_partition_id()).count().collect())
        start = lake.held().get(FILES, 0)
        *starts, end = accumulate((counts.get(number, 0) for number in range(max(counts) + 1)), initial=start)
        row_number = F.monotonically_increasing_id().bitwiseAND(F.lit(ROW_NUMBER))
        numbered = F.array(*map(F.lit, starts))[F.spark_partition_id()] + row_number
        lines_of_file = kept.select(
            F.lit(None).alias("topic"),
            F.lit(FILES).alias("partition"),
            numbered.alias("offset"),
            F.current_timestamp().alias("timestamp"),
            F.lit(None).alias("key"),
            "value",
            F.lit(source).alias("source"),
        )
        lake.append(lines_of_file, ledger, {FILES: end}, in_parts=True)
    finally:
        kept.unpersist()
