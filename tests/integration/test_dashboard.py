"""The pages with an API that answers, has nothing yet, is behind, refuses, or is not there."""

import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from app.settings import HOME, settings
from dashboard.log import LogError, Partition
from dashboard.sources import sources
from tests.answering import (
    BARS,
    META,
    NO_POSTGRES,
    PIPELINES,
    ROWS,
    SILENT,
    STATUS,
    Server,
    quarantined,
    rows,
    server,
    versions,
)
from tests.answering import metrics as metrics_text

__all__ = ["server"]  # a fixture

Open = Callable[..., AppTest]


@dataclass
class Clock:
    """The time that readings are aged by."""

    now: float = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(server: Server) -> Clock:  # noqa: ARG001 - whose settings name the API
    """A test moves it on: what was read before is then asked for again."""
    made = Clock()
    sources().shared.clock = made
    return made


def pipeline_page() -> AppTest:
    def script() -> None:
        from dashboard import pipeline  # noqa: PLC0415 - the script of a page is run by itself

        pipeline.page("parcels")

    return AppTest.from_function(script, default_timeout=120)


def overview_page() -> AppTest:
    def script() -> None:
        from dashboard import overview  # noqa: PLC0415

        overview.page({})

    return AppTest.from_function(script, default_timeout=120)


def layers_page() -> AppTest:
    def script() -> None:
        from dashboard import layers  # noqa: PLC0415

        layers.page()

    return AppTest.from_function(script, default_timeout=120)


def operations_page() -> AppTest:
    def script() -> None:
        from dashboard import operations  # noqa: PLC0415

        operations.page()

    return AppTest.from_function(script, default_timeout=120)


NO_ANSWER = f"The API answers 503: {SILENT}. Start the servers: `./scripts/up`, or without Docker `./scripts/demo`"
PAGES = {"overview": overview_page, "pipeline": pipeline_page, "lambda": layers_page, "operations": operations_page}
EVERY_PAGE = pytest.mark.parametrize("opened", PAGES.values(), ids=PAGES)


def metrics(page: AppTest) -> dict[str, str]:
    return {metric.label: metric.value for metric in page.metric}


def figures(page: AppTest) -> list[dict[str, Any]]:
    return [json.loads(chart.proto.spec) for chart in page.get("plotly_chart")]


def html(page: AppTest) -> str:
    return "".join(one.proto.body for one in page.get("html"))


def texts(page: AppTest) -> str:
    """Everything that a page says."""
    kinds = (page.markdown, page.caption, page.info, page.warning, page.error)
    return "\n".join(one.value for kind in kinds for one in kind)


@EVERY_PAGE
@pytest.mark.usefixtures("clock")
def test_a_page_shows_what_there_is_without_an_error(opened: Open) -> None:
    page = opened().run()

    assert not page.exception
    assert [error.value for error in page.error if "Kafka" not in error.value] == []


@pytest.mark.usefixtures("clock")
def test_a_pipeline_is_shown_with_its_boundary_and_its_figures() -> None:
    page = pipeline_page().run()

    assert metrics(page) == {
        "Version": "3",
        "Messages below the cut": "150",
        "Messages since the cut": "1,150",
        "Freshness": "1 s ago",
        "count": "3",
        "mean": "9.50",
    }
    assert ":green-badge[● fresh · 1 s ago]" in texts(page)
    assert page.dataframe[0].value.to_dict("records") == [{"kilograms": "12.50"}]


@pytest.mark.usefixtures("clock")
def test_a_figure_that_is_a_text_is_no_markup(server: Server) -> None:
    server.serve("totals", 200, rows([{"depot": "[north](north) **a_1**: 5 €", "count": 3}]))

    assert metrics(pipeline_page().run())["depot"] == r"\[north\]\(north\) \*\*a\_1\*\*\: 5 €"


@pytest.mark.usefixtures("clock")
def test_a_chart_shows_what_each_layer_gives() -> None:
    page = pipeline_page().run()
    (figure,) = figures(page)

    batch, speed, cut = figure["data"]
    assert (batch["name"], speed["name"], cut["name"]) == ("batch", "speed", "cut of version 3")
    assert (batch["y"], batch["x"], speed["x"]) == (["east", "west"], [1.0, 0], [1.0, 1.0])
    assert batch["customdata"] == ["east<br>batch 1 + speed 1 = 2", "west<br>batch 0 + speed 1 = 1"]
    assert "shape" in speed["marker"]["pattern"]
    assert "Lighter" not in texts(page)


def test_rows_of_another_version_are_not_taken_for_the_parts_of_this_one(server: Server, clock: Clock) -> None:
    server.serve("depots", 200, rows(ROWS[:1], layer="batch", version=4), layer="batch")
    page = pipeline_page().run()
    assert [trace["name"] for trace in figures(page)[0]["data"]] == ["merged"]

    server.serve("depots", 200, rows(ROWS, version=4))
    clock.now += 60
    page.run()
    assert [trace["name"] for trace in figures(page)[0]["data"]] == ["batch", "speed", "cut of version 4"]


@pytest.mark.usefixtures("clock")
def test_a_bar_that_the_batchs_highest_rows_lack_is_shown_without_a_split(server: Server) -> None:
    """A rollup with `most` is cut to its highest rows in each layer."""
    batch = [{"depot": "east", "count": 1}, {"depot": "north", "count": 1}]
    server.serve("depots", 200, rows(batch, layer="batch"), layer="batch")
    (figure,) = figures(pipeline_page().run())

    unsplit = next(trace for trace in figure["data"] if trace["name"] == "split not known")
    assert (unsplit["y"], unsplit["x"]) == (["east", "west"], [0, 1.0])
    assert unsplit["customdata"][1] == "west<br>1, split not known"
    assert figure["data"][1]["x"] == [1.0, 0]


@pytest.mark.usefixtures("clock")
def test_a_chart_of_many_rows_shows_the_highest_and_says_that_there_are_more(server: Server) -> None:
    found = [{"depot": f"d{number}", "count": 50 - number} for number in range(25)]
    server.serve("depots", 200, rows(found))
    page = pipeline_page().run()

    assert len(figures(page)[0]["data"][0]["x"]) == 20
    assert "The highest 20; there are more." in texts(page)


def listed(*charts: Any, **views: Any) -> list[Any]:
    """The list of pipelines with these charts, and more views."""
    shapes = [
        {"name": name, "description": "", "asked_by": [], "sums": [], "limits": {}} | shape
        for name, shape in views.items()
    ]
    known: Any = PIPELINES[0]["views"]
    return [PIPELINES[0] | {"charts": charts, "views": [*known, *shapes]}]


def window(minute: int, **columns: Any) -> dict[str, Any]:
    return {"window_start": f"2026-06-01T12:0{minute}:00Z", "window_end": f"2026-06-01T12:0{minute + 1}:00Z"} | columns


@pytest.mark.usefixtures("clock")
def test_lines_are_drawn_for_each_key_with_the_limits_of_the_alert(server: Server) -> None:
    chart = {"kind": "lines", "view": "minutes", "y": ["co2", "celsius"], "by": "sensor", "title": ""}
    shape = {"keys": ["sensor", "window_start", "window_end"], "limits": {"co2": {"below": 1000, "above": 1200}}}
    server.answers["/pipelines"] = (200, listed(chart, minutes=shape))
    found = [window(minute, sensor=of, co2="1300.0", celsius="21.5") for minute in (2, 1, 0) for of in ("b", "a")]
    server.serve("minutes", 200, rows(found, view="minutes"))
    server.serve("minutes", 200, rows(found[2:3], view="minutes"), layer="batch")
    page = pipeline_page().run()

    assert not page.exception
    first, second = figures(page)
    assert [trace["y"] for trace in first["data"]] == [[1300.0, 1300.0], [1300.0, 1300.0]]
    assert "alert above 1200" in [one["text"] for one in first["layout"]["annotations"]]
    assert "cut of version 3" in [one["text"] for one in second["layout"]["annotations"]]
    assert [one.value for one in page.text] == ["a", "b"]
    page.button_group(key="parcels chart 0 y").select("celsius").run()
    assert figures(page)[0]["data"][0]["y"] == [21.5, 21.5]


def test_of_more_lines_than_have_room_those_that_are_chosen_are_drawn(server: Server, clock: Clock) -> None:
    chart = {"kind": "lines", "view": "minutes", "y": ["co2"], "by": "sensor", "title": ""}
    server.answers["/pipelines"] = (200, listed(chart, minutes={"keys": ["sensor", "window_start", "window_end"]}))
    names = [f"s{number:02}" for number in range(48)]
    found = [window(minute, sensor=name, co2="1300.0") for minute in (2, 1, 0) for name in names]
    server.serve("minutes", 200, rows(found, view="minutes"))
    server.serve("minutes", 200, rows(found[-1:], view="minutes"), layer="batch")
    page = pipeline_page().run()

    assert not page.exception
    assert sorted(one.value for one in page.text) == names[:12]
    assert "12 of 48 are shown." in texts(page)
    assert "limit=1440" in server.queries["/pipelines/parcels/views/minutes"][-1]  # thirty windows of each
    page.multiselect(key="parcels chart 0 shown").set_value(["s40", "s03"]).run()
    assert [one.value for one in page.text] == ["s40", "s03"]
    assert "2 of 48 are shown." in texts(page)
    clock.now += 60
    others = [row for row in found if row["sensor"] != "s40"] + [window(2, sensor="s48", co2="1300.0")]
    server.serve("minutes", 200, rows(others, view="minutes"))
    page.run()
    assert not page.exception
    assert [one.value for one in page.text] == ["s03"]
    page.multiselect(key="parcels chart 0 shown").set_value([]).run()
    assert not page.exception
    assert not figures(page)


@pytest.mark.usefixtures("clock")
def test_bars_of_windows_with_another_key_are_added_up(server: Server) -> None:
    chart = BARS | {"view": "minutes", "x": "window_start", "y": "count", "most": 2}
    shape = {"keys": ["sensor", "window_start", "window_end"], "sums": ["count"]}
    server.answers["/pipelines"] = (200, listed(chart, minutes=shape))
    found = [window(minute, sensor=of, count=2) for minute in (2, 1, 0) for of in ("a", "b")]
    server.serve("minutes", 200, rows(found, view="minutes"))
    server.serve("minutes", 200, rows(found[3:], view="minutes"), layer="batch")
    page = pipeline_page().run()

    assert not page.exception
    batch, speed = figures(page)[0]["data"]
    assert (batch["y"], speed["y"]) == ([2.0, 0], [2.0, 4.0])
    assert [text.endswith("<br>still open") for text in speed["customdata"]] == [False, True]
    assert "Lighter: can still grow." in texts(page)


@pytest.mark.usefixtures("clock")
def test_rows_and_events_are_drawn_as_points_and_as_a_histogram(server: Server) -> None:
    scatter = {
        "kind": "scatter",
        "view": "newest",
        "x": "speed",
        "y": "miss",
        "mark": "hazardous",
        "label": None,
        "title": "",
    }
    histogram = {"kind": "histogram", "view": "depots", "of": "mean", "title": "Means"}
    server.answers["/pipelines"] = (200, listed(scatter, histogram))
    events = [{"speed": "1.5", "miss": "2.0", "hazardous": True}, {"speed": "2.5", "miss": "3.0", "hazardous": False}]
    server.answers["/newest"] = (200, {"meta": {"limit": 1000, "truncated": True}, "rows": events})
    page = pipeline_page().run()

    assert not page.exception
    assert [trace["name"] for trace in figures(page)[0]["data"]] == ["not hazardous", "hazardous"]
    assert figures(page)[1]["data"][0]["x"] == [10.25, 9.0]
    assert "1,000 rows; there are more." in texts(page)
    assert [one.value for one in page.subheader] == ["Miss against speed", "Means", "Rows"]


@pytest.mark.usefixtures("clock")
def test_a_chart_that_cannot_be_read_leaves_the_others(server: Server) -> None:
    scatter = {"kind": "scatter", "view": "newest", "x": "speed", "y": "miss", "mark": None, "label": None, "title": ""}
    server.answers["/pipelines"] = (200, listed(scatter, BARS))
    server.answers["/newest"] = (503, {"detail": "HiveServer2 does not answer"})
    page = pipeline_page().run()

    assert [error.value for error in page.error] == ["The API answers 503: HiveServer2 does not answer"]
    assert len(figures(page)) == 1


def test_rows_of_a_version_are_read_once(server: Server, clock: Clock) -> None:
    def batches() -> int:
        return server.asked.count("/pipelines/parcels/views/depots?layer=batch")

    page = pipeline_page().run()
    clock.now += 60
    page.run()
    assert batches() == 1

    server.serve("depots", 200, rows(ROWS, version=4))
    server.serve("depots", 200, rows(ROWS[:1], layer="batch", version=4), layer="batch")
    clock.now += 60
    page.run()
    clock.now += 60
    page.run()
    assert batches() == 2


@pytest.mark.usefixtures("clock")
def test_rows_are_shown_with_exact_values() -> None:
    page = pipeline_page().run()

    shown = page.dataframe[-1].value
    assert list(shown.columns) == ["depot", "count", "mean", "heaviest"]
    assert list(shown["mean"]) == [Decimal("10.25"), Decimal("9.00")]
    assert list(shown["heaviest"]) == ['[{"kilograms": "12.50"}]', None]


@pytest.mark.usefixtures("clock")
def test_another_view_can_be_picked() -> None:
    page = pipeline_page().run()
    page.selectbox[0].select("quarantine").run()

    assert page.dataframe[-1].value.to_dict("records") == [{"reason": "weight_missing", "events": 4}]


@pytest.mark.usefixtures("clock")
def test_decimals_are_shown_with_all_their_digits(server: Server) -> None:
    columns = {"depot": "string", "mean": "decimal", "wide": "decimal", "none": "decimal", "count": "int"}
    found = [
        {"depot": "east", "mean": "66.78394140", "wide": "1234567890123456.78", "none": None, "count": 1},
        {"depot": "west", "mean": "9.00000000", "wide": "-2.00", "none": None, "count": 1},
    ]
    server.serve("depots", 200, rows(found, columns=columns))
    shown = pipeline_page().run().dataframe[-1]

    formats = {
        name: config["type_config"] for name, config in json.loads(shown.proto.columns).items() if name != "_index"
    }
    assert formats == {"mean": {"type": "number", "format": "%.8f"}}
    assert list(shown.value["wide"]) == ["1234567890123456.78", "-2.00"]  # more digits than a browser's number has


@pytest.mark.usefixtures("clock")
def test_a_table_that_was_cut_short_says_so(server: Server) -> None:
    server.serve("depots", 200, rows(ROWS) | {"next": "WyJlYXN0Il0="})

    assert "The first 1,000 rows by key; there are more." in texts(pipeline_page().run())


@pytest.mark.usefixtures("clock")
def test_before_anything_was_counted_the_pages_name_the_command(server: Server) -> None:
    nothing = {"version": 0, "mode": "empty", "cut": {}, "offsets": {}, "freshness": "error", "freshness_seconds": None}
    server.answers["/pipelines/parcels"] = (200, STATUS | nothing)
    server.answers["/pipelines/parcels/versions"] = (200, versions([]))
    for view in ("depots", "totals", "quarantine"):
        server.serve(view, 200, rows([], **nothing))
    server.answers["/quarantine"] = (200, quarantined() | {"meta": [STATUS | nothing]})

    page = pipeline_page().run()
    assert not page.exception
    assert "`./scripts/submit streaming parcels`" in texts(page)
    assert metrics(page)["Freshness"] == "never"
    assert "■ stale · never" in texts(page)
    assert "`./scripts/submit batch parcels`" in texts(layers_page().run())
    page = operations_page().run()
    assert "Every event was accepted." not in texts(page)
    assert [info.value for info in page.info].count(
        "Nothing has been counted yet. Start the speed layer: `./scripts/submit streaming`"
    ) == 2  # of the quarantine, and of freshness
    assert "`./scripts/submit batch`" in texts(page)
    for opened in (overview_page, layers_page):
        page = opened().run()
        assert not page.exception
        assert "`./scripts/submit streaming parcels`, and send events: `python -m producers parcels`" in texts(page)


@pytest.mark.parametrize(
    ("freshness", "seconds", "badge"),
    [("warn", 75.0, ":orange-badge[▲ late · 75 s ago]"), ("error", 600.0, ":red-badge[■ stale · 10 min ago]")],
)
@pytest.mark.usefixtures("clock")
def test_a_speed_layer_that_is_behind_is_named_with_its_target(
    server: Server, freshness: str, seconds: float, badge: str
) -> None:
    server.answers["/pipelines/parcels"] = (200, STATUS | {"freshness": freshness, "freshness_seconds": seconds})
    for opened in (pipeline_page, overview_page, layers_page):
        page = opened().run()
        assert badge in texts(page)
        assert [warning.value for warning in page.warning if "Kafka" not in warning.value] == [
            f"**The speed layer is behind.** It counted last {badge.split(' · ')[1].rstrip(']')}; the target is 60 s. "
            "See that it runs: `./scripts/submit streaming parcels`"
        ]


@pytest.mark.usefixtures("clock")
def test_an_open_transaction_is_named_with_since_when(server: Server) -> None:
    since = {"freshness": "error", "freshness_seconds": 600.0, "open_since": "2026-06-01T12:00:00Z"}
    server.answers["/pipelines/parcels"] = (200, STATUS | since)
    for opened in (pipeline_page, overview_page, layers_page):
        page = opened().run()
        assert ":red-badge[■ stale · 10 min ago]" in texts(page)
        (said,) = [warning.value for warning in page.warning if "Kafka has no" not in warning.value]
        assert said.startswith("**A Kafka transaction is open** since 2026-06-01T12:00:00Z. ")


@pytest.mark.usefixtures("clock")
def test_a_batch_that_is_behind_is_named_with_its_target(server: Server) -> None:
    server.answers["/pipelines/parcels"] = (200, STATUS | {"batch_late": True, "batch_seconds": 8_000.0})

    for opened in (pipeline_page, overview_page, layers_page):
        page = opened().run()
        assert ":orange-badge[▲ batch late · published 2 h ago]" in texts(page)
        assert [warning.value for warning in page.warning if "Kafka" not in warning.value] == [
            "**The batch is behind.** Version 3 is of 2 h ago; the target is 60 min. Publish another: "
            "`./scripts/submit batch parcels`"
        ]
    assert "▲ batch late · published 2 h ago" in html(overview_page().run())


@pytest.mark.parametrize(("freshness", "badge"), [("warn", "▲ late · 75 s ago"), ("error", "■ stale · 75 s ago")])
@pytest.mark.usefixtures("clock")
def test_where_both_layers_are_late_the_badge_is_of_the_speed_layer(server: Server, freshness: str, badge: str) -> None:
    late = {"freshness": freshness, "freshness_seconds": 75.0, "batch_late": True, "batch_seconds": 8_000.0}
    server.answers["/pipelines/parcels"] = (200, STATUS | late)
    page = overview_page().run()

    assert badge in texts(page)
    assert [word for word in ("speed layer", "batch") if f"**The {word} is behind.**" in texts(page)] == [
        "speed layer", "batch",
    ]  # fmt: skip


@EVERY_PAGE
@pytest.mark.usefixtures("clock")
def test_what_the_api_refuses_is_shown_with_its_reason_and_no_numbers(server: Server, opened: Open) -> None:
    server.fail(503, SILENT)
    page = opened().run()

    assert not page.exception
    assert {error.value for error in page.error} == {NO_ANSWER}
    assert (len(page.metric), len(page.dataframe)) == (0, 0)


@EVERY_PAGE
@pytest.mark.usefixtures("clock")
def test_without_postgres_a_page_says_why_it_is_empty_and_what_to_start(server: Server, opened: Open) -> None:
    server.fail(503, SILENT, but=NO_POSTGRES)
    page = opened().run()

    assert not page.exception
    assert NO_ANSWER in [error.value for error in page.error]
    assert {error.value for error in page.error if "Kafka" not in error.value} == {NO_ANSWER}
    assert page.metric.len == 0


@EVERY_PAGE
def test_what_was_read_before_postgres_went_stays_with_its_age_and_the_command(
    server: Server, clock: Clock, opened: Open
) -> None:
    page = opened().run()
    server.fail(503, SILENT, but=NO_POSTGRES)
    clock.now += 90
    page.run()

    assert not page.exception
    assert f"**Stale: read 90 s ago.** {NO_ANSWER}" in [warning.value for warning in page.warning]


def test_the_overview_names_no_age_that_it_does_not_know(server: Server, clock: Clock) -> None:
    page = overview_page().run()
    assert "counted 1 s ago" in html(page)
    server.fail(503, SILENT, but=NO_POSTGRES)
    clock.now += 90
    page.run()

    assert "counted" not in html(page).replace("counted by", "")
    assert "published" not in html(page)
    assert "■ not read for 90 s" in html(page)
    assert "ms, not read for 90 s" in html(page)


@pytest.mark.parametrize(
    ("view", "layer", "meta", "said"),
    [
        (
            "depots",
            "merged",
            {"freshness_seconds": None, "freshness": "error"},
            "`./scripts/submit streaming parcels`",
        ),
        ("depots", "merged", {}, "To see some, send events: `python -m producers parcels`"),
        ("depots", "batch", {"version": 0, "layer": "batch"}, "`./scripts/submit batch parcels`"),
        (
            "depots",
            "speed",
            {"layer": "speed"},
            "since the cut. To see it count, send events: `python -m producers parcels`",
        ),
    ],
)
@pytest.mark.usefixtures("clock")
def test_an_empty_table_names_the_command_that_fills_it(
    server: Server, view: str, layer: str, meta: dict[str, Any], said: str
) -> None:
    server.serve(view, 200, rows([], **meta))
    server.serve(view, 200, rows([], **meta), layer="batch")
    page = pipeline_page().run()
    if layer != "merged":
        page.button_group(key="parcels layer").select(layer).run()

    assert not page.exception
    assert said in page.info[-1].value


@EVERY_PAGE
@pytest.mark.usefixtures("clock")
def test_while_the_first_answer_is_awaited_a_page_says_of_whom_and_what_helps(
    monkeypatch: pytest.MonkeyPatch, opened: Open
) -> None:
    said: list[str] = []
    real = st.spinner

    def spinner(text: str) -> Any:
        said.append(text)
        return real(text)

    monkeypatch.setattr(st, "spinner", spinner)
    page = opened().run()
    assert set(said) == {
        "Asking the API … Does no answer come? Start it: `python -m backend`",
        "Asking Kafka … Does no answer come? Start the servers: `./scripts/up`, or without Docker `./scripts/demo`",
    }

    said.clear()
    if opened == operations_page:
        page.toggle[0].set_value(True).run()
        assert "Asking HiveServer2 … Does no answer come? Start it: `./scripts/submit sql`" in said
        assert not [text for text in said if "the API" in text]


@EVERY_PAGE
def test_what_was_read_last_stays_with_its_age_when_the_api_goes_away(
    server: Server, clock: Clock, opened: Open
) -> None:
    page = opened().run()
    shown = (metrics(page), len(page.dataframe), len(figures(page)))
    server.close()
    clock.now += 90
    page.run()

    assert not page.exception
    assert (metrics(page), len(page.dataframe), len(figures(page))) == shown
    said = [warning.value for warning in page.warning if "`python -m backend`" in warning.value]
    assert said
    assert all(warning.startswith("**Stale: read 90 s ago.** The API does not answer at") for warning in said)


@pytest.mark.parametrize("opened", [overview_page, layers_page, operations_page])
@pytest.mark.usefixtures("server")
def test_what_was_read_of_kafka_stays_with_its_age_when_it_goes_away(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, opened: Open
) -> None:
    ends = iter([1_250, 1_310])

    def partitions(*_: Any) -> list[Partition]:
        for end in ends:
            return [Partition("parcel-scans", 0, 0, end)]
        raise LogError("Kafka is gone")

    def shown() -> Any:
        return metrics(page), [one.value.to_csv() for one in page.dataframe]

    now = Clock(1_780_000_000.0)
    for module in ("overview", "sources"):
        monkeypatch.setattr(f"dashboard.{module}.time", SimpleNamespace(time=now))
    monkeypatch.setattr("dashboard.sources.partitions", partitions)
    page = opened()
    for passed in (20, 90):
        page.run()
        before = shown()
        assert "Kafka is gone" not in texts(page)
        clock.now += passed
        now.now += passed
    page.run()

    assert not page.exception
    assert shown() == before
    assert "**Stale: read 90 s ago.** Kafka is gone" in [warning.value for warning in page.warning]
    if opened == overview_page:
        assert "1,310 messages, read 90 s ago<br>… a second, 60 waiting, the last 90 s ago" in html(page)
        assert "version 3 counts 150 · speed layer 1,150 · 60 waiting, read 90 s ago" in html(page)
    else:
        assert "1310" in str(before)
    assert [one.sent for one in sources().history.of("parcels")] == [1_250, 1_310, None]


def test_a_badge_turns_when_the_api_goes_away(server: Server, clock: Clock) -> None:
    page = pipeline_page().run()
    server.close()
    clock.now += 90

    assert ":red-badge[■ not read for 90 s]" in texts(page.run())


@pytest.mark.usefixtures("clock")
def test_the_lambda_page_says_what_a_publish_does_with_the_numbers_of_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboard.sources.partitions", lambda *_: [Partition("parcel-scans", 0, 0, 1_310)])
    page = layers_page().run()

    said = texts(page)
    assert "The speed layer adds to segment 5" in said
    assert "The last time, 90 s ago, the cut moved by 30 messages to 150, and counting took 4 s (incremental)." in said
    assert not page.button  # it explains; nothing can be set off
    (meeting,) = (one.value for one in page.dataframe if "only speed" in one.value.columns)
    assert meeting.to_dict("records")[1] == {
        "partition": "0", "batch: below": 100, "speed: below": 1_250, "Kafka ends at": 1_310, "only speed": 1_150,
        "waiting": 60,
    }  # fmt: skip
    assert meeting.to_dict("records")[0] | {"speed: below": None, "Kafka ends at": None, "waiting": None} == {
        "partition": "files", "batch: below": 50, "speed: below": None, "Kafka ends at": None, "only speed": 0,
        "waiting": None,
    }  # fmt: skip
    (versions,) = (one.value for one in page.dataframe if "state" in one.value.columns)
    assert list(versions["state"]) == ["current", "replaced", "replaced"]
    assert figures(page)[-1]["data"][0]["y"] == [4.2, 4.2, 4.2]


@pytest.mark.usefixtures("clock")
def test_the_operations_page_lists_runs_and_what_was_not_accepted() -> None:
    page = operations_page().run()

    (runs,) = (one.value for one in page.dataframe if "state" in one.value.columns)
    assert list(runs["version"]) == [3, 2, 1]
    (reasons,) = (one.value for one in page.dataframe if "reason" in one.value.columns)
    assert reasons.to_dict("records") == [{"pipeline": "parcels", "reason": "weight_missing", "events": 4}]


@pytest.fixture
def shared_topic(server: Server, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001
    """Two pipelines read one topic of 1,310 messages."""
    monkeypatch.setattr("dashboard.sources.partitions", lambda *_: [Partition("parcel-scans", 0, 10, 1_310)])
    names = ("parcels", "letters")
    server.answers["/pipelines"] = (200, [PIPELINES[0] | {"name": name} for name in names])
    server.answers["/freshness"] = (200, [{"pipeline": name, "freshness": "ok"} for name in names])
    server.answers["/pipelines/letters/versions"] = server.answers["/pipelines/parcels/versions"]
    stand = STATUS | {"pipeline": "letters", "cut": {"0": 20}, "offsets": {"0": 1_210}}
    server.answers["/pipelines/letters"] = (200, stand)


@pytest.mark.usefixtures("shared_topic")
def test_the_operations_page_has_a_row_for_each_pipeline_of_a_topic(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboard.sources.newest", lambda *_: [])
    page = operations_page().run()

    (shown,) = (one.value for one in page.dataframe if "lag" in one.value.columns)
    of_topic = {"topic": "parcel-scans", "partition": 0, "first offset": 10, "next offset": 1_310}
    assert shown.to_dict("records") == [
        of_topic | {"pipeline": "letters", "committed": 1_210, "cut": 20, "lag": 100},
        of_topic | {"pipeline": "parcels", "committed": 1_250, "cut": 100, "lag": 60},
    ]
    assert metrics(page) == {"Messages in Kafka": "1,300", "Lag of the speed layer": "160"}
    (topics,) = (one for one in page.selectbox if one.label == "Messages of the topic")
    assert topics.options == ["parcel-scans"]


@pytest.mark.usefixtures("shared_topic")
def test_the_overview_counts_a_message_once_however_many_pipelines_read_it(monkeypatch: pytest.MonkeyPatch) -> None:
    now = Clock(1_780_000_000.0)
    for module in ("overview", "sources"):
        monkeypatch.setattr(f"dashboard.{module}.time", SimpleNamespace(time=now))
    overview_page().run()
    now.now += 20
    sources().shared.clock = Clock(2_000.0)
    monkeypatch.setattr("dashboard.sources.partitions", lambda *_: [Partition("parcel-scans", 0, 10, 1_370)])
    page = overview_page().run()

    assert "<b>Kafka</b>1,370 messages<br>3 a second, 280 waiting" in html(page)
    assert html(page).count('class="tide"') == 2


def test_where_nothing_was_refused_every_event_was_accepted(server: Server) -> None:
    server.answers["/quarantine"] = (200, quarantined())

    assert "Every event was accepted." in texts(operations_page().run())


def test_payloads_are_read_when_they_are_asked_for(server: Server, clock: Clock) -> None:
    server.answers["/quarantine/samples"] = (503, {"detail": "HiveServer2 does not answer"})
    page = operations_page().run()
    assert "/quarantine/samples" not in server.asked

    page.toggle[0].set_value(True).run()
    assert [error.value for error in page.error if "Hive" in error.value] == [
        "The API answers 503: HiveServer2 does not answer"
    ]
    sample = {"reason": "weight_missing", "topic": "parcel-scans", "partition": 0, "offset": 7, "payload": "{}"}
    server.answers["/quarantine/samples"] = (200, {"meta": STATUS, "rows": [sample]})
    clock.now += 60
    page.run()
    assert sample in [row for one in page.dataframe for row in one.value.to_dict("records")]
    assert "As of version 3, published 90 s ago." in texts(page)
    server.answers["/quarantine/samples"] = (200, {"meta": STATUS, "rows": []})
    clock.now += 60
    assert "None, as of version 3, published 90 s ago. Publish another: `./scripts/submit batch parcels`" in texts(
        page.run()
    )


@pytest.mark.usefixtures("clock")
def test_the_overview_draws_a_tidemark_and_says_it_in_words() -> None:
    page = overview_page().run()

    assert "version 3 counts 150 · speed layer 1,150 · waiting: Kafka was not read" in html(page)
    assert "? messages<br>… a second, ? waiting</div>" in html(page)  # when the last came is not known
    assert all(stage in html(page) for stage in ("Kafka", "Speed layer", "Batch layer", "Merged views", "API"))


@pytest.mark.parametrize("written", [None, 1_190])
def test_each_stage_has_its_rate_its_lag_and_its_age(
    server: Server, clock: Clock, monkeypatch: pytest.MonkeyPatch, written: int | None
) -> None:
    def stand(counted: int, more: int = 0) -> dict[str, Any]:
        tables = {"written": {"0": written + more}, "written_seconds": 4.0} if written else {}
        return STATUS | {"offsets": {"0": counted}} | tables

    now = Clock(1_780_000_000.0)
    for module in ("overview", "sources"):
        monkeypatch.setattr(f"dashboard.{module}.time", SimpleNamespace(time=now))
    ends = iter(range(1_250, 10_000, 60))
    monkeypatch.setattr("dashboard.sources.partitions", lambda *_: [Partition("parcel-scans", 0, 0, next(ends))])
    server.answers["/pipelines/parcels"] = (200, stand(1_250))
    overview_page().run()
    for passed in (clock, now):
        passed.now += 20
    server.answers["/pipelines/parcels"] = (200, stand(1_290, more=100))
    server.answers["/metrics"] = (200, metrics_text(240))
    page = overview_page().run()

    stages = [words.replace("<br>", " | ") for words in re.findall(r"<b>(.*?)</div>", html(page))]
    assert [words.replace("</b>", ": ") for words in stages] == [
        "Producers: events and files of 1 pipelines | 3 a second, the last 0 s ago",
        "Kafka: 1,310 messages | 3 a second, 20 waiting, the last 0 s ago",
        "Speed layer: 1,190 since the cut, 20 waiting | 2 a second, counted 1 s ago",
        "Batch layer: 150 below the cut, 1,190 behind | 7 a second in its last run, published 90 s ago",
        *(["Lake, for Hive: 1,290 written, 20 waiting | 5 a second, written 4 s ago"] if written else []),
        "Merged views: Postgres: batch + speed, 20 waiting | ● fresh · 1 s ago",
        "API: 12 a second, to all who ask | half of them within 5 ms, as of 1 s ago",
    ]


@pytest.mark.parametrize(
    ("counted", "age"),
    [((1_250, 100), "3 min"), ((100, 1_250), "50 min"), ((1_250, 1_250), "50 min"), ((100, 100), "3 min")],
    ids=["the first leaves some", "the second does", "both do", "none does"],
)
@pytest.mark.usefixtures("clock")
def test_the_batch_layer_is_as_old_as_what_leaves_something_to_count(
    server: Server, counted: tuple[int, int], age: str
) -> None:
    names = ("parcels", "letters")
    server.answers["/pipelines"] = (200, [PIPELINES[0] | {"name": name} for name in names])
    server.answers["/freshness"] = (200, [{"pipeline": name, "freshness": "ok"} for name in names])
    server.answers["/pipelines/letters/versions"] = server.answers["/pipelines/parcels/versions"]
    for name, offset, seconds in zip(names, counted, (180.0, 3_000.0), strict=True):
        stand = STATUS | {"pipeline": name, "cut": {"0": 100}, "offsets": {"0": offset}, "batch_seconds": seconds}
        server.answers[f"/pipelines/{name}"] = (200, stand)

    assert f"published {age} ago" in html(overview_page().run())


def test_readers_share_one_reading(server: Server, clock: Clock) -> None:
    for _ in range(5):
        pipeline_page().run()

    assert server.asked.count("/pipelines/parcels") == 1
    clock.now += 2
    pipeline_page().run()
    assert server.asked.count("/pipelines/parcels") == 2


def test_many_who_look_at_any_moment_ask_no_more_than_the_api_takes(server: Server, clock: Clock) -> None:
    """With five pipelines and every page open, these are some ten questions a second; the API takes twenty."""
    seconds = 12
    for _ in range(seconds):
        for opened in (pipeline_page, overview_page):
            opened().run()
        clock.now += 1

    most = {
        "/pipelines": 2, "/freshness": 2, "/pipelines/parcels": 6, "/pipelines/parcels/versions": 3, "/metrics": 2,
        "/pipelines/parcels/views/totals": 6, "/pipelines/parcels/views/depots": 2 * 3,
        "/pipelines/parcels/views/depots?layer=batch": 1,
    }  # fmt: skip
    assert Counter(server.asked) == most


def test_the_menu_has_a_page_for_each_pipeline(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.answers["/pipelines"] = (200, [PIPELINES[0], PIPELINES[0] | {"name": "late_letters"}])
    for path in ("", "/versions"):
        server.answers[f"/pipelines/late_letters{path}"] = server.answers[f"/pipelines/parcels{path}"]
    menus: list[dict[str, list[Any]]] = []
    real = st.navigation

    def navigation(menu: dict[str, list[Any]]) -> Any:
        menus.append(menu)
        return real(menu)

    monkeypatch.setattr(st, "navigation", navigation)
    page = AppTest.from_file(str(HOME / "dashboard/app.py"), default_timeout=120).run()

    assert not page.exception
    assert [title.value for title in page.title] == ["Tidemark"]
    assert [{section: [one.title for one in pages] for section, pages in menu.items()} for menu in menus] == [
        {"": ["Overview"], "Pipelines": ["Parcels", "Late letters"], "Behind it": ["Lambda", "Operations"]}
    ]
    assert [(link.label, link.page) for link in (one.proto for one in page.get("page_link"))] == [
        ("Parcels", "parcels"), ("Late letters", "late_letters"),
    ]  # fmt: skip


@pytest.mark.parametrize("opened", [overview_page, layers_page, operations_page])
@pytest.mark.parametrize("served", [["parcels"], []])
@pytest.mark.usefixtures("clock")
def test_a_pipeline_that_is_not_served_is_no_error_of_the_others(
    server: Server, served: list[str], opened: Open
) -> None:
    server.answers["/pipelines"] = (200, [PIPELINES[0], PIPELINES[0] | {"name": "letters", "topic": "letter-scans"}])
    server.answers["/freshness"] = (
        200, [{"pipeline": name, "freshness": "ok" if name in served else "unknown", "failures": []}
              for name in ("parcels", "letters")]
    )  # fmt: skip
    page = opened().run()

    assert not page.exception
    assert "/pipelines/letters" not in server.asked
    assert ("/pipelines/parcels" in server.asked) == bool(served)
    assert [error.value for error in page.error if "Kafka" not in error.value] == []
    if opened == overview_page:
        missing = "letters" if served else "parcels, letters"
        assert f"Not served here: {missing}. `./scripts/demo` without names starts all" in texts(page)
    else:
        assert ("No pipeline is served yet. Register them: `./scripts/migrate`" in texts(page)) == (not served)


@pytest.mark.usefixtures("clock")
def test_a_pipeline_that_the_api_does_not_know_is_named(server: Server) -> None:
    server.answers["/pipelines"] = (200, [PIPELINES[0] | {"name": "letters"}])

    assert "The API knows no pipeline parcels." in texts(pipeline_page().run())


def test_the_pages_ask_the_api_of_the_settings(server: Server) -> None:
    assert sources().api.url == f"http://127.0.0.1:{server.port}" == f"http://127.0.0.1:{settings().api_port}"
    assert META["pipeline"] == PIPELINES[0]["name"]
