"""When a batch layer that runs again and again has nothing to count."""

import time
from collections.abc import Callable

from app.durations import span
from app.history import new_history
from app.lake import OF_FILES, Lake
from app.ledger import Ledger, Offsets
from app.versions import Version, Versions

IDLE_SECONDS = 1800  # after which a version is published though nothing has come: so a job that is stuck shows


class Latest:
    """The version of a pipeline that this process has published last, or has refused since.

    Of another process it is not known whether it lived to write all that belongs to its version.
    """

    def __init__(self, lake: Lake, clock: Callable[[], float] = time.monotonic) -> None:
        self.lake = lake
        self._clock = clock
        self._idle_seconds = min(IDLE_SECONDS, span(lake.pipeline.batch_within).total_seconds() / 2)
        self._version: Version | None = None
        self._at = 0.0
        self._refused: tuple[int | None, Offsets] | None = None

    def published(self, version: Version) -> None:
        self._version, self._at, self._refused = version, self._clock(), None

    def refused(self, published: int | None, cut: Offsets) -> None:
        """Notes the cut of a version that was refused, and the one that readers see instead."""
        self._refused = published, cut

    def is_as_refused(self, ledger: Ledger) -> bool:
        """Whether nothing has come, and nothing was published, since a version was refused.

        Raises what `counts_all` does.
        """
        if self._refused is None:
            return False
        seen = Versions(ledger).published()
        published, cut = self._refused
        return (seen.version if seen else None) == published and self._is_all(ledger, cut)

    def counts_all(self, ledger: Ledger) -> bool:
        """Whether readers see it, it is young, and neither a message nor a file has come since.

        Raises:
            LedgerError: the definition has not been registered.
            LakeError: a history file is missing.
        """
        version = self._version
        if version is None or self._clock() - self._at >= self._idle_seconds:
            return False
        seen = Versions(ledger).published()
        return seen is not None and seen.version == version.version and self._is_all(ledger, version.cut)

    def _is_all(self, ledger: Ledger, cut: Offsets) -> bool:
        """Whether neither a message nor a file has come since a cut."""
        lines = {partition: end for partition, end in self.lake.held(cut).items() if partition in OF_FILES}
        return ledger.offsets() | lines == cut and not new_history(self.lake)
