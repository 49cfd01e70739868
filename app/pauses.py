"""Pauses between two tries of what has failed."""

from dataclasses import dataclass

FIRST_SECONDS = 5.0
MOST_SECONDS = 300.0
DOUBLINGS = 16  # more would pass any pause


@dataclass
class Pauses:
    """Each is twice as long as the one before, up to a limit; in seconds."""

    first: float = FIRST_SECONDS
    most: float = MOST_SECONDS
    failures: int = 0  # in a row

    def next(self) -> float:
        """The pause after one more failure."""
        pause = min(self.first * 2.0 ** min(self.failures, DOUBLINGS), self.most)
        self.failures += 1
        return pause

    def reset(self) -> None:
        """Begins anew: the work went well."""
        self.failures = 0
