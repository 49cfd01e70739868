"""Who does what for a pipeline: claims that Postgres keeps as long as the connection of their process lives."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from psycopg2.errors import LockNotAvailable

from app.model import Pipeline
from app.postgres import Connection

CLAIM_SECONDS = 5  # within which Postgres sees that the connection of a killed job is gone
ALONE_SECONDS = 3600  # that loading a large history file may keep others from the master dataset
CLAIM = "hashtextextended(%(work)s || ' ' || %(pipeline)s, 0)"  # what is locked as long as a process does some work


class LedgerError(Exception):
    """The ledger is not where the caller must find it; nothing was written."""


class AlreadyClaimed(LedgerError):
    """Another process does the work: the pipeline is well, and this process is not needed."""


class Claims:
    """The transactions and claims of one connection, for one definition of a pipeline."""

    def __init__(self, connection: Connection, pipeline: Pipeline) -> None:
        self.connection = connection
        self.pipeline = pipeline
        self.key = {"pipeline": pipeline.name, "fingerprint": pipeline.fingerprint}

    @contextmanager
    def transaction(self) -> Iterator[Any]:
        """Gives the cursor of a transaction, which is committed at the end, or undone by an error."""
        with self.connection, self.connection.cursor() as cursor:
            yield cursor

    def claim(self, work: str) -> None:
        """Makes this connection the only one that does `work` for the pipeline, as long as it lives.

        Raises:
            AlreadyClaimed: another process does that work, and still does after CLAIM_SECONDS.
        """
        try:
            with self.transaction() as cursor:
                cursor.execute("SET LOCAL lock_timeout = %s", (f"{CLAIM_SECONDS}s",))
                cursor.execute(f"SELECT pg_advisory_lock({CLAIM})", self.key | {"work": work})
        except LockNotAvailable as error:
            raise AlreadyClaimed(
                f"another process already does the {work} of {self.pipeline.name}; stop it, or wait until it ends"
            ) from error

    @contextmanager
    def claimed(self, work: str) -> Iterator[None]:
        """A claim that ends with the block, or with the connection."""
        self.claim(work)
        try:
            yield
        finally:
            if not self.connection.closed:
                with self.transaction() as cursor:
                    cursor.execute(f"SELECT pg_advisory_unlock({CLAIM})", self.key | {"work": work})

    @contextmanager
    def alone(self, work: str) -> Iterator[None]:
        """Waits until no other process is in a block like this one; it ends with the block, or with the connection."""
        with self.transaction() as cursor:
            cursor.execute("SET LOCAL lock_timeout = %s", (f"{ALONE_SECONDS}s",))
            cursor.execute(f"SELECT pg_advisory_xact_lock({CLAIM})", self.key | {"work": work})
            yield

    def is_claimed(self, work: str) -> bool:
        """Whether another connection does that work now."""
        with self.transaction() as cursor:
            cursor.execute(f"SELECT pg_try_advisory_xact_lock_shared({CLAIM})", self.key | {"work": work})
            return not cursor.fetchone()[0]
