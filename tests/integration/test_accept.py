"""`./scripts/accept`: it shows what a pipeline waits for, and records who accepts that."""

from collections.abc import Callable
from typing import Any

import pytest

from app import accept
from app.failures import Failure, Failures, operator
from app.postgres import Role
from tests.integration.boundary import Boundary, NewBoundary

REASON = "gap in the speed layer: expected offset 2, Kafka starts at 4"
Accept = Callable[..., None]


@pytest.fixture
def boundary(new_boundary: NewBoundary) -> Boundary:
    return new_boundary()


@pytest.fixture
def failures(database: Any) -> Failures:
    """Those of the streaming job."""
    return Failures(database, Role.SPEED, "streaming")


@pytest.fixture
def accepting(boundary: Boundary, database: Any, monkeypatch: pytest.MonkeyPatch) -> Accept:
    monkeypatch.setattr(accept, "settings", lambda: database)

    def call(decision: str | None = None, by: str | None = None) -> None:
        accept.main.__wrapped__([boundary.pipeline], decision, by)  # type: ignore[attr-defined]

    return call


def accepted(boundary: Boundary) -> list[tuple[Any, ...]]:
    statement = "SELECT decision, detail, accepted_by, taken_at, now() - accepted_at < interval '1 minute'"
    return list(boundary.owned(f"{statement} FROM tidemark.acceptance WHERE pipeline = '{boundary.pipeline.name}'"))


def test_what_a_pipeline_waits_for_is_shown_with_the_command_that_accepts_it(
    boundary: Boundary, failures: Failures, accepting: Accept, capsys: pytest.CaptureFixture[str]
) -> None:
    name = boundary.pipeline.name
    accepting()
    assert capsys.readouterr().out == f"{name} waits for nothing\n"
    failures.record(name, Failure(REASON, f"./scripts/accept {name} gap", "gap"), None)
    accepting()
    assert capsys.readouterr().out == f"{name} waits for: gap\n  {REASON}\n  ./scripts/accept {name} gap\n"
    assert accepted(boundary) == []


def test_who_accepts_it_is_recorded_with_the_reason_and_the_job_may_act_on_it_once(
    boundary: Boundary, failures: Failures, accepting: Accept
) -> None:
    name = boundary.pipeline.name
    failures.record(name, Failure(REASON, "…", "gap"), None)
    assert failures.accepted(name, "gap") is None
    accepting("gap")
    accepting("gap", by="ada")
    expected = [("gap", {"reason": REASON}, who, None, True) for who in (operator(), "ada")]
    assert accepted(boundary) == expected
    for _ in expected:
        found = failures.accepted(name, "gap")
        assert found is not None
        failures.take(found)
    assert failures.accepted(name, "gap") is None


def test_what_was_accepted_is_no_leave_for_what_fails_later(
    boundary: Boundary, failures: Failures, accepting: Accept
) -> None:
    name = boundary.pipeline.name
    failures.record(name, Failure(REASON, "…", "gap"), None)
    accepting("gap")
    failures.clear(name)  # as what was missing has come back
    failures.record(name, Failure(REASON, "…", "gap"), None)
    assert failures.accepted(name, "gap") is None


@pytest.mark.parametrize(
    ("decision", "said"),
    [
        ("quarantined", r"does not wait for quarantined: it waits for gap; nothing was recorded"),
        ("topic", r"cannot be accepted: the offsets .* made anew\. Restore Kafka's data.* another name"),
        ("log", r"cannot be accepted: the offsets .* lost messages\. Restore Kafka's data.* another name"),
    ],
)
def test_what_cannot_be_accepted_is_refused_with_what_to_do(
    boundary: Boundary, failures: Failures, accepting: Accept, decision: str, said: str
) -> None:
    failures.record(boundary.pipeline.name, Failure(REASON, "…", "gap"), None)
    with pytest.raises(SystemExit, match=rf"^Error: {boundary.pipeline.name}.* {said}"):
        accepting(decision)
    assert accepted(boundary) == []
