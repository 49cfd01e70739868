"""The declared history files of a pipeline: their lines into the master dataset, once per content."""

import hashlib
from pathlib import Path

from pyspark.sql import functions as F

from app.lake import FILES, Lake, LakeError
from app.ledger import Ledger
from app.settings import HOME


def load_history(lake: Lake, ledger: Ledger) -> int:
    """Adds the declared history files whose content is not there yet. Returns how many were added.

    Raises:
        LakeError: a declared file does not exist.
    """
    files = new_history(lake)
    for source, path in files.items():
        _load(lake, ledger, path, source)
    return len(files)


def new_history(lake: Lake) -> dict[str, Path]:
    """The declared history files whose content the master dataset does not hold, by the SHA-256 of it.

    Raises:
        LakeError: a declared file does not exist.
    """
    pipeline = lake.pipeline
    if not pipeline.history:
        return {}
    lines = lake.bronze().filter(F.col("partition") == FILES)
    known = {row["source"] for row in lines.select("source").distinct().collect()}
    found: dict[str, Path] = {}
    for pattern in pipeline.history:
        paths = sorted(HOME.glob(pattern))
        if not paths:
            raise LakeError(f"history of {pipeline.name}: no file is named {pattern} in {HOME}")
        for path in paths:
            with path.open("rb") as file:
                found.setdefault(hashlib.file_digest(file, "sha256").hexdigest(), path)
    return {source: path for source, path in found.items() if source not in known}


def _load(lake: Lake, ledger: Ledger, path: Path, source: str) -> None:
    base = lake.held().get(FILES, 0)
    lines = lake.spark.read.text(path.as_uri()).filter("trim(value) <> ''")
    lake.append(
        lines.select(
            F.lit(None).cast("string").alias("topic"),
            F.lit(FILES).alias("partition"),
            (F.monotonically_increasing_id() + base).alias("offset"),
            F.current_timestamp().alias("timestamp"),
            F.lit(None).cast("binary").alias("key"),
            F.col("value").cast("binary").alias("value"),
            F.lit(source).alias("source"),
        ),
        ledger,
    )
