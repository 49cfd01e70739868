"""The page with an API that answers, has nothing yet, refuses, or is not there."""

import json
from decimal import Decimal

import pytest
from streamlit.testing.v1 import AppTest

from app.settings import HOME, Settings, settings
from dashboard.api import Api, ApiError
from tests.answering import META, PIPELINES, ROWS, Server, server

__all__ = ["server"]  # a fixture


@pytest.fixture
def page() -> AppTest:
    return AppTest.from_file(str(HOME / "dashboard/views.py"), default_timeout=30)


def metrics(page: AppTest) -> dict[str, str]:
    return {metric.label: metric.value for metric in page.metric}


def test_the_merged_view_is_shown_with_its_boundary(server: Server, page: AppTest) -> None:
    server.serve("depots", 200, {"meta": META, "rows": ROWS})
    page.run()

    assert not page.exception
    assert (list(page.selectbox[0].options), list(page.selectbox[1].options)) == (["parcels"], ["depots", "quarantine"])
    assert metrics(page) == {
        "Version": "3",
        "Messages below the cut": "150",
        "Messages since the cut": "1,150",
        "Freshness": "1 s ago",
    }
    shown = page.dataframe[0].value
    assert list(shown.columns) == ["depot", "count", "mean", "heaviest"]
    assert list(shown["mean"]) == [Decimal("10.25"), Decimal("9.00")]
    assert list(shown["heaviest"]) == ['[{"kilograms": "12.50"}]', None]
    assert (len(page.info), len(page.error)) == (0, 0)


def test_another_view_can_be_picked(server: Server, page: AppTest) -> None:
    server.serve("depots", 200, {"meta": META, "rows": ROWS})
    quarantine = META | {"columns": {"reason": "string", "events": "bigint"}}
    server.serve("quarantine", 200, {"meta": quarantine, "rows": [{"reason": "weight_missing", "events": 4}]})
    page.run()
    page.selectbox[1].select("quarantine").run()

    assert page.dataframe[0].value.to_dict("records") == [{"reason": "weight_missing", "events": 4}]


def test_decimals_are_shown_with_all_their_digits(server: Server, page: AppTest) -> None:
    columns = {"depot": "string", "mean": "decimal", "wide": "decimal", "none": "decimal"}
    rows = [
        {"depot": "east", "mean": "66.78394140", "wide": "1234567890123456.78", "none": None},
        {"depot": "west", "mean": "9.00000000", "wide": "-2.00", "none": None},
    ]
    server.serve("depots", 200, {"meta": META | {"columns": columns}, "rows": rows})
    page.run()

    shown = page.dataframe[0]
    formats = {
        name: config["type_config"] for name, config in json.loads(shown.proto.columns).items() if name != "_index"
    }
    assert formats == {"mean": {"type": "number", "format": "%.8f"}}
    assert list(shown.value["wide"]) == ["1234567890123456.78", "-2.00"]  # more digits than a browser's number has


def test_a_table_that_was_cut_short_says_so(server: Server, page: AppTest) -> None:
    server.serve("depots", 200, {"meta": META | {"truncated": True}, "rows": ROWS})
    page.run()

    assert "The first 1,000 rows by key; there are more." in [caption.value for caption in page.caption]


def test_before_anything_was_counted_the_page_names_the_command_and_the_topic(server: Server, page: AppTest) -> None:
    nothing = META | {"version": 0, "mode": "empty", "cut": {}, "offsets": {}, "freshness_seconds": None}
    server.serve("depots", 200, {"meta": nothing, "rows": []})
    page.run()

    assert not page.exception
    assert "`spark-submit app/streaming_job.py parcels`" in page.info[0].value
    assert "`parcel-scans`" in page.info[0].value
    assert metrics(page)["Freshness"] == "never"


def test_a_view_without_rows_is_not_taken_for_a_job_that_does_not_run(server: Server, page: AppTest) -> None:
    server.serve("depots", 200, {"meta": META, "rows": []})
    page.run()

    assert [info.value for info in page.info] == ["No event that has been counted belongs to this view."]


def test_what_the_api_refuses_is_shown_with_its_reason_and_no_numbers(server: Server, page: AppTest) -> None:
    server.serve("depots", 503, {"title": "Service Unavailable", "detail": "Postgres does not answer; start it"})
    page.run()

    assert [error.value for error in page.error] == ["The API answers 503: Postgres does not answer; start it"]
    assert (len(page.metric), len(page.dataframe)) == (0, 0)


def test_an_api_that_goes_away_leaves_an_error_and_the_choice(server: Server, page: AppTest) -> None:
    server.serve("depots", 200, {"meta": META, "rows": ROWS})
    page.run()
    server.close()
    page.run()

    assert f"does not answer at http://127.0.0.1:{server.port}" in page.error[0].value
    assert "`python -m backend`" in page.error[0].value
    assert (len(page.selectbox), len(page.metric), len(page.dataframe)) == (2, 0, 0)


def test_an_api_that_is_not_there_when_the_page_opens_is_asked_again(server: Server, page: AppTest) -> None:
    server.answers["/pipelines"] = (503, {"detail": "not yet"})
    page.run()
    assert [error.value for error in page.error] == ["The API answers 503: not yet"]

    server.answers["/pipelines"] = (200, PIPELINES)
    server.serve("depots", 200, {"meta": META, "rows": ROWS})
    page.run()
    assert (len(page.error), len(page.dataframe)) == (0, 1)


def test_another_server_at_the_address_is_not_taken_for_the_api(server: Server) -> None:
    server.answers["/pipelines"] = (200, "<html>")

    with pytest.raises(ApiError, match=r"is not the API: /pipelines is not JSON\. Set API_HOST and API_PORT"):
        Api(settings()).get("/pipelines")


@pytest.mark.parametrize(("host", "asked"), [("0.0.0.0", "127.0.0.1"), ("::", "::1"), ("api", "api")])  # noqa: S104
def test_an_api_that_listens_everywhere_is_asked_at_the_loopback(host: str, asked: str) -> None:
    assert Api(Settings(_env_file=None, api_host=host)).host == asked


def test_the_pages_are_in_the_menu_and_the_first_is_of_the_merged_views(server: Server) -> None:
    server.serve("depots", 200, {"meta": META, "rows": ROWS})
    page = AppTest.from_file(str(HOME / "dashboard/app.py"), default_timeout=30).run()

    assert not page.exception
    assert [title.value for title in page.title] == ["Tidemark"]
