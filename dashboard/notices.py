"""What the pages say of how old something is, and of what is missing: each time with the command that helps."""

from typing import Any

import streamlit as st

from dashboard.shared import Reading

# A sign, a word and a colour for each standing of the API: the colour is never the only one.
SIGNS = {"ok": ("●", "fresh", "green"), "warn": ("▲", "late", "orange"), "error": ("■", "stale", "red")}


def age(seconds: float | None) -> str:
    """How long ago, in the unit that fits."""
    return "never" if seconds is None else f"{duration(seconds)} ago"


def duration(seconds: float) -> str:
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


def standing(status: Reading) -> str:
    """ok, warn or error: what the API says, unless that cannot be read any more."""
    return "error" if status.error or status.value is None else str(status.value["freshness"])


def badge(status: Reading) -> str:
    """Whether a pipeline is fresh, in Markdown."""
    sign, word, colour = SIGNS[standing(status)]
    if status.value is None:
        return f":{colour}-badge[{sign} unknown]"
    seconds = status.value["freshness_seconds"]
    if status.error:
        return f":{colour}-badge[{sign} not read for {duration(status.seconds)}]"
    return f":{colour}-badge[{sign} {word} · {age(seconds)}]"


def late(name: str, status: dict[str, Any]) -> None:
    """Says which layer is behind its target, and what to start."""
    if status["freshness_seconds"] is None:
        st.info(
            f"Nothing has been counted yet. Start the speed layer, `spark-submit app/streaming_job.py {name}`, "
            "and send events."
        )
    elif status["freshness"] != "ok":
        st.warning(
            f"**The speed layer is behind.** It counted last {age(status['freshness_seconds'])}; the target is "
            f"{duration(status['fresh_within'])}. See that it runs: `spark-submit app/streaming_job.py {name}`"
        )
    if status["batch_late"]:
        st.warning(
            f"**The batch is behind.** Version {status['version']} is of {age(status['batch_seconds'])}; the target is "
            f"{duration(status['batch_within'])}. Publish another: `spark-submit app/batch_job.py {name}`"
        )


def told(*readings: Reading) -> bool:
    """Says what could not be read. Whether there is something of all to show, be it old."""
    errors = list(dict.fromkeys(one.error for one in readings if one.error))
    if any(one.value is None for one in readings):
        for error in errors:
            st.error(error)
        return False
    if errors:
        oldest = max(one.seconds for one in readings if one.error)
        st.warning(f"**Stale: read {age(oldest)}.** {' '.join(errors)}")
    return True
