"""Charts: what a definition may declare, what fits one that declares none, and what pages are told of views."""

from typing import Any

import pytest
from pydantic import ValidationError

from app import pipelines
from app.charts import Bars, Lines
from app.model import QUARANTINE, Alert, Count, LakeTable, Mean, Pipeline, Rollup, Sum, Tumbling, View
from app.new_pipeline import TEMPLATE
from app.outputs import limits, sums
from app.pipelines import products
from backend.listing import charts
from tests.unit.test_model import COLUMNS, FIELDS, m

VIEWS: Any = (
    View("kinds", ("kind",), (Count("events"), Sum("total", of="amount"))),
    View("minutes", ("kind", Tumbling("1 minute")), (Count("events"), Mean("mean", of="whole"))),
    View("all_minutes", (Tumbling("1 minute"),), (Count("events"),)),
    View("last", ("id",), (m.Latest(("amount", "flag"), by="at"),)),
    Alert("high", ("kind",), of="whole", above=10, readings=2, below=5, columns=("at",)),
)
ROLLUPS = (
    Rollup("everything", of="kinds", keys=()),
    Rollup("by_flag", of="last", keys=("flag",), measures=(Count("n"),)),
)
LAKE = (LakeTable("events", columns=("amount", "kind"), format="parquet", endpoint="newest"),)


def pipeline(*declared: Any) -> Pipeline:
    return m.Pipeline(**FIELDS, columns=COLUMNS, views=VIEWS, rollups=ROLLUPS, lake=LAKE, charts=declared)  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("chart", "message"),
    [
        (m.Bars("none", "kind", "events"), r"charts\[0\].view: 'none' is not served; allowed: newest, kinds"),
        (m.Bars("kinds", "colour", "events"), r"charts\[0\].x: 'colour' is not a column; allowed: kind, events, total"),
        (m.Bars("kinds", "kind", "kind"), r"charts\[0\].y: 'kind' is not a column; allowed: events, total"),
        (m.Lines("kinds", ("events",)), r"charts\[0\].view: 'window_start' is not a column"),
        (m.Lines("minutes", ("events", "kind"), by="kind"), r"charts\[0\].y: 'kind' is not a column"),
        (m.Lines("minutes", ("events",), by="colour"), r"charts\[0\].by: 'colour' is not a column"),
        (m.Histogram("last", of="flag"), r"charts\[0\].of: 'flag' is not a column; allowed: amount"),
        (m.Scatter("newest", "amount", "kind"), r"charts\[0\].x and y: 'kind' is not a column; allowed: amount"),
        (m.Scatter("last", "amount", "amount", mark="id"), r"charts\[0\].mark: 'id' is not a column; allowed: flag"),
        (m.Scatter("last", "amount", "amount", label="x"), r"charts\[0\].label: 'x' is not a column"),
    ],
)
def test_a_chart_of_what_there_is_not_is_refused(chart: Any, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        pipeline(chart)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"order": ("a", "b"), "colours": ("#038141",)}, "colours: 1 for 2 values in order"),
        ({"order": ("a",), "colours": ("green",)}, "colours"),
        ({"most": 0}, "most"),
    ],
)
def test_bars_that_make_no_sense_are_refused(given: Any, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        m.Bars("kinds", "kind", "events", **given)


def test_a_pipeline_without_charts_gets_those_that_fit_its_views() -> None:
    assert charts(pipeline()) == (
        Bars("kinds", "kind", "total"),
        Lines("minutes", ("events", "mean"), "kind"),
        Bars("all_minutes", "window_start", "events", most=60),
        Bars("by_flag", "flag", "n"),
        Bars("quarantine", "reason", "events"),
    )


def test_a_pipeline_that_is_written_for_you_has_a_page_that_shows_something() -> None:
    made: dict[str, Any] = {}
    exec(TEMPLATE.substitute(name="orders"), made)  # noqa: S102 - it is a module

    assert charts(made["PIPELINE"]) == (
        Bars("kinds", "kind", "total"),
        Bars("minutes", "window_start", "count", most=60),
        Bars("quarantine", "reason", "events"),
    )


def test_what_is_declared_is_drawn_and_changes_no_version() -> None:
    declared = (Bars("kinds", "kind", "events"), m.Scatter("newest", "amount", "amount"))

    assert charts(pipeline(*declared)) == declared
    assert pipeline(*declared).fingerprint == pipeline().fingerprint


def test_columns_in_which_the_layers_add_up_are_counts_and_sums() -> None:
    assert [sums(view, VIEWS) for view in (*VIEWS, *ROLLUPS, QUARANTINE)] == [
        ("events", "total"), ("events",), ("events",), (), (), ("events", "total"), ("n",), ("events",),
    ]  # fmt: skip


def test_a_column_that_shows_what_an_alert_watches_has_its_limits() -> None:
    assert limits(VIEWS[1], VIEWS) == {"mean": (5.0, 10.0)}
    assert limits(VIEWS[0], VIEWS) == {}


def test_the_grades_of_food_are_in_order_in_the_colours_of_packages() -> None:
    grades = products.PIPELINE.charts[0]

    assert isinstance(grades, Bars)
    assert grades.order == (*"abcde", "unknown")
    assert grades.colours == ("#038141", "#85bb2f", "#fecb02", "#ee8100", "#e63e11", "#9aa0a6")


def test_every_pipeline_that_comes_with_it_has_something_to_draw() -> None:
    assert [one.name for one in pipelines.select([]) if not one.charts] == []
