"""Proves the Parquet tables of a pipeline: compares what readers of Hive get with a recount of the master dataset.

It finishes nothing that a job has begun, and tells the metastore nothing: that would mend what it is to find.
"""

from dataclasses import dataclass

import tenacity
from pyspark.sql import DataFrame

from app.batch import wait_until_archived
from app.comparison import compared
from app.compute import events_below
from app.findings import Findings
from app.folders import Folders, Standing
from app.lake import Lake, below
from app.ledger import Ledger
from app.measures import POSITION
from app.parquet import Parquet
from app.settings import Settings
from app.verify_lake import require_columns


@dataclass(frozen=True)
class Seen:
    """What stood at one instant, and for each table what readers got then, and the positions of what arrived."""

    standing: Standing
    rows: dict[str, DataFrame | None]
    arriving: dict[str, DataFrame | None]


def verify_parquet(lake: Lake, ledger: Ledger, settings: Settings, found: Findings) -> None:
    """Compares every Parquet table up to where it is written, but for what arrives. Right also while the jobs go on.

    Raises:
        LakeError: the master dataset does not reach as far within ARCHIVE_WAIT seconds, or a table has other columns.
        CatalogError: the Hive metastore does not answer.
    """
    parquet = Parquet(lake)
    if not parquet.tables:
        return
    seen = _seen(ledger, parquet, settings.archive_wait)
    wait_until_archived(lake, ledger, seen.standing.offsets, settings.archive_wait)
    end = (seen.standing.cut or {}) | seen.standing.offsets  # the cut counts the lines of files too
    events = events_below(lake, lake.pipeline, end)
    for name, table in parquet.tables.items():
        must, rows, arriving = table.rows(events), seen.rows[name], seen.arriving[name]
        held = must.limit(0) if rows is None else rows.filter(below(end, "_partition", "_offset"))
        require_columns(lake, name, held, must)
        if arriving is not None:  # a killed job may have moved a part of it
            held, must = (side.join(arriving, list(POSITION), how="left_anti") for side in (held, must))
        found.add(name, *compared(held, must, POSITION))


def _seen(ledger: Ledger, parquet: Parquet, seconds: int) -> Seen:
    """What readers get. While a batch runs that has named its folders and not told the metastore, waits until it has.

    After so many seconds it is what they get all the same: the metastore may lack what this batch knows nothing of.
    """

    def look() -> tuple[Seen, bool]:
        running = ledger.is_claimed("batch")  # one that begins now cannot name folders before the lock is had
        with Folders(ledger).locked() as standing:
            seen = Seen(
                standing,
                {name: parquet.tables[name].catalog.rows(name) for name in parquet.tables},
                {name: parquet.arriving(name, standing) for name in parquet.tables},
            )
            return seen, not running or parquet.is_told(standing)

    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_result(lambda looked: not looked[1]),
        stop=tenacity.stop_after_delay(seconds),
        wait=tenacity.wait_fixed(1),
        retry_error_callback=lambda state: state.outcome and state.outcome.result(),
    )
    return retrying(look)[0]
