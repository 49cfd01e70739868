"""The boundary without layers: a pipeline in Postgres, increments made by hand, and what readers see of them."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tenacity import retry, retry_if_result, stop_after_delay, wait_fixed

from app.ledger import Cut, Ledger
from app.migrate import register
from app.model import Pipeline
from app.postgres import Connection, Role
from app.versions import Version, Versions
from tests.integration.oracle import Event, Row, actual, increments


class Boundary:
    """A pipeline in Postgres, with its layers' connections and no layers."""

    def __init__(self, connections: dict[Role, Connection], pipeline: Pipeline) -> None:
        register(connections[Role.MIGRATE], pipeline)
        self._connections = connections
        self.pipeline = pipeline
        self.speed = Ledger(connections[Role.SPEED], pipeline)
        self.batch = Ledger(connections[Role.BATCH], pipeline)
        self.versions = Versions(self.batch)

    def define(self, **changes: Any) -> "Boundary":
        """The same pipeline with another definition."""
        return Boundary(self._connections, replace(self.pipeline, **changes))

    def commit(self, events: list[Event]) -> None:
        """A micro-batch: the ledger moves on by the number of events."""
        found = self.speed.offsets()
        self.speed.commit(found, {0: found.get(0, 0) + len(events)}, increments(self.pipeline, events))

    def publish(self, number: int, cut: Cut, events: list[Event], previous: int | None = None) -> None:
        mode = "full" if previous is None else "incremental"
        version = Version(number, cut.segment, cut.offsets, mode, len(events), 0, 0, 0.0)
        self.versions.publish(version, previous, increments(self.pipeline, events))
        self.versions.prune(2)

    def query(self, statement: str) -> list[Row]:
        """What a reader gets."""
        return self._fetched(Role.READ, statement)

    def owned(self, statement: str) -> list[Row]:
        """What the owner of the tables gets."""
        return self._fetched(Role.MIGRATE, statement)

    @retry(retry=retry_if_result(lambda found: not found), stop=stop_after_delay(60), wait=wait_fixed(0.05))
    def wait_until_one_waits(self) -> bool:
        """Returns when some process waits for an advisory lock, as for a claim."""
        return self.owned("SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted") != []

    def _fetched(self, role: Role, statement: str) -> list[Row]:
        with self._connections[role] as connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall())

    def shows(self) -> list[list[Row]]:
        return actual(self.query, self.pipeline)


NewBoundary = Callable[..., Boundary]
