"""The ledger as jobs meet it: one process does a work, and a job that is started again finds it where it was."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from app import claims
from app.claims import LedgerError
from app.job import connected
from app.ledger import Ledger
from app.postgres import Role
from app.settings import Settings
from tests.faults.definition import definition
from tests.integration.boundary import NewBoundary


def test_a_job_waits_for_the_claim_of_one_that_was_just_killed(
    new_boundary: NewBoundary, database: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "CLAIM_SECONDS", 60)
    boundary = new_boundary()
    with connected(database, Role.SPEED) as connect, ThreadPoolExecutor() as threads:
        killed = Ledger(connect(), boundary.pipeline)
        killed.claim("speed")
        restarted = threads.submit(boundary.speed.claim, "speed")
        boundary.wait_until_one_waits()
        assert not restarted.done()
        killed.connection.close()
        restarted.result(timeout=60)


def test_a_work_that_another_process_does_is_refused_and_any_other_is_not(
    new_boundary: NewBoundary, database: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "CLAIM_SECONDS", 0.1)
    boundary = new_boundary()
    name = boundary.pipeline.name
    with connected(database, Role.SPEED) as connect:
        first = Ledger(connect(), boundary.pipeline)
        first.claim("speed")
        first.claim("speed")
        with pytest.raises(LedgerError, match=f"another process already does the speed of {name}; stop it, or wait"):
            boundary.speed.claim("speed")
        boundary.speed.claim("archive")
        new_boundary().speed.claim("speed")


def test_a_work_may_be_done_by_another_process_once_the_first_has_ended_it(
    new_boundary: NewBoundary, database: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "CLAIM_SECONDS", 0.1)
    boundary = new_boundary()
    with connected(database, Role.BATCH) as connect:
        scheduled = Ledger(connect(), boundary.pipeline)
        with scheduled.claimed("batch"), pytest.raises(LedgerError), boundary.batch.claimed("batch"):
            pass
        with pytest.raises(ZeroDivisionError), scheduled.claimed("batch"), scheduled.transaction():
            _ = 1 / 0
        with boundary.batch.claimed("batch"):
            pass


def test_a_definition_that_is_not_registered_is_refused(new_boundary: NewBoundary) -> None:
    connection = new_boundary().speed.connection
    with pytest.raises(LedgerError, match=r"unknown: definition \w{12} is not registered; run ./scripts/migrate"):
        Ledger(connection, definition("unknown")).offsets()
