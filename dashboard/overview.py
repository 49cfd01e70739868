"""The first page: the architecture as it runs, and the tidemark of each pipeline."""

import time
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

import streamlit as st

from dashboard.answers import Pace
from dashboard.notices import SIGNS, age, badge, duration, late, old, said, standing, stopped, told
from dashboard.shared import Reading
from dashboard.sources import Sources, Standing, sources

OFTEN = "2s"
STYLE = """
<style>
.flow {display: flex; align-items: stretch; gap: .4rem; font-size: .85rem; line-height: 1.35}
.flow > div, .layers > div {border: 1px solid color-mix(in srgb, currentColor 35%, transparent); border-radius: .5rem;
  padding: .5rem .7rem; flex: 1 1 0; min-width: 0}
.flow > .layers {border: none; padding: 0; flex: 1.5 1 0; display: flex; flex-direction: column; gap: .4rem}
.flow > .to {border: none; flex: 0 0 auto; align-self: center; padding: 0; font-size: 1.2rem}
.flow b {display: block; font-size: .95rem}
.batch {border-left: .6rem solid #2f7fb8 !important}
.speed {border-left: .6rem solid #e08a1e !important}
.tide {display: flex; height: 1.1rem; border: 1px solid #808080; border-radius: .3rem; overflow: hidden}
.tide > i {display: block; min-width: 0}
.tide > .b {background: #2f7fb8}
.tide > .s {background: repeating-linear-gradient(135deg, #e08a1e 0 4px, transparent 4px 8px);
  border-left: 3px solid currentColor}
.said {font-size: .85rem}
@media (max-width: 640px) {.flow {flex-direction: column} .flow > .to {transform: rotate(90deg)}}
</style>
"""


def page(links: Mapping[str, Any]) -> None:
    """`links` has the pages of the pipelines."""
    st.title("Tidemark")
    st.caption(
        "Every event is counted by the speed layer within seconds, and again by the batch layer, for good. What "
        "readers see is both, added where one ends: at the tidemark."
    )
    here = sources()
    _picture(here)
    st.subheader("Tidemarks")
    st.markdown("Blue is counted by the batch, orange hatched by the speed layer since; what is empty waits in Kafka.")
    _tidemarks(here, links)


@st.fragment(run_every=OFTEN)
def _picture(here: Sources) -> None:
    pipelines, topics, found = here.pipelines(), here.topics(), here.standings()
    told(pipelines, *(one.status for one in found))
    if pipelines.value is None:
        return
    told(topics)
    st.html(STYLE + picture(found, here))


@st.fragment(run_every=OFTEN)
def _tidemarks(here: Sources, links: Mapping[str, Any]) -> None:
    for one in here.standings():
        left, right = st.columns([1, 3])
        with left:
            if one.name in links:
                st.page_link(links[one.name])
            st.markdown(badge(one.status))
        with right:
            if one.status.value is not None:  # else it is said above what is missing
                st.html(STYLE + tidemark(one))
                late(one.name, one.status.value)
    if missing := here.not_served():
        st.caption(
            f"Not served here: {', '.join(missing)}. `./scripts/demo` without names starts all pipelines; another "
            "stack registers them with `./scripts/migrate`, and runs their jobs."
        )
    for name, failures in here.failures_of_not_served().items():
        stopped(name, failures)


def picture(found: list[Standing], here: Sources) -> str:
    """The stages, each with what it has, how fast it goes, and how old it is. HTML."""
    stands = [one.status.value for one in found if one.status.value is not None]
    waiting = [one.lag for one in found]
    lag = sum(one or 0 for one in waiting) if found and None not in waiting else None
    ends = [one.ends for one in _a_topic_each(found)]
    sent = sum(sum(one.values()) for one in ends if one is not None) if None not in ends else None
    oldest = max(
        (stand["freshness_seconds"] for stand in stands if stand["freshness_seconds"] is not None), default=None
    )
    batch = _batch_seconds([stand for stand in stands if stand["version"]])
    cut = sum(sum(stand["cut"].values()) for stand in stands)
    since = sum(counted_since(stand) for stand in stands)
    silent = _silent([one.status for one in found])
    counted, published = silent or f"counted {age(oldest)}", silent or f"published {age(batch)}"
    as_of = silent or ("nothing counted yet" if oldest is None else f"as of {age(oldest)}")
    in_tables = [one for one in found if (one.status.value or {}).get("written") is not None]
    last = max((at for one in found if (at := here.history.sent_at(one.name)) is not None), default=None)
    newest = "" if last is None else f", the last {age(max(time.time() - last, 0))}"
    read = here.pace()
    pace = Pace(None, None) if read.error else read.value
    return (
        '<div class="flow">'
        + _stage("Producers", f"events and files of {len(found)} pipelines",
                 f"{_rate(_a_topic_each(found), here, 'sent')}{newest or ', none seen to come yet'}")
        + _TO
        + _stage("Kafka", _count(sent, "messages") + (old(found[0].kafka) if found else ""),
                  f"{_rate(_a_topic_each(found), here, 'sent')}, {_count(lag, 'waiting')}{newest}")
        + _TO
        + '<div class="layers">'
        + _stage("Speed layer", f"{_count(since, 'since the cut')}, {_count(lag, 'waiting')}",
                 f"{_rate(found, here, 'counted')}, {counted}", "speed")
        + _stage("Batch layer", f"{_count(cut, 'below the cut')}, {_count(since, 'behind')}",
                 f"{_batch_rate(found, here)}, {published}", "batch")
        + (_lake(in_tables, here, silent) if in_tables else "")
        + "</div>"
        + _TO
        + _stage("Merged views", f"Postgres: batch + speed, {_count(lag, 'waiting')}", _judged(found))
        + _TO
        + _stage("API", f"{_per_second(pace.rate)}, to all who ask",
                 f"half of them within {'…' if pace.half is None else f'{pace.half * 1000:g}'} ms, {as_of}")
        + "</div>"
    )  # fmt: skip


def _lake(found: list[Standing], here: Sources, silent: str) -> str:
    """The stage of the Parquet tables, of the pipelines that have some."""
    stands = [one.status.value for one in found]
    written, waiting = sum(sum(stand["written"].values()) for stand in stands), [one.above("written") for one in found]
    lag = None if None in waiting else sum(one or 0 for one in waiting)
    ages = [stand["written_seconds"] for stand in stands]
    of = silent or f"written {age(None if None in ages else max(ages))}"
    return _stage("Lake, for Hive", f"{_count(written, 'written')}, {_count(lag, 'waiting')}",
                  f"{_rate(found, here, 'written')}, {of}")  # fmt: skip


_TO = '<div class="to" aria-hidden="true">→</div>'


def tidemark(one: Standing) -> str:
    """The log of a pipeline as a bar: below the cut, since then, and what waits. HTML."""
    stand = one.status.value or {}
    below, since, lag = sum(stand["cut"].values()), counted_since(stand), one.lag
    whole = max(below + since + (lag or 0), 1)
    words = f"version {stand['version']} counts {below:,} · speed layer {since:,} · " + (
        "waiting: Kafka was not read" if lag is None else f"{lag:,} waiting{old(one.kafka)}"
    )
    # What is there can be seen, however little it is.
    widths = {kind: max(100 * of / whole, 1.0) if of else 0 for kind, of in (("b", below), ("s", since))}
    parts = "".join(f'<i class="{kind}" style="width: {width:.2f}%"></i>' for kind, width in widths.items() if width)
    text = escape(words)
    return f'<div class="tide" role="img" aria-label="{text}">{parts}</div><div class="said">{text}</div>'


def counted_since(stand: dict[str, Any]) -> int:
    """Messages that only the speed layer has counted."""
    return sum(offset - stand["cut"].get(partition, 0) for partition, offset in stand["offsets"].items())


def moved(stand: dict[str, Any], versions: Iterable[dict[str, Any]]) -> int:
    """Messages by which the version that stands moved the cut."""
    before = next((one for one in versions if one["version"] == stand["version"] - 1), None)
    return int(sum(stand["cut"].values()) - (sum(before["cut"].values()) if before else 0))


def _batch_seconds(stands: list[dict[str, Any]]) -> float | None:
    """The age of the oldest version that leaves something to count; where none does, of the newest."""
    left = [stand["batch_seconds"] for stand in stands if counted_since(stand)]
    return max(left) if left else min((stand["batch_seconds"] for stand in stands), default=None)


def _judged(found: list[Standing]) -> str:
    """How the worst of the pipelines stands; which have failed, where some have."""
    if failed := [one.name for one in found if standing(one.status) == "failed"]:
        return f"{SIGNS['failed'][0]} failed: {', '.join(failed)}"
    return said(max((one.status for one in found), key=_badness, default=Reading(None, 0.0, None)))


def _badness(status: Reading) -> tuple[int, float]:
    """How a pipeline stands beside others, the worst last."""
    seconds = (status.value or {}).get("freshness_seconds")
    return list(SIGNS).index(standing(status)), status.seconds if seconds is None else status.seconds + seconds


def _silent(statuses: list[Reading]) -> str:
    """How long not all of them could be read; empty: they can be."""
    missing = [one for one in statuses if one.error]
    if any(one.value is None for one in missing):
        return "not read"
    return f"not read for {duration(max(one.seconds for one in missing))}" if missing else ""


def _stage(name: str, first: str, second: str, kind: str = "") -> str:
    return f'<div class="{kind}"><b>{name}</b>{escape(first)}<br>{escape(second)}</div>'


def _a_topic_each(found: list[Standing]) -> list[Standing]:
    """One pipeline of each topic: a message counts once, however many pipelines read it."""
    return list({one.topic: one for one in found}.values())


def _count(of: int | None, what: str) -> str:
    return f"{'?' if of is None else f'{of:,}'} {what}"


def _rate(found: list[Standing], here: Sources, field: str) -> str:
    now = [one for one in found if not (one.status.error or (field == "sent" and one.kafka.error))]
    rates = [rate for one in now if (rate := here.history.rate(one.name, field)) is not None]
    return _per_second(sum(rates) if rates else None)


def _batch_rate(found: list[Standing], here: Sources) -> str:
    """How fast the versions that stand were counted: a full one from the first message on."""
    messages, seconds = 0, 0.0
    for one in found:
        stand, versions = one.status.value or {"version": 0}, here.versions(one.name).value
        if stand["version"] and versions is not None:
            messages += sum(stand["cut"].values()) if stand["mode"] == "full" else moved(stand, versions)
            seconds += stand["seconds"]
    return _per_second(messages / seconds if seconds else None) + " in its last run"


def _per_second(rate: float | None) -> str:
    return "… a second" if rate is None else f"{rate:,.0f} a second"
