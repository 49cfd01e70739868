"""The pages where a job has stopped a pipeline: since when, why, what helps, and nothing of it about the others."""

from collections.abc import Callable
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from tests.answering import FAILED, PIPELINES, STATUS, Server, quarantined, server
from tests.integration.test_dashboard import (
    clock,
    html,
    layers_page,
    operations_page,
    overview_page,
    pipeline_page,
    texts,
)

__all__ = ["clock", "server"]  # fixtures

Open = Callable[..., AppTest]
LETTERS = "letters"
EVERY_PAGE = pytest.mark.parametrize(
    "opened", [overview_page, pipeline_page, layers_page, operations_page],
    ids=["overview", "pipeline", "lambda", "operations"],
)  # fmt: skip
WHY = (
    "**parcels: The streaming job has stopped it.** Since 2026-06-01 10:00:00 UTC (2 h ago): the \\*disk\\* is full\n\n"
    "Failed 3 times, it is tried again. What helps: `./scripts/topics`"
)


def errors(page: AppTest) -> list[str]:
    """What is wrong, but for Kafka, which does not run here."""
    return [one.value for one in page.error if "Kafka" not in one.value]


@EVERY_PAGE
@pytest.mark.usefixtures("clock")
def test_a_failed_pipeline_is_named_with_the_reason_and_the_command(server: Server, opened: Open) -> None:
    behind = {"freshness": "error", "freshness_seconds": 7_200.0}
    server.answers["/pipelines/parcels"] = (200, STATUS | behind | {"failures": [FAILED]})
    page = opened().run()

    assert not page.exception
    assert errors(page) == [WHY]
    assert "The speed layer is behind" not in texts(page)  # that is what the failure says better
    if opened != operations_page:
        assert ":red-badge[✖ streaming failed 2 h ago]" in texts(page)
    if opened == overview_page:
        assert "✖ failed: parcels" in html(page)


@EVERY_PAGE
@pytest.mark.usefixtures("clock")
def test_a_version_that_the_quality_rule_refuses_is_said_so(server: Server, opened: Open) -> None:
    refused = FAILED | {"job": "batch", "decision": "quarantined", "reason": "9 of 10", "retry_at": None}
    server.answers["/pipelines/parcels"] = (200, STATUS | {"failures": [refused], "batch_late": True})
    page = opened().run()

    (said,) = errors(page)
    assert said.startswith("**parcels: The next version is refused.** Since 2026-06-01 10:00:00 UTC (2 h ago): 9 of 10")
    assert "It waits for a decision. What helps: `./scripts/topics`" in said
    assert "The batch is behind" not in texts(page)
    if opened != operations_page:
        assert ":red-badge[✖ version refused 2 h ago]" in texts(page)


def with_letters(server: Server, freshness: str, **status: Any) -> None:
    """Another pipeline beside the one there is."""
    server.answers["/pipelines"] = (200, [*PIPELINES, PIPELINES[0] | {"name": LETTERS, "topic": "letter-scans"}])
    standings = {"parcels": "ok", LETTERS: freshness}
    found = [{"pipeline": name, "freshness": one, "failures": []} for name, one in standings.items()]
    found[1] |= {"failures": status.get("failures", [])}
    server.answers["/freshness"] = (200, found)
    server.answers[f"/pipelines/{LETTERS}"] = (200, STATUS | {"pipeline": LETTERS} | status)
    server.answers[f"/pipelines/{LETTERS}/versions"] = server.answers["/pipelines/parcels/versions"]


@EVERY_PAGE
@pytest.mark.usefixtures("clock")
def test_the_failure_of_another_pipeline_is_on_the_pages_of_all_alone(server: Server, opened: Open) -> None:
    with_letters(server, "ok", failures=[FAILED | {"pipeline": LETTERS}])
    page = opened().run()

    named = [one for one in errors(page) if one.startswith(f"**{LETTERS}: ")]
    assert len(named) == len(errors(page)) == (opened in (overview_page, operations_page))
    if opened != operations_page:
        assert ":green-badge[● fresh · 1 s ago]" in texts(page)


@pytest.mark.parametrize("opened", [overview_page, operations_page])
@pytest.mark.usefixtures("clock")
def test_a_pipeline_that_is_not_served_is_named_where_a_job_has_stopped_it(server: Server, opened: Open) -> None:
    with_letters(server, "unknown", failures=[FAILED | {"pipeline": LETTERS}])
    page = opened().run()

    assert [one.partition(":")[0] for one in errors(page)] == [f"**{LETTERS}"]
    assert f"/pipelines/{LETTERS}" not in server.asked


@pytest.mark.usefixtures("clock")
def test_a_pipeline_whose_quarantine_cannot_be_read_is_named_beside_the_counts_of_the_others(server: Server) -> None:
    lacking = {"not_counted": [{"pipeline": LETTERS, "detail": "the segments are gone"}]}
    server.answers["/quarantine"] = (200, quarantined({"pipeline": "parcels", "reason": "late", "events": 4}) | lacking)
    page = operations_page().run()
    assert f"**{LETTERS} is not counted here.** the segments are gone" in errors(page)
    assert [one.value.to_dict("records") for one in page.dataframe if "reason" in one.value.columns] == [
        [{"pipeline": "parcels", "reason": "late", "events": 4}]
    ]

    server.answers["/quarantine"] = (200, quarantined() | lacking)
    page = operations_page().run()
    assert "Every event was accepted." not in texts(page)


@pytest.mark.usefixtures("clock")
def test_the_runs_of_the_others_are_listed_where_those_of_one_cannot_be_read(server: Server) -> None:
    with_letters(server, "ok")
    server.answers[f"/pipelines/{LETTERS}/versions"] = (500, {"detail": "the API could not read the view"})
    page = operations_page().run()

    assert "The API answers 500: the API could not read the view" in errors(page)
    (runs,) = (one.value for one in page.dataframe if "state" in one.value.columns)
    assert set(runs["pipeline"]) == {"parcels"}
