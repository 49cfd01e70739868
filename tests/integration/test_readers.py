"""What readers get while the layers write: at every instant exactly the events below the ledger, or an error."""

import threading
from dataclasses import dataclass, field
from decimal import Decimal

import psycopg2
import pytest
from psycopg2.extensions import ISOLATION_LEVEL_REPEATABLE_READ
from tenacity import retry, retry_if_result, stop_after_delay, wait_fixed

from app.job import connected
from app.postgres import Role
from tests.integration.conftest import Stack, event
from tests.integration.reading import reading

AMOUNT = Decimal("0.07")


@dataclass
class Reader:
    """Reads the merged views over and over on a connection of its own, and compares them with the ledger."""

    stack: Stack
    seen: list[tuple[int, int]] = field(default_factory=list)  # version, events counted
    wrong: list[str] = field(default_factory=list)

    def read(self, stop: threading.Event) -> None:
        name = self.stack.pipeline.name
        with connected(self.stack.settings, Role.READ) as connect:
            connection = connect()
            connection.set_session(isolation_level=ISOLATION_LEVEL_REPEATABLE_READ)
            while not stop.is_set():
                try:
                    with connection, connection.cursor() as cursor:
                        cursor.execute(
                            "SELECT version, (SELECT sum(value::bigint) FROM jsonb_each_text(offsets)) "
                            f"FROM serving.status WHERE pipeline = '{name}'"
                        )
                        version, committed = cursor.fetchone() or (None, None)
                        cursor.execute(f"SELECT sum(count), sum(total) FROM serving.{name}_clients")
                        count, total = cursor.fetchone() or (None, None)
                        cursor.execute(f"SELECT sum(events) FROM serving.{name}_quarantine")
                        quarantined = (cursor.fetchone() or (None,))[0]
                except psycopg2.Error as error:
                    self.wrong.append(str(error))
                    return
                self._compare(version, int(committed or 0), int(count or 0), total or Decimal(0), int(quarantined or 0))

    def _compare(self, version: int, committed: int, count: int, total: Decimal, quarantined: int) -> None:
        if count + quarantined != committed or total != count * AMOUNT:
            self.wrong.append(f"version {version}: {count} + {quarantined} of {committed} events, total {total}")
        if self.seen and (version, count) < self.seen[-1]:
            self.wrong.append(f"{count} events of version {version} after {self.seen[-1]}")
        if not self.seen or (version, count) != self.seen[-1]:
            self.seen.append((version, count))


def test_readers_see_exactly_what_is_committed_while_events_stream_and_batches_publish(stack: Stack) -> None:
    stack.stream()
    reader, sent = Reader(stack), 0
    with stack.streaming() as (speed, _), reading(reader.read, seconds=60):
        for version in (1, 2, 3):
            for _ in range(3):
                stack.send(*(event(f"{sent + n}", f"c{n % 7}", str(AMOUNT)) for n in range(40)), b"broken")
                sent += 40
                speed.processAllAvailable()
            stack.send(event(f"while batch {version} runs", amount=str(AMOUNT)))
            sent += 1
            assert stack.batch().version == version
        speed.processAllAvailable()
        _wait_until_seen(reader, (3, sent))
    assert reader.wrong == []
    assert {version for version, _ in reader.seen} == {0, 1, 2, 3}
    assert len({count for _, count in reader.seen}) >= 9
    assert sum(count for count, _ in stack.totals().values()) == sent
    assert stack.quarantined() == {"not_json_objects": 9}


def test_reading_fails_when_increments_are_gone(stack: Stack) -> None:
    stack.send(event("1"))
    stack.stream()
    assert stack.totals() == {"ada": (1, Decimal("1.00"))}
    key = (stack.pipeline.name, stack.pipeline.fingerprint)
    stack.owner("DELETE FROM tidemark.segment WHERE pipeline = %s AND fingerprint = %s AND segment = 1", *key)
    stack.owner(f"DELETE FROM speed.{key[0]}_clients_{key[1]}")
    for view in ("clients", "quarantine"):
        with pytest.raises(psycopg2.errors.RaiseException, match="needs the segments after 0: expected 1, found 0"):
            stack.rows(f"SELECT * FROM serving.{key[0]}_{view}")
    stack.archive()
    stack.batch(full=True)  # what the message tells to do
    assert stack.totals() == {"ada": (1, Decimal("1.00"))}


def test_reading_fails_when_another_definition_is_published_than_the_views_are_of(stack: Stack) -> None:
    name, fingerprint = stack.pipeline.name, stack.pipeline.fingerprint
    other = stack.define(checks=()).pipeline.fingerprint
    columns = "version, segment, cut, mode, accepted, duplicates, quarantined, seconds"
    stack.owner(
        f"INSERT INTO tidemark.version (pipeline, fingerprint, {columns}) "
        f"SELECT pipeline, %s, {columns} FROM tidemark.version WHERE pipeline = %s",
        other,
        name,
    )
    stack.owner("UPDATE tidemark.published SET fingerprint = %s WHERE pipeline = %s", other, name)
    said = f"the merged views of {name} are of definition {fingerprint}, the published version is of {other}"
    with pytest.raises(psycopg2.errors.RaiseException, match=said):
        stack.totals()


def test_reading_fails_when_the_published_version_is_gone(stack: Stack) -> None:
    stack.owner("UPDATE tidemark.version SET pruned_at = now() WHERE pipeline = %s", stack.pipeline.name)
    with pytest.raises(psycopg2.errors.RaiseException, match=f"version 0 of {stack.pipeline.name} needs"):
        stack.totals()


@retry(retry=retry_if_result(lambda done: not done), stop=stop_after_delay(60), wait=wait_fixed(0.05))
def _wait_until_seen(reader: Reader, last: tuple[int, int]) -> bool:
    return reader.wrong != [] or reader.seen[-1:] == [last]
