"""Where the pages read from: the API and Kafka, one reading for all viewers."""

import time
from collections.abc import Callable, Hashable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple
from urllib.parse import urlencode

import streamlit as st

from app.settings import Settings, settings
from dashboard.answers import Answers, Pace, counted, pace
from dashboard.api import ANSWER_SECONDS, LAKE_SECONDS, START, Api, ApiError
from dashboard.history import History
from dashboard.log import LogError, Message, newest, partitions, since
from dashboard.shared import Reading, Shared

ALL = 10_000  # rows: the most that the API gives at once
# Seconds that a reading serves: less than a page waits until its next one, so that a single viewer gets a new one then.
# All pages together ask some ten times a second, however many look at them; API_RATE_LIMIT is twice that unless set.
OFTEN, CALMLY, SELDOM, ONCE = 1.5, 4.0, 10.0, float("inf")
# What to do where an answer does not come, by whom is asked.
HELP = {
    "the API": "Start it: `python -m backend`",
    "HiveServer2": "Start it: `./scripts/submit sql`",
    "Kafka": START,
}


class Standing(NamedTuple):
    """A pipeline: what the API lists of it, where it stands, and where Kafka's partitions ended (None: never read)."""

    listed: dict[str, Any]
    status: Reading
    ends: dict[str, int] | None
    kafka: Reading  # that they are of

    @property
    def name(self) -> str:
        return str(self.listed["name"])

    @property
    def topic(self) -> str:
        """Other pipelines may read it too."""
        return str(self.listed["topic"])

    @property
    def lag(self) -> int | None:
        """Messages in Kafka that no layer has counted."""
        return self.above("offsets")

    def above(self, field: str) -> int | None:
        """Messages in Kafka from the offsets on that a field of the status names."""
        if self.ends is None or self.status.value is None:
            return None
        taken: dict[str, int] = self.status.value[field]
        return sum(max(end - taken.get(partition, 0), 0) for partition, end in self.ends.items())


class Sources:
    """What can be read. Each method gives what was read last, also when reading fails."""

    def __init__(self, settings: Settings) -> None:
        self.api = Api(settings)
        self.servers = settings.kafka_bootstrap_servers
        self.shared = Shared()
        self.history = History()
        self._answers: Answers | None = None  # as they were counted last
        self._versions: dict[str, Any] = {}  # that the batch layer's rows were read of, by path

    def pipelines(self) -> Reading:
        return self._asked("/pipelines", age=SELDOM)

    def served(self) -> list[dict[str, Any]]:
        """What the API lists of the pipelines, but for those of `not_served`."""
        missing = self.not_served()
        return [one for one in self.pipelines().value or () if one["name"] not in missing]

    def not_served(self) -> list[str]:
        """Pipelines that are defined, but not registered where the API reads."""
        return [one["pipeline"] for one in self._unknown()]

    def failures_of_not_served(self) -> dict[str, list[dict[str, Any]]]:
        """Which jobs have stopped those, by name."""
        return {one["pipeline"]: one["failures"] for one in self._unknown() if one["failures"]}

    def _unknown(self) -> list[dict[str, Any]]:
        return [one for one in self._asked("/freshness", age=SELDOM).value or () if one["freshness"] == "unknown"]

    def status(self, name: str) -> Reading:
        return self._asked(f"/pipelines/{name}")

    def versions(self, name: str) -> Reading:
        found = self._asked(f"/pipelines/{name}/versions", age=CALMLY)
        return found if found.value is None else found._replace(value=found.value["rows"])

    def pace(self) -> Reading:
        """How many answers the API gives to all who ask it, and how fast."""

        def read() -> Pace:
            before, self._answers = self._answers, counted(self.api.text("/metrics"), time.time())
            return pace(before, self._answers)

        return self._read("pace", read, ApiError, age=SELDOM)

    def quarantine(self) -> Reading:
        return self._asked("/quarantine", age=CALMLY)

    def samples(self, name: str, **asked: str | int) -> Reading:
        return self._asked("/quarantine/samples", SELDOM, {"pipeline": name, **asked}, of="HiveServer2")

    def events(self, endpoint: str, most: int) -> Reading:
        return self._asked(f"/{endpoint}", SELDOM, {"limit": most}, of="HiveServer2")

    def row(self, name: str, view: str) -> Reading:
        """The only row of a view without keys."""
        return self._asked(f"/pipelines/{name}/views/{view}", asked={"limit": 1})

    def rows(self, name: str, view: str, **asked: str | int) -> Reading:
        return self._asked(f"/pipelines/{name}/views/{view}", CALMLY, asked)

    def batch(self, merged: dict[str, Any], **asked: str | int) -> Reading:
        """What the batch layer gives to an answer of merged rows: rows of the same version, which never change.

        None where they cannot be read, or are of another version just now.
        """
        meta = merged["meta"]
        path = _path(f"/pipelines/{meta['pipeline']}/views/{meta['view']}", asked | {"layer": "batch"})
        wanted = _version(merged)

        def read() -> Any:
            answer = self.api.get(path)
            self._versions[path] = _version(answer)
            return answer

        found = self._read(path, read, ApiError, age=ONCE if self._versions.get(path) == wanted else OFTEN)
        same = found.value is not None and _version(found.value) == wanted
        return found if same else Reading(None, found.seconds, found.error)

    def topics(self) -> Reading:
        """The partitions of the pipelines' topics."""
        topics = sorted({one["topic"] for one in self.served()})
        return self._read(("topics", *topics), lambda: partitions(self.servers, topics), LogError, of="Kafka")

    def messages(self, topic: str, most: int, start: tuple[int, int] | None) -> Reading:
        """Messages of a topic: the newest, or those from where they are to start on, a partition and an offset."""

        def read() -> list[Message]:
            return newest(self.servers, topic, most) if start is None else since(self.servers, topic, *start, most)

        return self._read(("messages", topic, most, start), read, LogError, of="Kafka")

    def standings(self) -> list[Standing]:
        """All pipelines that are served; what is seen of them is remembered."""
        return [self.standing(one) for one in self.served()]

    def standing(self, listed: dict[str, Any]) -> Standing:
        topics, status = self.topics(), self.status(listed["name"])
        found = {str(one.partition): one.end for one in topics.value or () if one.topic == listed["topic"]}
        ends = found or None
        if status.value is not None and status.error is None:
            sent = sum(ends.values()) if ends and topics.error is None else None
            self.history.add(listed["name"], status.value, sent, time.time())
        return Standing(listed, status, ends, topics)

    def _asked(
        self, path: str, age: float = OFTEN, asked: dict[str, str | int] | None = None, of: str = "the API"
    ) -> Reading:
        whole, within = _path(path, asked or {}), ANSWER_SECONDS if of == "the API" else LAKE_SECONDS
        return self._read(whole, lambda: self.api.get(whole, within), ApiError, age=age, of=of)

    def _read(
        self, name: Hashable, read: Callable[[], Any], failure: type[Exception], *, age: float = OFTEN,
        of: str = "the API",
    ) -> Reading:  # fmt: skip
        """A shared reading. Where it has nothing to show before, the page says who is asked, and what helps."""
        text = f"Asking {of} … Does no answer come? {HELP[of]}"
        said: AbstractContextManager[None] = nullcontext() if self.shared.holds(name) else st.spinner(text)
        with said:
            return self.shared.read(name, read, failure, age=age)


def sources() -> Sources:
    """Those of the settings, one for all viewers."""
    at = settings()
    return _made(at.api_host, at.api_port, at.kafka_bootstrap_servers)


@st.cache_resource(show_spinner=False)
def _made(*_of: str | int) -> Sources:
    return Sources(settings())


def _version(answer: dict[str, Any]) -> tuple[Any, ...]:
    """What the rows of the batch layer are of."""
    return answer["meta"]["fingerprint"], answer["meta"]["version"]


def _path(path: str, asked: dict[str, str | int]) -> str:
    return f"{path}?{urlencode(asked)}" if asked else path
