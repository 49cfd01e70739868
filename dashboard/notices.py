"""What the pages say of how old something is, and of what is missing: each time with the command that helps."""

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import streamlit as st

from dashboard.shared import Reading
from dashboard.sources import Sources

# A sign, a word and a colour for each standing of the API, the best first: the colour is never the only one.
SIGNS = {
    "ok": ("●", "fresh", "green"), "warn": ("▲", "late", "orange"), "error": ("■", "stale", "red"),
    "failed": ("✖", "failed", "red"),
}  # fmt: skip
MARKUP = re.compile(r"[!-/:-@\[-`{-~]")  # what Streamlit may take for Markdown unless a backslash is before it


def age(seconds: float | None) -> str:
    """How long ago, in the unit that fits."""
    return "never" if seconds is None else f"{duration(seconds)} ago"


def duration(seconds: float) -> str:
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


def standing(status: Reading) -> str:
    """ok, warn, error or failed: what the API says of the layers, unless that cannot be read any more."""
    if status.error or status.value is None:
        return "error"
    if status.value["failures"]:
        return "failed"
    return "warn" if _only_batch_is_late(status.value) else str(status.value["freshness"])


def said(status: Reading) -> str:
    """Whether a pipeline is fresh: the sign, and words."""
    sign, word, _ = SIGNS[standing(status)]
    if status.value is None:
        return f"{sign} unknown"
    if status.error:
        return f"{sign} not read for {duration(status.seconds)}"
    if status.value["failures"]:
        return f"{sign} {' · '.join(_stopped(one) for one in status.value['failures'])}"
    if _only_batch_is_late(status.value):
        return f"{sign} batch {word} · published {age(status.value['batch_seconds'])}"
    return f"{sign} {word} · {age(status.value['freshness_seconds'])}"


def _stopped(failure: dict[str, Any]) -> str:
    """Which job failed, or that a version is refused, and since when."""
    what = "version refused" if _refused(failure) else f"{failure['job']} failed"
    return f"{what} {age(failure['seconds'])}"


def _refused(failure: dict[str, Any]) -> bool:
    """Whether the quality rule refuses the next version of the pipeline."""
    return bool(failure["job"] == "batch" and failure["decision"] == "quarantined")


def _only_batch_is_late(stand: dict[str, Any]) -> bool:
    return stand["freshness"] == "ok" and bool(stand["batch_late"])


def old(reading: Reading) -> str:
    """How long ago something was read, where reading fails; empty: there is nothing old about it."""
    return f", read {age(reading.seconds)}" if reading.error and reading.value is not None else ""


def badge(status: Reading) -> str:
    """The same in its colour, in Markdown."""
    return f":{SIGNS[standing(status)][2]}-badge[{said(status)}]"


def plain(text: str) -> str:
    """A text that is no Markdown."""
    return MARKUP.sub(r"\\\g<0>", text)


def stopped(name: str, failures: Iterable[dict[str, Any]]) -> None:
    """Says which jobs have stopped a pipeline: since when, why, and the command that helps."""
    for one in failures:
        what = "The next version is refused." if _refused(one) else f"The {one['job']} job has stopped it."
        since = f"{datetime.fromisoformat(one['since']):%Y-%m-%d %H:%M:%S} UTC ({age(one['seconds'])})"
        after = "It waits for a decision" if one["decision"] else f"Failed {one['times']:,} times, it is tried again"
        st.error(
            f"**{plain(name)}: {what}** Since {since}: {plain(one['reason'])}\n\n{after}. What helps: `{one['help']}`"
        )


def late(name: str, status: dict[str, Any]) -> None:
    """Says which job has failed, or which layer is behind its target, and what helps."""
    stopped(name, status["failures"])
    failed = {one["job"] for one in status["failures"]}
    if "streaming" not in failed:
        _speed_late(name, status)
    if status["batch_late"] and "batch" not in failed:
        st.warning(
            f"**The batch is behind.** Version {status['version']} is of {age(status['batch_seconds'])}; the target is "
            f"{duration(status['batch_within'])}. Publish another: `./scripts/submit batch {name}`"
        )


def _speed_late(name: str, status: dict[str, Any]) -> None:
    if status["freshness_seconds"] is None:
        st.info(
            f"Nothing has been counted yet. Start the speed layer, `./scripts/submit streaming {name}`, "
            f"and {send(name)}"
        )
    elif status["freshness"] != "ok" and status.get("open_since"):
        st.warning(
            f"**A Kafka transaction is open** since {status['open_since']}. What it holds, and what follows it in its "
            "partitions, is counted when it ends. See that its producer commits or aborts it, and that the speed layer "
            f"runs: `./scripts/submit streaming {name}`"
        )
    elif status["freshness"] != "ok":
        st.warning(
            f"**The speed layer is behind.** It counted last {age(status['freshness_seconds'])}; the target is "
            f"{duration(status['fresh_within'])}. See that it runs: `./scripts/submit streaming {name}`"
        )


def empty(answer: dict[str, Any]) -> None:
    """Says why an answer of the API has no rows, and what helps."""
    meta = answer["meta"]
    name, layer = meta["pipeline"], meta.get("layer")
    if layer is None:  # events, of a table of the lake
        st.info(f"The lake has none yet. The streaming job writes them: `./scripts/submit streaming {name}`")
    elif layer == "batch" and not meta["version"]:
        st.info(f"No version yet. Publish the first: `./scripts/submit batch {name}`")
    elif meta["freshness_seconds"] is None:
        _speed_late(name, meta)
    elif layer == "speed":
        st.info(f"The speed layer has counted nothing of this view since the cut. To see it count, {send(name)}")
    else:
        st.info(f"No event that has been counted belongs to this view. To see some, {send(name)}")


def send(name: str) -> str:
    return f"send events: `python -m producers {name}`"


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


def served(here: Sources) -> list[dict[str, Any]]:
    """What there is of all pipelines to show. Where there is none, says why, and what helps."""
    if not told(here.pipelines()):
        return []
    found = here.served()
    if not found:
        st.info("No pipeline is served yet. Register them: `./scripts/migrate`")
    return found
