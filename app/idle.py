"""When a batch layer that runs again and again has nothing to count."""

import time
from collections.abc import Callable

from app.durations import span
from app.history import new_history
from app.lake import OF_FILES, Lake
from app.ledger import Ledger
from app.versions import Version, Versions

IDLE_SECONDS = 1800  # after which a version is published though nothing has come: so a job that is stuck shows


class Latest:
    """The version of a pipeline that this process has published last.

    Of another process it is not known whether it lived to write all that belongs to its version.
    """

    def __init__(self, lake: Lake, ledger: Ledger, clock: Callable[[], float] = time.monotonic) -> None:
        self.lake = lake
        self.ledger = ledger
        self._clock = clock
        self._idle_seconds = min(IDLE_SECONDS, span(lake.pipeline.batch_within).total_seconds() / 2)
        self._version: Version | None = None
        self._at = 0.0

    def published(self, version: Version) -> None:
        self._version, self._at = version, self._clock()

    def counts_all(self) -> bool:
        """Whether readers see it, it is young, and neither a message nor a file has come since.

        Raises:
            LedgerError: the definition has not been registered.
            LakeError: a history file is missing.
        """
        version = self._version
        if version is None or self._clock() - self._at >= self._idle_seconds:
            return False
        seen = Versions(self.ledger).published()
        if seen is None or seen.version != version.version:
            return False
        lines = {partition: end for partition, end in self.lake.held(version.cut).items() if partition in OF_FILES}
        return self.ledger.offsets() | lines == version.cut and not new_history(self.lake)
