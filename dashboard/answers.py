"""How many answers the API gives, and how fast: of what its metrics say at two moments."""

import math
from collections import Counter
from typing import NamedTuple

from prometheus_client.parser import text_string_to_metric_families


class Answers(NamedTuple):
    """Since the API was started, at a moment (seconds since 1970): answers within so many seconds, by seconds."""

    at: float
    within: dict[float, float]

    @property
    def all(self) -> float:
        return max(self.within.values(), default=0.0)


class Pace(NamedTuple):
    """Answers a second, and the seconds within which half of them began; None where that is not known."""

    rate: float | None
    half: float | None


def counted(metrics: str, at: float) -> Answers:
    """What the metrics of the API say of its answers."""
    within: Counter[float] = Counter()
    for family in text_string_to_metric_families(metrics):
        for sample in family.samples:
            if sample.name == "tidemark_api_seconds_bucket":
                within[float(sample.labels["le"])] += int(sample.value)
    return Answers(at, dict(within))


def pace(before: Answers | None, now: Answers) -> Pace:
    """Of the answers between two moments; where there was none before, or the API began anew, of all since then."""
    if before is None or before.all > now.all or before.at >= now.at:
        return Pace(None, _half(now.within, now.all))
    between = {seconds: count - before.within.get(seconds, 0) for seconds, count in now.within.items()}
    given = now.all - before.all
    return Pace(given / (now.at - before.at), _half(between, given))


def _half(within: dict[float, float], given: float) -> float | None:
    if not given:
        return None
    known = (seconds for seconds, count in within.items() if count * 2 >= given and seconds < math.inf)
    return min(known, default=None)
