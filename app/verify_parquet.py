"""Proves the Parquet tables of a pipeline: compares what readers of Hive get with a recount of the master dataset."""

from app.batch import wait_until_archived
from app.comparison import differing, digest
from app.compute import events_below
from app.findings import Findings
from app.folders import Folders, Standing
from app.lake import Lake, below
from app.ledger import Ledger
from app.measures import POSITION
from app.parquet import Parquet, ParquetTable
from app.settings import Settings

TRIES = 3  # while batches compact the tables meanwhile


def verify_parquet(lake: Lake, ledger: Ledger, settings: Settings, found: Findings) -> None:
    """Compares every Parquet table up to where the streaming job has written. Right also while the jobs go on.

    Raises:
        LakeError: the master dataset does not reach as far within ARCHIVE_WAIT seconds.
        CatalogError: the Hive metastore does not answer.
    """
    folders, parquet = Folders(ledger), Parquet(lake)
    for table in parquet.tables.values():
        for _ in range(TRIES):
            with folders.locked() as standing:
                parquet.settle(standing)
                parquet.tell(standing)
            wait_until_archived(lake, ledger, standing.offsets, settings.archive_wait)
            one = _compared(lake, table, standing)
            # A later batch may know of an earlier duplicate of an event that this recount has.
            if one.exact or folders.read().cut == standing.cut:
                break
        found.take(one)


def _compared(lake: Lake, table: ParquetTable, standing: Standing) -> Findings:
    end = (standing.cut or {}) | standing.offsets  # the cut counts the lines of files too
    must = table.rows(events_below(lake, lake.pipeline, end))
    rows = lake.catalog.rows(table.name).filter(below(end, "_partition", "_offset"))
    given, found = digest(rows), Findings()
    found.add(table.name, given[0], *((0, []) if given == digest(must) else differing(rows, must, POSITION)))
    return found
