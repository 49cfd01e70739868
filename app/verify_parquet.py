"""Proves the Parquet tables of a pipeline: compares what readers of Hive get with a recount of the master dataset."""

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

TRIES = 3  # while batches compact the tables meanwhile


def verify_parquet(lake: Lake, ledger: Ledger, settings: Settings, found: Findings) -> None:
    """Compares every Parquet table up to where the streaming job has written. Right also while the jobs go on.

    Raises:
        LakeError: the master dataset does not reach as far within ARCHIVE_WAIT seconds.
        CatalogError: the Hive metastore does not answer.
    """
    folders, parquet = Folders(ledger), Parquet(lake)
    if not parquet.tables:
        return
    for _ in range(TRIES):
        with folders.locked() as standing:
            parquet.settle(standing)
            parquet.tell(standing)
        wait_until_archived(lake, ledger, standing.offsets, settings.archive_wait)
        all_of_them = _compared(lake, parquet, standing)
        # A later batch may know of an earlier duplicate of an event that this recount has.
        if all_of_them.exact or folders.read().cut == standing.cut:
            break
    found.take(all_of_them)


def _compared(lake: Lake, parquet: Parquet, standing: Standing) -> Findings:
    end = (standing.cut or {}) | standing.offsets  # the cut counts the lines of files too
    events, found = events_below(lake, lake.pipeline, end), Findings()
    for table in parquet.tables.values():
        rows = lake.catalog.rows(table.name).filter(below(end, "_partition", "_offset"))
        found.add(table.name, *compared(rows, table.rows(events), POSITION))
    return found
