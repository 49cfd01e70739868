"""The health of the jobs and `./scripts/status` where a job has stopped a pipeline: the others are none the worse."""

from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import ModuleType

import pytest

from app.migrate import register
from app.model import Pipeline
from app.pipelines import load
from app.postgres import Role, connect
from app.settings import Settings
from app.topics import create_topic
from cluster import status
from cluster.health import Unhealthy, batch, streaming
from cluster.health import pipelines as asked
from tests.integration.databases import another_database
from tests.integration.failing import HELP, stopped

SERVED = ["housing", "space"]
WHY = "failed in the {} job since 20"
JOBS = pytest.mark.parametrize(
    ("job", "name"), [(streaming, "streaming"), (batch, "batch")], ids=["streaming", "batch"]
)


@pytest.fixture(scope="module")
def registered(database: Settings) -> Settings:
    """A Postgres that knows two pipelines, each with a version and looked at just now."""
    made = another_database(database, "health")
    with closing(connect(made, Role.MIGRATE)) as owner, owner.cursor() as cursor:
        for name in SERVED:
            register(owner, load(name))
        with owner:
            cursor.execute(
                "INSERT INTO tidemark.version (pipeline, fingerprint, version, segment, cut, mode, accepted, "
                "duplicates, quarantined, seconds) SELECT pipeline, fingerprint, 1, segment, cut, mode, accepted, "
                "duplicates, quarantined, seconds FROM tidemark.version"
            )
            cursor.execute("UPDATE tidemark.published SET version = 1")
    return made


@pytest.fixture(autouse=True)
def old_container(monkeypatch: pytest.MonkeyPatch) -> None:
    """The job has started long ago."""
    monkeypatch.setattr(asked, "started", lambda: datetime.now(UTC) - timedelta(hours=5))


def look(at: Settings, *pipelines: str) -> None:
    """Both layers did their work on these pipelines just now, and on the others two hours ago."""
    with closing(connect(at, Role.MIGRATE)) as owner, owner, owner.cursor() as cursor:
        for table, column in (("ledger", "checked_at"), ("version", "published_at")):
            cursor.execute(
                f"UPDATE tidemark.{table} SET {column} = CASE WHEN pipeline = ANY (%s) THEN now() "
                "ELSE now() - interval '2 hours' END", (list(pipelines),),
            )  # fmt: skip


@JOBS
def test_a_job_is_healthy_while_it_runs_a_pipeline_and_names_those_that_it_does_not(
    registered: Settings, job: ModuleType, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    look(registered, *SERVED)
    job.check(registered)
    assert capsys.readouterr().out == ""

    with stopped(registered, "space", name):
        job.check(registered)
    assert f"space {WHY.format(name)}" in (said := capsys.readouterr().out)
    assert "the disk is full. Help: " + HELP in said
    assert "housing" not in said

    look(registered, "housing")
    job.check(registered)
    assert "not every pipeline runs: space n" in (said := capsys.readouterr().out)
    assert "housing" not in said


@JOBS
def test_a_job_that_runs_no_pipeline_is_unhealthy_and_names_each(
    registered: Settings, job: ModuleType, name: str
) -> None:
    look(registered, *SERVED)
    with ExitStack() as failing:
        for pipeline in SERVED:
            failing.enter_context(stopped(registered, pipeline, name))
        with pytest.raises(
            Unhealthy, match=f"no pipeline runs: housing {WHY.format(name)}.*; space {WHY.format(name)}"
        ):
            job.check(registered)
    job.check(registered)

    look(registered)
    with pytest.raises(Unhealthy, match=r"no pipeline runs: housing n.* since 20.*; space n.* since 20"):
        job.check(registered)


def test_what_another_job_has_stopped_is_no_fault_of_this_one(registered: Settings) -> None:
    look(registered, *SERVED)
    with stopped(registered, "housing", "batch"), stopped(registered, "space", "batch"):
        streaming.check(registered)
        with pytest.raises(Unhealthy):
            batch.check(registered)


def test_a_job_that_has_just_started_is_waited_for_with_every_pipeline_that_it_has_not_stopped(
    registered: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = datetime.now(UTC) - timedelta(minutes=1)
    look(registered, "housing")
    monkeypatch.setattr(asked, "started", lambda: began)
    with pytest.raises(Unhealthy, match="does not run every pipeline yet: space not looked at since"):
        streaming.check(registered)
    with stopped(registered, "space", "streaming"):
        streaming.check(registered)
    monkeypatch.setattr(asked, "START", timedelta(seconds=30))
    streaming.check(registered)

    monkeypatch.setattr(asked, "started", lambda: datetime.now(UTC) + timedelta(hours=1))
    with pytest.raises(Unhealthy, match="no pipeline runs"):
        streaming.check(registered)  # all that was looked at was so by the job before it
    look(registered)
    batch.check(registered)  # it has not had the time yet


def test_where_no_pipeline_is_registered_no_job_is_healthy(database: Settings) -> None:
    with pytest.raises(Unhealthy, match=r"none is served, run \./scripts/migrate"):
        streaming.check(another_database(database, "nothing"))


def test_status_says_of_each_pipeline_what_is_wrong_with_it_and_shows_the_others(
    registered: Settings, kafka_bootstrap: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def named(name: str) -> Pipeline:
        """A pipeline on a topic that no other test uses."""
        pipeline = load(name)
        return replace(pipeline, topic=replace(pipeline.topic, name=f"{name}-status"))

    look(registered, *SERVED)
    known = [named("housing"), named("space"), named("products")]
    for pipeline in (known[0], known[2]):
        create_topic(kafka_bootstrap, pipeline.topic.name, pipeline.topic.partitions)
    monkeypatch.setattr(status, "select", lambda _: known)
    monkeypatch.setattr(
        status, "settings", lambda: registered.model_copy(update={"kafka_bootstrap_servers": kafka_bootstrap})
    )
    with stopped(registered, "housing", "batch"):
        status.main()

    said = capsys.readouterr().out
    cells = {row[0]: row[1:] for line in said.splitlines() if line.startswith("│")
             for row in [[cell.strip() for cell in line.strip("│").split("│")]]}  # fmt: skip
    assert cells["housing"][1:4] == ["0", "0", "0"]
    assert (cells["housing"][-1], cells["space"][-1]) == ("batch", "")
    assert cells["space"][1:4] == ["-", "-", "-"]
    assert cells["products"][1] == "0"
    first, *others = said[said.rindex("┘") + 1 :].strip().splitlines()
    assert first.startswith("housing failed in the batch job since 20")
    assert first.endswith(f"the disk is full. Help: {HELP}")
    assert others == [
        "space has no topic space-status. Help: ./scripts/topics",
        "products is not registered. Help: ./scripts/migrate",
    ]
