"""Batch jobs and the faults of a pipeline: the others are published, and what a person must decide is waited for."""

from collections.abc import Callable
from typing import Any

import pytest

from app import batch_job
from app.batch import QualityError
from app.compute import Computed, compute
from app.failures import Failures, failure_of
from app.lake import LakeError
from app.ledger import DefinitionUnknown
from app.pauses import Pauses
from app.postgres import Role
from app.publisher import Publisher
from tests.integration.conftest import NewStack, Stack, event

FAILURE = "SELECT failures, reason, help, decision, retry_at > now() FROM tidemark.failure WHERE pipeline = %s"
ACCEPTED = (
    "SELECT decision, accepted_by, detail, taken_at >= accepted_at FROM tidemark.acceptance WHERE pipeline = %s "
    "ORDER BY id"
)
Run = Callable[..., None]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, stack: Stack) -> Run:
    """Runs the batch job once over pipelines, in the session of the tests."""
    monkeypatch.setattr(batch_job, "settings", lambda: stack.settings)
    monkeypatch.setattr(batch_job, "session", lambda *_: stack.spark)
    monkeypatch.setattr(stack.spark, "stop", lambda: None)

    def call(*stacks: Stack, **options: Any) -> None:
        given = {"full": False, "every": None, "accept_quarantined": False, "by": None} | options
        batch_job.main.__wrapped__([each.pipeline for each in stacks], **given)  # type: ignore[attr-defined]

    return call


def publishing(stack: Stack) -> Publisher:
    """That of a job which goes on."""
    return Publisher(stack.spark, stack.settings, stack.pipeline, Failures(stack.settings, Role.BATCH, "batch"))


def again(job: Publisher) -> int | None:
    version = job.publish(full=False, accepted_by=None, again=True)
    return version.version if version else None


def failure(stack: Stack) -> list[tuple[Any, ...]]:
    return stack.owner(FAILURE, stack.pipeline.name)


def fill(stack: Stack, *messages: Any) -> None:
    stack.send(*messages)
    stack.stream()
    stack.archive()


def version(stack: Stack) -> int:
    ((found,),) = stack.rows(f"SELECT version FROM serving.status WHERE pipeline = '{stack.pipeline.name}'")
    return int(found)


def test_a_run_publishes_the_others_and_ends_with_the_error_which_is_recorded_until_it_is_mended(
    new_stack: NewStack, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    bad, good = new_stack(max_quarantined_percent=25), new_stack()
    fill(bad, b"bad")
    fill(good, event("1"))
    with pytest.raises(QualityError):
        run(bad, good)
    assert (version(bad), version(good)) == (0, 1)
    assert f"{good.pipeline.name}: version 1 " in capsys.readouterr().out
    command = f"./scripts/submit batch {bad.pipeline.name} --accept-quarantined"
    ((failures, reason, help_, decision, retried),) = failure(bad)
    assert (failures, help_, decision, retried) == (1, command, "quarantined", None)
    assert reason.startswith(f"{bad.pipeline.name}: 1 of 1 events are quarantined, more than the allowed 25 %")
    assert failure(good) == []

    fill(bad, *(event(f"{number}") for number in range(3)))
    run(bad)

    assert version(bad) == 1
    assert failure(bad) == []


def test_an_operator_accepts_what_is_quarantined_once(new_stack: NewStack, run: Run) -> None:
    stack = new_stack(max_quarantined_percent=25)
    fill(stack, event("1"))
    run(stack, accept_quarantined=True, by="ada")
    assert stack.owner(ACCEPTED, stack.pipeline.name) == []  # there was nothing to accept
    fill(stack, event("2"), b"bad", b"worse")
    with pytest.raises(QualityError, match="2 of 3 events that are new since version 1"):
        run(stack)
    run(stack, accept_quarantined=True, by="ada")
    assert version(stack) == 2
    counts = {"published": 1, "accepted": 1, "duplicates": 0, "quarantined": 2}
    assert stack.owner(ACCEPTED, stack.pipeline.name) == [("quarantined", "ada", counts, True)]
    assert failure(stack) == []
    fill(stack, event("3"))
    run(stack)  # what was accepted does not refuse what is good
    run(stack, full=True)
    assert version(stack) == 4
    fill(stack, b"bad")
    for full in (False, True):
        with pytest.raises(QualityError, match="1 of 1 events that are new since version 4"):
            run(stack, full=full)
    assert stack.verify().exact


def test_what_was_refused_is_computed_again_only_when_something_has_come_or_is_accepted(
    new_stack: NewStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack = new_stack(max_quarantined_percent=50)
    computed = []

    def counting(*given: Any) -> Computed:
        computed.append(given)
        return compute(*given)

    monkeypatch.setattr("app.batch.compute", counting)
    job = publishing(stack)
    fill(stack, b"bad")
    with pytest.raises(QualityError):
        again(job)
    assert [again(job), again(job), len(computed)] == [None, None, 1]
    assert job.failed
    assert failure(stack)[0][3] == "quarantined"
    fill(stack, b"bad")
    with pytest.raises(QualityError, match="2 of 2"):
        again(job)
    assert [again(job), len(computed), failure(stack)[0][0]] == [None, 2, 2]
    failures = Failures(stack.settings, Role.SPEED, "streaming")
    assert not job.is_due()
    failures.accept(stack.pipeline.name, "quarantined", "bob", {})
    assert job.is_due()
    assert again(job) == 1
    assert stack.owner(ACCEPTED, stack.pipeline.name) == [("quarantined", "bob", {}, True)]
    assert failure(stack) == []
    fill(stack, b"bad")
    with pytest.raises(QualityError):  # what was accepted is no leave for what comes after it
        again(job)


def test_an_error_is_tried_again_after_growing_pauses_over_another_connection(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(stack, event("1"))
    job = publishing(stack)
    monkeypatch.setattr(job, "_pauses", Pauses(first=1000))
    short = stack.settings.model_copy(update={"archive_wait": 1})
    monkeypatch.setattr(job, "_settings", short)
    stack.send(event("2"))
    stack.stream()
    assert job.is_due()
    for failures in (1, 2):
        with pytest.raises(LakeError, match="did not reach the cut"):
            again(job)
        assert not job.is_due()
        assert failure(stack)[0][0] == failures
        assert failure(stack)[0][2:] == ("./scripts/logs batch", None, True)
        stack.owner(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s AND pid <> pg_backend_pid()",
            Role.BATCH,
        )
    stack.archive()
    assert again(job) == 1
    assert failure(stack) == []


def test_a_batch_that_another_process_does_is_no_failure(stack: Stack) -> None:
    with stack.working(Role.BATCH) as ledger, ledger.claimed("batch"), pytest.raises(Exception, match="already does"):
        again(publishing(stack))
    assert failure(stack) == []


def test_a_definition_that_is_not_registered_names_the_command(stack: Stack) -> None:
    unknown = Stack(stack.spark, stack.settings, stack.pipeline, stack._stack)
    stack.owner("DELETE FROM tidemark.ledger WHERE pipeline = %s", stack.pipeline.name)
    with pytest.raises(DefinitionUnknown):
        again(publishing(unknown))
    assert failure(stack)[0][2:4] == ("./scripts/migrate", None)


def test_a_reason_that_postgres_does_not_take_is_written_as_text_that_it_does(stack: Stack) -> None:
    failures = Failures(stack.settings, Role.BATCH, "batch")
    failures.record(stack.pipeline.name, failure_of(ValueError("a\0b\ud83d\nc"), stack.pipeline.name, "batch"), 5)
    assert failure(stack)[0][1] == "a\\0b\\ud83d\nc"
    failures.clear(stack.pipeline.name)
    assert failure(stack) == []
