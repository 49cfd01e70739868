"""The batch layer's part of the Parquet tables: for each version, new folders of few files, exact below its cut.

What a date holds after it: below the cut the rows that the batch layer has computed, and above it those that the
streaming job has written. Readers find the new folder in place of the old one, which stays until the next batch for the
queries that have begun there; one that takes longer than that ends with an error.
"""

import uuid

from pyspark.sql import DataFrame

from app.compute import compute
from app.external import DATE
from app.folders import Folder, Folders, Standing
from app.lake import Lake, below, between
from app.ledger import Ledger, Offsets
from app.parquet import Parquet, ParquetTable
from app.versions import Version


class Compaction:
    """The compaction for a version: prepared before it is published, and read after."""

    def __init__(self, lake: Lake, ledger: Ledger, version: int, cut: Offsets) -> None:
        self.lake = lake
        self.pipeline = ledger.pipeline
        self.folders = Folders(ledger)
        self.parquet = Parquet(lake)
        self.cut = cut
        # Of its own: what a killed batch has left of the same version may still be there.
        self.generation = f"{self.pipeline.fingerprint}-{version}-{uuid.uuid4().hex[:8]}"
        self.start: Offsets = {}  # below it, the old folders are exact
        self.all = True  # whether every date has a new folder, or only those with something new
        self.carried: dict[str, set[str]] = {}  # the files of old folders whose rows are in the new ones, by table

    def prepare(self, events: DataFrame, previous: Version | None) -> None:
        """Writes the new folders beside the old ones.

        `events` are those below the cut that the version `previous` has not counted, or all where that is None.
        """
        if not self.parquet.tables:
            return
        with self.folders.locked() as standing:
            self.parquet.settle(standing, anew=previous is None)
        with self.folders.locked() as standing:
            # A batch that was killed after it had named its folders may have told nobody: what readers are still
            # pointed to must stay, as a query passes over a folder that is gone without a word.
            if self.parquet.tell(standing):
                self._clear(standing)
        if previous is None:
            self._write(events, standing)
        elif previous.cut == standing.cut:
            self.start, self.all = previous.cut, False
            self._write(events, standing)
        else:  # a batch was killed after it had published, or the version was rolled back to
            computed = compute(self.lake, self.pipeline, {}, self.cut)
            try:
                self._write(computed.events, standing)
            finally:
                computed.release()

    def _write(self, events: DataFrame, standing: Standing) -> None:
        for table in self.parquet.tables.values():
            rows = table.rows(events)
            found = standing.of(table.name)
            dates = self._touched(found)
            if not self.all:
                dates |= {str(row[DATE]) for row in rows.select(DATE).distinct().collect()}
            files = table.files(found[date] for date in dates if date in found)
            self.carried[table.name] = set(files)
            # How far the streaming job is, asked after the files were listed: each of their rows is below that.
            old = self._kept(table, files, self.folders.read().offsets) if files else rows.limit(0)
            table.write(old.unionByName(rows).repartition(DATE), self.generation)

    def _touched(self, folders: dict[str, Folder]) -> set[str]:
        return {date for date, folder in folders.items() if self.all or folder.has_grown_since(self.start)}

    def _kept(self, table: ParquetTable, files: list[str], reached: Offsets) -> DataFrame:
        """The rows of old files that the new ones hold too: all but those that have been computed anew."""
        position = ("_partition", "_offset")
        return table.read(files).filter(below(self.start, *position) | between(self.cut, reached, *position))

    def publish(self) -> None:
        """Points readers to the new folders, and takes into them what has come since they were written."""
        if not self.parquet.tables:
            return
        with self.folders.locked() as standing:
            self.parquet.settle(standing)
            for table in self.parquet.tables.values():
                self._publish(table, standing)
            standing.cut = self.cut
            # What the streaming job has not written yet, it need not: it is in the new folders.
            behind = {p: offset for p, offset in self.cut.items() if p >= 0 and offset > standing.offsets.get(p, 0)}
            standing.offsets |= behind
        # Not in one transaction with what the metastore is told: undone, it would have been told what is not so.
        with self.folders.locked() as standing:
            self.parquet.tell(standing)

    def _publish(self, table: ParquetTable, standing: Standing) -> None:
        found = standing.of(table.name)
        dates = self._touched(found)
        files = set(table.files(found[date] for date in dates)) - self.carried[table.name]
        if files:
            table.write(self._kept(table, sorted(files), standing.offsets).coalesce(1), self.generation)
        for date in dates | table.dates(self.generation):
            path = f"{self.generation}/{DATE}={date}"
            table.make(path)  # readers expect a folder, also where no row is left
            placed = found[date].placed if date in found else {}
            standing.folders[table.name, date] = Folder(path, placed)

    def _clear(self, standing: Standing) -> None:
        """Deletes what nobody refers to: old folders, unfinished ones, and those of removed definitions."""
        for table in self.parquet.tables.values():
            table.forget(standing.removed)
            used = {folder.path for folder in standing.of(table.name).values()}
            for generation in table.generations():
                if (fingerprint := generation.partition("-")[0]) in standing.removed:
                    table.delete(generation)
                elif fingerprint == self.pipeline.fingerprint:
                    self._clear_generation(table, generation, used)

    def _clear_generation(self, table: ParquetTable, generation: str, used: set[str]) -> None:
        folders = {f"{generation}/{DATE}={date}" for date in table.dates(generation)}
        if not folders & used:
            table.delete(generation)
        for folder in folders - used:
            table.delete(folder)
