"""One run of the batch layer: cut, wait, compute, check, publish."""

import logging
import time
from collections.abc import Callable

import tenacity

from app import losses
from app.compaction import Compaction
from app.compute import Computed, Counts, OutOfOrder, compute
from app.history import load_history
from app.idle import Latest
from app.lake import OF_FILES, Lake, LakeError
from app.ledger import Ledger, Offsets
from app.model import Pipeline
from app.relations import Relation
from app.serving import of_version
from app.settings import Settings
from app.tidy import tidy_derived
from app.versions import Version, Versions

logger = logging.getLogger(__name__)
TIDY_VERSIONS = 100  # between two times that the derived tables are tidied


class QualityError(Exception):
    """A version does not meet the pipeline's quality rules; the version before it stays published."""


def wait_until_archived(lake: Lake, ledger: Ledger, cut: Offsets, seconds: int) -> Offsets:
    """Waits until the master dataset holds all offsets below a cut, but for those that were accepted as lost.

    Returns the next offset of each partition there.

    Raises:
        LakeError: it does not within `seconds`.
    """

    held: Offsets = {}

    def missing() -> dict[int, tuple[int, int]]:
        nonlocal held
        lost = losses.recorded(ledger, "archive")
        held = lake.held(None if lost else cut)
        reached = losses.passed(held, lost)
        return {p: (reached.get(p, 0), offset) for p, offset in cut.items() if reached.get(p, 0) < offset}

    def say(state: tenacity.RetryCallState) -> None:
        if state.attempt_number % 5 == 1:
            logger.info("waiting for the master dataset to reach the cut: %s", state.outcome and state.outcome.result())

    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_result(bool),
        stop=tenacity.stop_after_delay(seconds),
        wait=tenacity.wait_fixed(1),
        before_sleep=say,
        retry_error_callback=lambda state: state.outcome and state.outcome.result(),
    )
    if left := retrying(missing):
        behind = "; ".join(f"partition {p}: next is {next_}, expected {end}" for p, (next_, end) in left.items())
        raise LakeError(
            f"the master dataset of {lake.pipeline.name} did not reach the cut within {seconds} s: {behind}. "
            "Is the streaming job of this pipeline running? It archives what the batch layer reads"
        )
    return held


def run_unless_idle(latest: Latest, settings: Settings, full: bool) -> Version | None:
    """Publishes as `run` does, unless this process has counted all that there is: then returns None.

    A full run counts all of it anew. Raises what `run` does.
    """
    if not full and latest.counts_all():
        return None
    version = run(latest.lake, latest.ledger, settings, full)
    latest.published(version)
    return version


def run(
    lake: Lake, ledger: Ledger, settings: Settings, full: bool, before_publish: Callable[[], None] = lambda: None
) -> Version:
    """Publishes a new version of the pipeline, and returns it.

    Raises:
        LedgerError: another batch of the pipeline is running, or the definition is not registered.
        LakeError: the master dataset lags behind the cut, or a history file is missing.
        QualityError: too much was quarantined.
    """
    with ledger.claimed("batch"):
        return _run(lake, ledger, settings, full, before_publish)


def _run(lake: Lake, ledger: Ledger, settings: Settings, full: bool, before_publish: Callable[[], None]) -> Version:
    started = time.monotonic()
    pipeline, versions = ledger.pipeline, Versions(ledger)
    if not full:
        with ledger.transaction() as cursor:
            ledger.refuse_replaced(cursor)
    if added := load_history(lake, ledger):
        logger.info("%s: %d history files loaded", pipeline.name, added)
    cut = ledger.cut()
    logger.info("%s: segment %d sealed at %s", pipeline.name, cut.segment, cut.offsets)
    held = wait_until_archived(lake, ledger, cut.offsets, settings.archive_wait)
    offsets = cut.offsets | {partition: held[partition] for partition in OF_FILES if partition in held}
    published = None if full else versions.published()
    previous = published if published and published.cut else None
    number = versions.next_number()
    compaction = Compaction(lake, ledger, number, offsets)
    computed, previous = _compute(lake, pipeline, previous, offsets)
    try:
        before = Counts(previous.accepted, previous.duplicates, previous.quarantined) if previous else Counts(0, 0, 0)
        counts = before + computed.counts
        _check(pipeline, counts)
        lake.derive(computed.events, previous.cut if previous else None, offsets, counts.accepted)
        compaction.prepare(computed.events, previous)
    finally:
        computed.release()
    before_publish()
    version = Version(
        version=number,
        segment=cut.segment,
        cut=offsets,
        mode="incremental" if previous else "full",
        accepted=counts.accepted,
        duplicates=counts.duplicates,
        quarantined=counts.quarantined,
        seconds=round(time.monotonic() - started, 3),
    )
    versions.publish(version, previous.version if previous else None, computed.increments, full)
    compaction.publish()
    versions.prune(settings.keep_versions)
    _copy_views(lake, settings, version.version)
    if number % TIDY_VERSIONS == 0:
        tidy_derived(lake)
    return version


def _copy_views(lake: Lake, settings: Settings, version: int) -> None:
    """Writes the lake tables of views. A batch that is killed before leaves them to the next one."""
    for table, view in lake.pipeline.view_tables.items():
        lake.replace(table, of_version(lake.spark, settings, Relation(lake.pipeline, view), version), version)


def _compute(lake: Lake, pipeline: Pipeline, previous: Version | None, cut: Offsets) -> tuple[Computed, Version | None]:
    """The new events on top of a version, or all events and no version where only that is exact."""
    if previous is None:
        return compute(lake, pipeline, {}, cut), None
    if not can_add_to(lake, previous.cut, previous.accepted):
        number = previous.version
        logger.warning("%s: the lake's ids are not those of version %d; computing all of it", pipeline.name, number)
        return compute(lake, pipeline, {}, cut), None
    try:
        return compute(lake, pipeline, previous.cut, cut), previous
    except OutOfOrder as reason:
        logger.info("%s: %s; computing all of it", pipeline.name, reason)
        return compute(lake, pipeline, {}, cut), None


def can_add_to(lake: Lake, cut: Offsets, accepted: int) -> bool:
    """Whether a batch may add to the version of that cut and that many accepted events.

    It may where the lake's ids say which these are. They do not where they are lost, nor where a batch that computed
    everything anew was killed before it published, or rolled back: it may have left out one of these events for a
    duplicate that arrived before it and lies above the cut, and that one would then be counted too.
    """
    return lake.pipeline.dedup is None or lake.identified(cut) == accepted


def _check(pipeline: Pipeline, counts: Counts) -> None:
    total = counts.accepted + counts.duplicates + counts.quarantined
    if counts.quarantined * 100 > pipeline.max_quarantined_percent * total:
        raise QualityError(
            f"{pipeline.name}: {counts.quarantined} of {total} events are quarantined, more than the allowed "
            f"{pipeline.max_quarantined_percent} %; the published version stays. See the lake table quarantine, or "
            "raise max_quarantined_percent"
        )
