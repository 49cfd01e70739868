"""The page of those who run it: Kafka, what was not accepted, the runs of the batch job, and how fresh all was."""

from datetime import UTC, datetime
from typing import Any

import streamlit as st

from dashboard import charts, figures
from dashboard.layers import run
from dashboard.notices import age, plain, send, served, stopped, told
from dashboard.sources import Sources, sources

OFTEN, SELDOM = "5s", "10s"
MOST, DEFAULT = 200, 20  # messages
SAMPLES = 20
RUNS = 20
NOTHING = "Nothing has been counted yet. Start the speed layer: `./scripts/submit streaming`"


def page() -> None:
    st.title("Operations")
    here = sources()
    _failures(here)
    listed = served(here)
    if not listed:
        return
    st.subheader("Kafka")
    _lag(here)
    _messages(here, listed)
    st.subheader("Quarantine")
    _quarantine(here)
    _samples(here, listed)
    st.subheader("Batch runs")
    _runs(here, listed)
    st.subheader("Freshness")
    _freshness(here)


@st.fragment(run_every=OFTEN)
def _failures(here: Sources) -> None:
    """Which jobs have stopped which pipelines; nothing, where none has."""
    found = {one.name: (one.status.value or {"failures": []})["failures"] for one in here.standings()}
    for name, failures in (found | here.failures_of_not_served()).items():
        stopped(name, failures)


@st.fragment(run_every=OFTEN)
def _lag(here: Sources) -> None:
    """A row a pipeline and partition: what the partition holds, and how far the layers have counted it."""
    topics, found = here.topics(), here.standings()
    if not told(topics, *(one.status for one in found)):
        return
    partitions = topics.value or ()
    rows = []
    for one in sorted(found, key=lambda one: (one.topic, one.name)):
        stand = one.status.value or {}
        for topic, partition, first, end in partitions:
            if topic == one.topic:
                committed, cut = (stand[of].get(str(partition), 0) for of in ("offsets", "cut"))
                offsets = {"first offset": first, "next offset": end, "committed": committed, "cut": cut}
                lag = {"lag": max(end - committed, 0)}
                rows.append({"topic": topic, "pipeline": one.name, "partition": partition, **offsets, **lag})
    held, behind = st.columns(2)
    held.metric("Messages in Kafka", f"{sum(one.end - one.first for one in partitions):,}")
    behind.metric("Lag of the speed layer", f"{sum(row['lag'] for row in rows):,}")
    st.dataframe(rows, hide_index=True, width="stretch")
    if missing := sorted({one.topic for one in found} - {one.topic for one in partitions}):
        st.warning(f"Kafka has no topic {', '.join(missing)}; make it with `./scripts/topics`")


@st.fragment
def _messages(here: Sources, listed: list[dict[str, Any]]) -> None:
    """Messages of a topic, read when they are asked for: the newest, or those of a partition from an offset on."""
    left, right = st.columns(2)
    topic = left.selectbox("Messages of the topic", dict.fromkeys(one["topic"] for one in listed))
    most = int(right.number_input("At most", min_value=1, max_value=MOST, value=DEFAULT))
    held = {one.partition: one for one in here.topics().value or () if one.topic == topic}
    left, right = st.columns(2)
    partition = left.selectbox("Partition", held, index=None, placeholder="all", key=f"{topic} partition")
    # Its bounds move while messages come and go, and a field whose bounds change forgets what was written in it.
    offset = right.number_input(
        "From the offset on", 0, value=None, placeholder="the newest", key=f"{topic} offset", disabled=partition is None
    )
    st.button("Read again")
    start = None
    if partition is not None:
        one = held[partition]
        st.caption(f"Partition {partition} begins at offset {one.first:,} and ends before {one.end:,}.")
        start = (partition, max(one.first, one.end - most) if offset is None else int(offset))
    read = here.messages(topic, most, start)
    if not told(read):
        return
    if read.value:
        st.dataframe([message._asdict() for message in read.value], hide_index=True, width="stretch")
    elif start and offset is not None:
        st.info(f"Partition {partition} of `{topic}` holds no message from offset {offset} on. Choose one before it")
    else:
        name = next(one["name"] for one in listed if one["topic"] == topic)
        st.info(f"The topic `{topic}` holds no message. To see some, {send(name)}")


@st.fragment(run_every=OFTEN)
def _quarantine(here: Sources) -> None:
    found = here.quarantine()
    if not told(found):
        return
    for one in found.value["not_counted"]:
        st.error(f"**{plain(one['pipeline'])} is not counted here.** {plain(one['detail'])}")
    if found.value["rows"]:
        st.dataframe(found.value["rows"], hide_index=True, width="stretch")
    elif all(one["freshness_seconds"] is None for one in found.value["meta"]):
        st.info(NOTHING)
    elif found.value["not_counted"]:
        st.info("Every event of the other pipelines was accepted.")
    else:
        st.info("Every event was accepted.")


@st.fragment
def _samples(here: Sources, listed: list[dict[str, Any]]) -> None:
    """Quarantined events as they came, read from the lake when they are asked for."""
    left, right = st.columns(2)
    name = left.selectbox("Payloads of the pipeline", [one["name"] for one in listed])
    found = here.quarantine().value or {"rows": []}
    reasons = [one["reason"] for one in found["rows"] if one["pipeline"] == name]
    reason = right.selectbox("Reason", reasons, index=None, placeholder="any", key=f"{name} reason")
    if not st.toggle("Show payloads", help="Reads the lake through HiveServer2"):
        return
    read = here.samples(name, **({"reason": reason} if reason else {}), limit=SAMPLES)
    if not told(read):
        return
    version = f"version {read.value['meta']['version']}, published {age(read.value['meta']['batch_seconds'])}"
    if read.value["rows"]:
        st.dataframe(read.value["rows"], hide_index=True, width="stretch")
        st.caption(f"As of {version}.")
    else:
        st.info(f"None, as of {version}. Publish another: `./scripts/submit batch {name}`")


@st.fragment(run_every=OFTEN)
def _runs(here: Sources, listed: list[dict[str, Any]]) -> None:
    readings = {one["name"]: here.versions(one["name"]) for one in listed}
    if not told(*readings.values()) and not any(one.value for one in readings.values()):
        return
    runs = [{"pipeline": name} | run(one) for name, reading in readings.items() for one in reading.value or ()]
    if not runs:
        st.info("None yet. Publish the first versions: `./scripts/submit batch`")
        return
    runs.sort(key=lambda one: one["published_at"], reverse=True)
    st.dataframe(runs[:RUNS], hide_index=True, width="stretch")


@st.fragment(run_every=SELDOM)
def _freshness(here: Sources) -> None:
    """How fresh each pipeline was while somebody had a page open."""
    seen = {}
    for one in here.standings():
        target = (one.status.value or {}).get("fresh_within")
        points = [
            (datetime.fromtimestamp(past.at, UTC), past.freshness / target)
            for past in here.history.of(one.name)
            if target and past.freshness is not None
        ]
        if points:
            seen[one.name] = points
    if seen:
        charts.drawn(figures.freshness(seen), "freshness", "How old the newest count of each pipeline was")
        since = min(points[0][0] for points in seen.values())
        st.caption(f"Since {since:%H:%M:%S} UTC, while a page was open. For longer, let Prometheus read `/metrics`.")
    else:
        st.info(NOTHING)
