"""Proves the lake tables of a pipeline: compares each of them, as it is, with what it must hold."""

from pyspark.sql import DataFrame

from app.comparison import compared, digests
from app.compute import events_below
from app.findings import Findings
from app.lake import Derived, Lake, LakeError
from app.ledger import Ledger, Offsets
from app.measures import POSITION
from app.relations import Relation
from app.serving import of_version
from app.settings import Settings
from app.tables import Table, tables
from app.versions import Versions

TRIES = 3  # to read a table of a view and its version while batches publish others


def verify_lake(lake: Lake, ledger: Ledger, settings: Settings, cut: Offsets) -> Findings:
    """Compares every derived table; `cut`: that of the published version. Right also while batches run.

    Raises:
        LakeError: a table is of another definition, or does not have the columns of this one.
    """
    found = Findings()
    _verify_events(lake, cut, found)
    for table in lake.pipeline.view_tables:
        _verify_view(lake, ledger, settings, table, found)
    return found


def _verify_events(lake: Lake, cut: Offsets, found: Findings) -> None:
    """The tables of events, each against what the master dataset gives.

    A table is read at one Delta version, and held to the cut that this one was derived up to. Its rows below the
    published cut would not do: a batch that computes everything anew leaves out an event if a duplicate that arrived
    before it lies above the published cut, and it rewrites the table before it publishes, or is killed, or rolled
    back. What lies below a cut in the master dataset never changes, so nothing that happens meanwhile matters.
    """
    held = {table: lake.derived(table.name) for table in tables(lake.pipeline)}
    due: dict[tuple[tuple[int, int], ...], list[Table]] = {}  # by cut: one for all, but while a batch writes them
    for table, at in held.items():
        # A table that is not there, or was derived up to a lower cut than the published one, lacks rows.
        end = cut if at is None else {p: max(at.note.cut.get(p, 0), cut.get(p, 0)) for p in at.note.cut | cut}
        due.setdefault(tuple(sorted(end.items())), []).append(table)
    for ends, together in due.items():
        events = events_below(lake, lake.pipeline, dict(ends))
        for table, expected in zip(together, digests(events, ((t.where, t.columns) for t in together)), strict=True):
            at, must = held[table], table.rows(events)
            rows = must.limit(0) if at is None else at.rows
            require_columns(lake, table.name, rows, must)
            found.add(table.name, *compared(rows, must, POSITION, expected))


def _verify_view(lake: Lake, ledger: Ledger, settings: Settings, table: str, found: Findings) -> None:
    """A table of a view, against a version of the view, which holds what the merged view is made of.

    Versions that are published meanwhile may end what that version is kept for: then both are taken again.
    """
    view = lake.pipeline.view_tables[table]
    for _ in range(TRIES):
        at, version, published = _with_version(lake, ledger, table)
        must = of_version(lake.spark, settings, Relation(lake.pipeline, view), version)
        rows = must.limit(0) if at is None else at.rows
        require_columns(lake, table, rows, must)
        outcome = compared(rows, must, view.identity)
        if not outcome[1] or published == _published(ledger):
            break
    found.add(table, *outcome)


def _with_version(lake: Lake, ledger: Ledger, table: str) -> tuple[Derived | None, int, int]:
    """A table of a view as it is, the version whose rows it must hold, and the published version.

    A batch writes the table after it has published. So it may be of a version that was published while this read it,
    and of an earlier one while a batch runs. If it is of another version, that one was rolled back, or the batch that
    published the next was killed: then it must hold the published version, and does not.
    """
    before, running = _published(ledger), ledger.is_claimed("batch")
    at = lake.derived(table)
    version, after = at.note.version if at else 0, _published(ledger)
    expected = version <= after and (version >= before or running)
    return at, version if expected else after, after


def _published(ledger: Ledger) -> int:
    published = Versions(ledger).published()
    return published.version if published else 0


def require_columns(lake: Lake, table: str, rows: DataFrame, must: DataFrame) -> None:
    """Raises a LakeError where a table has not the columns that it must have."""
    if rows.dtypes != must.dtypes:
        raise LakeError(
            f"the lake table {table} of {lake.pipeline.name} has the columns {_listed(rows)}; expected: "
            f"{_listed(must)}. Run the batch job of the pipeline with --full, which writes it anew"
        )


def _listed(rows: DataFrame) -> str:
    return ", ".join(f"{name} {kind}" for name, kind in rows.dtypes)
