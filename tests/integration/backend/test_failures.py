"""A pipeline that a job has stopped is named with the reason and the command that helps; the others are not touched."""

from datetime import UTC, datetime, timedelta

import pytest
from flask.testing import FlaskClient

from app.pipelines.transactions import PIPELINE
from app.readers import REASON as SHOWN
from app.settings import Settings
from tests.integration.backend.conftest import VIEW, get
from tests.integration.backend.test_state import metrics
from tests.integration.failing import HELP, stopped

NAME, OTHER = PIPELINE.name, "space"


def test_a_failed_pipeline_is_ready_and_named(client: FlaskClient, database: Settings) -> None:
    with stopped(database, NAME, "streaming"):
        ready = get(client, "/readyz")

    assert ready.status == 200
    assert NAME in ready.body["pipelines"]
    (failed,) = ready.body["failed"]
    since = datetime.fromisoformat(failed.pop("since"))
    assert timedelta(hours=2) <= datetime.now(UTC) - since < timedelta(hours=3)
    assert failed == {"pipeline": NAME, "job": "streaming", "help": HELP}


@pytest.mark.usefixtures("layers")
def test_every_answer_about_a_failed_pipeline_says_since_when_and_why_and_no_other_does(
    client: FlaskClient, database: Settings
) -> None:
    with stopped(database, NAME, "batch"):
        listed = {one["name"]: one["meta"] for one in get(client, "/pipelines").body}
        fresh = {one["pipeline"]: one for one in get(client, "/freshness").body}
        counted = {one["pipeline"]: one for one in get(client, "/quarantine").body["meta"]}
        told = [get(client, path).body["meta"] for path in (VIEW, f"/pipelines/{NAME}/versions")]
        told += [get(client, f"/pipelines/{NAME}").body, listed[NAME], fresh[NAME], counted[NAME]]
        others = [get(client, f"/pipelines/{OTHER}").body, listed[OTHER], fresh[OTHER], counted[OTHER]]

    for one in told:
        (failure,) = one["failures"]
        assert (failure["job"], failure["times"], failure["decision"]) == ("batch", 3, None)
        assert (failure["reason"], failure["help"]) == ("the disk is full", HELP)
        assert 7_200 <= failure["seconds"] < 10_800
    assert [one["failures"] for one in others] == [[]] * 4
    assert get(client, f"/pipelines/{NAME}").body["failures"] == []


@pytest.mark.parametrize(
    ("reason", "shown"),
    [
        ("\n \r\n  the first line\r\nand a secret", "the first line"),
        ("é" * 100_000, "é" * SHOWN),
        ("", ""),
        ("one\rtwo", "one"),
    ],
)
def test_of_a_reason_the_first_line_is_shown_as_far_as_it_is_short(
    client: FlaskClient, database: Settings, reason: str, shown: str
) -> None:
    with stopped(database, NAME, "streaming", reason):
        assert get(client, f"/pipelines/{NAME}").body["failures"][0]["reason"] == shown


@pytest.mark.parametrize(
    ("job", "decision", "refused"),
    [("batch", "quarantined", True), ("batch", None, False), ("streaming", "gap", False)],
)
def test_freshness_says_since_when_the_quality_rule_refuses_a_version(
    client: FlaskClient, database: Settings, job: str, decision: str | None, refused: bool
) -> None:
    with stopped(database, NAME, job, decision=decision):
        found = {one["pipeline"]: one for one in get(client, "/freshness").body}

    (failure,) = found[NAME]["failures"]
    assert failure["decision"] == decision
    assert found[NAME]["version_refused_since"] == (failure["since"] if refused else None)
    assert found[OTHER]["version_refused_since"] is None


def test_metrics_say_of_every_job_and_pipeline_whether_it_has_stopped(client: FlaskClient, database: Settings) -> None:
    before = metrics(client)
    with stopped(database, NAME, "streaming"), stopped(database, "not_defined_here", "batch"):
        found = metrics(client)
        text = client.get("/metrics").text

    changed = {name for name in found if name[0] == "tidemark_failed" and found[name] != before[name]}
    assert changed == {("tidemark_failed", "streaming", NAME)}
    assert found["tidemark_failed", "streaming", NAME] == 1
    assert {found["tidemark_failed", job, OTHER] for job in ("streaming", "batch")} == {0}
    (seconds,) = (value for name, value in found.items() if name[0] == "tidemark_failed_seconds")
    assert 7_200 <= seconds < 10_800
    assert "the disk is full" not in text
    assert "not_defined_here" not in text


@pytest.mark.parametrize("path", [VIEW, "/quarantine"])
@pytest.mark.usefixtures("layers")
def test_who_holds_an_answer_learns_of_a_failure_once(client: FlaskClient, database: Settings, path: str) -> None:
    def asked(tag: str) -> tuple[int, str]:
        answer = client.get(path, headers={"If-None-Match": tag})
        return answer.status_code, answer.headers["ETag"]

    _, running = asked("")
    with stopped(database, NAME, "batch"):
        status, failed = asked(running)
        assert (status, asked(failed)) == (200, (304, failed))
    assert asked(failed) == (200, running)
