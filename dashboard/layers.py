"""The page that explains the merge on what is being counted: parts, cut, versions, and what a publish does."""

from typing import Any

import streamlit as st

from dashboard import charts, figures
from dashboard.figures import TIME
from dashboard.notices import age, badge, duration, late, served, told
from dashboard.overview import counted_since, moved
from dashboard.sources import Sources, sources

OFTEN, SELDOM = "2s", "5s"
BARS = 15
PICKED = "explained pipeline"


def page() -> None:
    st.title("Lambda")
    st.caption("merged = the version that the batch layer published + what the speed layer counted after its cut")
    here = sources()
    by_name = {one["name"]: one for one in served(here)}
    if not by_name:
        return
    left, right = st.columns(2)
    if PICKED not in st.session_state:
        st.session_state[PICKED] = _busiest(here)
    listed = by_name[left.selectbox("Pipeline", by_name, key=PICKED)]
    _merge(here, listed, right.selectbox("View", _countable(listed), key=f"{listed['name']} merged"))
    st.subheader("Where the layers meet")
    _partitions(here, listed)
    st.subheader("What happens at a publish")
    _publish(here, listed)
    st.subheader("Versions")
    _versions(here, listed)


def _busiest(here: Sources) -> str:
    """The pipeline of which the speed layer has most, among those that count more than their quarantine."""
    found = here.standings()
    more = [one for one in found if len(_countable(one.listed)) > 1 and one.status.value] or found
    return max(more, key=lambda one: counted_since(one.status.value) if one.status.value else 0).name


def _countable(listed: dict[str, Any]) -> list[str]:
    """The views that have bars of what the layers add."""
    return [view["name"] for view in listed["views"] if view["sums"] and view["keys"]]


@st.fragment(run_every=SELDOM)
def _merge(here: Sources, listed: dict[str, Any], name: str) -> None:
    view = charts.view_of(listed, name)
    x = TIME if TIME in view["keys"] else view["keys"][0]
    plain: dict[str, Any] = {"order": [], "colours": [], "share": False, "most": BARS, "title": ""}
    charts.draw(plain | {"kind": "bars", "view": name, "x": x, "y": view["sums"][-1]}, listed, here, "merge")


@st.fragment(run_every=OFTEN)
def _partitions(here: Sources, listed: dict[str, Any]) -> None:
    """A row a partition of the log."""
    one = here.standing(listed)
    st.markdown(badge(one.status))
    if not told(one.status):
        return
    told(one.kafka)
    late(one.name, one.status.value)
    stand, ends = one.status.value, one.ends or {}
    names = sorted({*stand["cut"], *stand["offsets"], *ends}, key=int)
    rows = [
        {
            "partition": "files" if int(name) < 0 else name,
            "batch: below": stand["cut"].get(name, 0),
            "speed: below": stand["offsets"].get(name),
            "Kafka ends at": ends.get(name),
            "only speed": max(stand["offsets"].get(name, 0) - stand["cut"].get(name, 0), 0),
            "waiting": max(ends[name] - stand["offsets"].get(name, 0), 0) if name in ends else None,
        }
        for name in names
    ]
    st.dataframe(rows, hide_index=True, width="stretch")


@st.fragment(run_every=OFTEN)
def _publish(here: Sources, listed: dict[str, Any]) -> None:
    status, versions = here.status(listed["name"]), here.versions(listed["name"])
    if not told(status, versions):
        return
    stand = status.value
    below, since = sum(stand["cut"].values()), counted_since(stand)
    next_version, segment = stand["version"] + 1, stand["open_segment"]
    st.markdown(
        f"1. **Seal.** The speed layer adds to segment {segment}. A batch closes it where the log is counted now, "
        f"{below + since:,} messages in all, and the speed layer goes on in segment {segment + 1}. That is the cut.\n"
        f"2. **Count.** The batch layer reads the raw events in the lake up to the cut, {since:,} more than version "
        f"{stand['version']} has. Readers see no change: version {stand['version']} + the segments after it.\n"
        f"3. **Publish.** One transaction in Postgres makes version {next_version} the one that counts. A reader sees "
        f"version {stand['version']} with segment {segment}, or version {next_version} without it: the same totals.\n"
        "4. **Forget.** Versions and segments that nobody needs any more are deleted."
    )
    if stand["version"]:
        by = moved(stand, versions.value or ())
        st.markdown(
            f"The last time, {age(stand['batch_seconds'])}, the cut moved by {by:,} messages to {below:,}, and "
            f"counting took {duration(stand['seconds'])} ({stand['mode']})."
        )
    else:
        st.info(f"No version yet. Publish the first: `./scripts/submit batch {listed['name']}`")


@st.fragment(run_every=SELDOM)
def _versions(here: Sources, listed: dict[str, Any]) -> None:
    versions = here.versions(listed["name"])
    if not told(versions):
        return
    if not versions.value:
        st.info(f"None yet. Publish the first: `./scripts/submit batch {listed['name']}`")
        return
    charts.drawn(figures.costs(versions.value[::-1]), "costs", f"Seconds that {len(versions.value)} versions took")
    st.dataframe([run(one) for one in versions.value], hide_index=True, width="stretch")


def run(version: dict[str, Any]) -> dict[str, Any]:
    """A row of a table of versions."""
    state = "current" if version["current"] else "rolled back" if version["withdrawn_at"] else "replaced"
    shown = ("published_at", "mode", "accepted", "duplicates", "quarantined", "seconds")
    return (
        {"version": version["version"], "state": state}
        | {name: version[name] for name in shown}
        | {"messages below the cut": sum(version["cut"].values())}
    )
