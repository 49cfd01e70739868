"""One run of the batch layer: cut, wait, compute, check, publish."""

import logging
import time
from collections.abc import Callable

import tenacity

from app import losses
from app.compaction import Compaction
from app.compute import Computed, Counts, OutOfOrder, compute
from app.errors import Explained
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


class QualityError(Explained):
    """A version does not meet the pipeline's quality rules; the version before it, `published`, stays.

    `new`: the counts of what is new since that one; `cut`: the offsets up to which it was looked at.
    """

    help = "./scripts/submit batch {pipeline} --accept-quarantined"
    decision = "quarantined"

    def __init__(self, text: str, new: Counts, published: int | None, cut: Offsets) -> None:
        super().__init__(text)
        self.new = new
        self.published = published
        self.cut = cut


Accepts = Callable[[QualityError], bool]  # asked where a version is refused: whether an operator has accepted it


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


def run_unless_idle(
    latest: Latest, ledger: Ledger, settings: Settings, full: bool, accepted: Accepts | None = None
) -> Version | None:
    """Publishes as `run` does, unless this process has counted all that there is: then returns None.

    A full run counts all of it anew. Raises what `run` does.
    """
    if not full and latest.counts_all(ledger):
        return None
    try:
        version = run(latest.lake, ledger, settings, full, accepted=accepted)
    except QualityError as error:
        latest.refused(error.published, error.cut)
        raise
    latest.published(version)
    return version


def run(  # noqa: PLR0913
    lake: Lake,
    ledger: Ledger,
    settings: Settings,
    full: bool,
    *,
    before_publish: Callable[[], None] = lambda: None,
    accepted: Accepts | None = None,
) -> Version:
    """Publishes a new version of the pipeline, and returns it.

    Raises:
        LedgerError: another batch of the pipeline is running, or the definition is not registered.
        LakeError: the master dataset lags behind the cut, or a history file is missing.
        QualityError: too much of what is new since the published version was quarantined, and not `accepted`.
    """
    with ledger.claimed("batch"):
        return _run(lake, ledger, settings, full, before_publish=before_publish, accepted=accepted)


def _run(  # noqa: PLR0913
    lake: Lake,
    ledger: Ledger,
    settings: Settings,
    full: bool,
    *,
    before_publish: Callable[[], None],
    accepted: Accepts | None,
) -> Version:
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
    published = versions.published()
    previous = published if published and published.cut and not full else None
    number = versions.next_number()
    compaction = Compaction(lake, ledger, number, offsets)
    computed, previous = _compute(lake, pipeline, previous, offsets)
    try:
        counts = _counts(previous) + computed.counts
        refused = _refused(pipeline, counts, published, offsets)
        if refused and not (accepted and accepted(refused)):
            raise refused
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


def _counts(version: Version | None) -> Counts:
    return Counts(version.accepted, version.duplicates, version.quarantined) if version else Counts(0, 0, 0)


def _refused(pipeline: Pipeline, counts: Counts, published: Version | None, cut: Offsets) -> QualityError | None:
    """Why a version with these counts must not be published; None: it may.

    The rule looks at what is new since the published version of the definition: neither does a long good past hide what
    comes now, nor does a bad past that was accepted refuse what is good.
    """
    before = _counts(published)
    new = Counts(
        counts.accepted - before.accepted,
        counts.duplicates - before.duplicates,
        counts.quarantined - before.quarantined,
    )
    total = new.accepted + new.duplicates + new.quarantined
    if new.quarantined <= 0 or new.quarantined * 100 <= pipeline.max_quarantined_percent * total:
        return None
    since = f" that are new since version {published.version}" if published and published.cut else ""
    return QualityError(
        f"{pipeline.name}: {new.quarantined:,} of {total:,} events{since} are quarantined, more than the allowed "
        f"{pipeline.max_quarantined_percent} %; the published version stays. See the quarantine of the pipeline, then "
        "mend the source or the definition, or publish once with "
        f"{QualityError.help.format(pipeline=pipeline.name)}",
        new,
        published.version if published else None,
        cut,
    )
