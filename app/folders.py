"""Where the Parquet tables stand: how far they are written, and in which folder readers find the events of a date.

Readers list the files of a folder, so what is in it counts. These rules keep every event in them once:

- A micro-batch is written aside. One transaction moves the offsets and names its files as *arriving*; only then are
  they moved to the folders of their dates. What a killed job has left arriving is moved by whoever comes next.
- A compaction writes new folders beside those that are read. One transaction names them in place of the old ones.
- The Hive metastore is told after that. It follows what is written here, and holds nothing of its own. How far readers
  see is noted when it has been told, with nothing left that arrives.

All of it happens under the lock of the definition's row in `tidemark.parquet`.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from app.ledger import Ledger, Offsets, offsets_from_json

Place = tuple[str, str]  # a table, and a date as YYYY-MM-DD


class Arriving(NamedTuple):
    """A file that has been written and is to be moved to the folder of its date."""

    table: str
    date: str
    file: str


class Folder(NamedTuple):
    """A folder, by its path below the table's, and where the streaming job stood when it last added a file to it."""

    path: str
    placed: Offsets

    def has_grown_since(self, cut: Offsets) -> bool:
        return any(offset > cut.get(partition, 0) for partition, offset in self.placed.items())


@dataclass
class Standing:
    """What is written in Postgres of the Parquet tables of a definition."""

    published: bool = False  # whether readers see this definition
    removed: set[str] = field(default_factory=set)  # the definitions of the pipeline that are no longer kept
    offsets: Offsets = field(default_factory=dict)
    cut: Offsets | None = None
    arriving: list[Arriving] = field(default_factory=list)
    folders: dict[Place, Folder] = field(default_factory=dict)
    told: bool = False  # whether the metastore has been told of all this just now
    age: float | None = None  # seconds since the log was read up to the offsets, where that was just now

    def of(self, table: str) -> dict[str, Folder]:
        """The folders of a table, by date."""
        return {date: folder for (owner, date), folder in self.folders.items() if owner == table}


class Folders:
    """The standing of one definition, over the connection of its ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.key = ledger.key

    def read(self) -> Standing:
        """What stands now."""
        with self.ledger.transaction() as cursor:
            return self._read(cursor)

    def offsets(self) -> Offsets:
        """The offsets up to which events have been written."""
        return self.read().offsets

    @contextmanager
    def locked(self) -> Iterator[Standing]:
        """What stands, which nobody else changes in the block; changes made to it are kept when the block ends well."""
        with self.ledger.transaction() as cursor:  # of its own, as it locks the speed layer's ledger too
            cursor.execute(
                "INSERT INTO tidemark.parquet (pipeline, fingerprint) VALUES (%(pipeline)s, %(fingerprint)s) "
                "ON CONFLICT DO NOTHING",
                self.key,
            )
        with self.ledger.transaction() as cursor:
            standing = self._read(cursor, lock="FOR UPDATE OF t")
            before = dict(standing.folders)
            yield standing
            self._write(cursor, standing, before)

    def move(self, expected: Offsets, offsets: Offsets) -> None:
        """Moves the offsets over what holds nothing or is accepted as lost."""
        self.commit(expected, offsets, [])

    def commit(self, expected: Offsets, end: Offsets, arriving: list[Arriving]) -> Offsets:
        """Moves the offsets from `expected` to `end` and names the files that arrive. Returns where they stand now.

        That is not `end`, and nothing has been written, where a compaction has moved the offsets in the meantime.
        """
        with self.locked() as standing:
            if standing.offsets != expected:
                return standing.offsets
            standing.offsets = end
            standing.arriving += arriving
            return end

    def _read(self, cursor: Any, lock: str = "") -> Standing:
        of_this = "WHERE pipeline = %(pipeline)s AND fingerprint = %(fingerprint)s"
        published = (
            "EXISTS (SELECT FROM tidemark.published p WHERE (p.pipeline, p.fingerprint) = (t.pipeline, t.fingerprint))"
        )
        cursor.execute(f"SELECT {published}, offsets, cut, arriving FROM tidemark.parquet t {of_this} {lock}", self.key)
        row = cursor.fetchone()
        if row is None:
            return Standing()
        cursor.execute(f'SELECT "table", date::text, folder, placed FROM tidemark.parquet_folder {of_this}', self.key)
        folders = {(table, date): Folder(path, offsets_from_json(at)) for table, date, path, at in cursor.fetchall()}
        gone = "SELECT fingerprint FROM tidemark.generation WHERE pipeline = %(pipeline)s AND removed_at IS NOT NULL"
        cursor.execute(gone, self.key)
        return Standing(
            published=row[0],
            removed={fingerprint for (fingerprint,) in cursor.fetchall()},
            offsets=offsets_from_json(row[1]),
            cut=None if row[2] is None else offsets_from_json(row[2]),
            arriving=[Arriving(**file) for file in row[3]],
            folders=folders,
        )

    def _write(self, cursor: Any, standing: Standing, before: dict[Place, Folder]) -> None:
        cursor.execute(
            "UPDATE tidemark.parquet SET offsets = %(offsets)s, cut = %(cut)s, arriving = %(arriving)s "
            "WHERE pipeline = %(pipeline)s AND fingerprint = %(fingerprint)s",
            self.key
            | {
                "offsets": json.dumps(standing.offsets),
                "cut": None if standing.cut is None else json.dumps(standing.cut),
                "arriving": json.dumps([file._asdict() for file in standing.arriving]),
            },
        )
        if standing.told:
            cursor.execute(
                "UPDATE tidemark.parquet SET told_offsets = offsets, told_cut = cut, "
                "told_at = greatest(told_at, clock_timestamp() - %(age)s * interval '1 second') "
                "WHERE pipeline = %(pipeline)s AND fingerprint = %(fingerprint)s",
                self.key | {"age": standing.age},
            )
        for (table, date), folder in standing.folders.items():
            if folder != before.get((table, date)):
                cursor.execute(
                    'INSERT INTO tidemark.parquet_folder (pipeline, fingerprint, "table", date, folder, placed) VALUES '
                    "(%(pipeline)s, %(fingerprint)s, %(table)s, %(date)s, %(folder)s, %(placed)s) "
                    'ON CONFLICT (pipeline, fingerprint, "table", date) '
                    "DO UPDATE SET folder = excluded.folder, placed = excluded.placed",
                    self.key
                    | {"table": table, "date": date, "folder": folder.path, "placed": json.dumps(folder.placed)},
                )
