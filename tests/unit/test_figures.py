"""The figures of charts: what each layer gives, where the cut is, and that no sign is a colour alone."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from html import unescape
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard import figures
from dashboard.figures import Part, parts

START = datetime(2026, 6, 1, tzinfo=UTC)


def window(minute: int, count: int, length: int = 1) -> dict[str, Any]:
    start = START + timedelta(minutes=minute)
    end = start + timedelta(minutes=length)
    return {"window_start": start.isoformat(), "window_end": end.isoformat(), "count": count}


def traces(figure: Any) -> dict[str, Any]:
    return {trace.name: trace for trace in figure.data}


@given(
    st.dictionaries(st.text("abc", max_size=2), st.tuples(st.integers(0, 100), st.integers(0, 100)), max_size=6),
    st.booleans(),
)
def test_what_the_layers_give_adds_up_to_the_bar(given: dict[str, tuple[int, int]], complete: bool) -> None:
    merged = [{"key": key, "n": batch + speed} for key, (batch, speed) in given.items()]
    of_batch = [{"key": key, "n": batch} for key, (batch, _) in given.items() if batch]

    for part in parts(merged, of_batch, "key", "n", complete=complete):
        batch, speed = given[part.x]
        if part.batch is None:
            assert not complete
            assert batch == 0  # a key of which nothing was read: it may have a part that was not
        else:
            assert (part.batch, part.speed, part.total) == (batch, speed, batch + speed)


def test_rows_of_the_same_bar_add_up() -> None:
    rows = [{"key": "a", "of": 1, "n": 2}, {"key": "b", "of": 1, "n": 5}, {"key": "a", "of": 2, "n": "1.5"}]

    assert parts(rows, rows[:1], "key", "n") == [Part("a", Decimal("3.5"), 2), Part("b", 5, 0)]


def test_a_part_that_is_taken_away_is_said_as_such() -> None:
    part = Part("d", 117, 120)

    assert part.told == "batch 120 − speed 3 = 117"
    drawn = traces(figures.ranking([part], "products", 2))
    assert (drawn["batch"].x, drawn["speed"].x) == ((117.0,), (0,))


@pytest.mark.parametrize("key", ['<a href="https://other.example">y</a>', "<b>x", "x<br>y", "<", "&lt;"])
def test_a_key_is_shown_as_it_is_and_no_markup(key: str) -> None:
    """Plotly takes tags for markup, and shows a character for its entity."""
    found = figures.ordered(parts([{"key": key, "n": 2}], [{"key": key, "n": 1}], "key", "n"), [key])
    drawn = (figures.bars(found, "n", 7), figures.bars(found, "n", 7, share=True), figures.ranking(found, "n", 7))

    assert len(found) == 1
    for trace in (trace for one in drawn for trace in one.data):
        (at,) = trace.y if isinstance(trace.y[0], str) else trace.x
        assert ("<" in at, unescape(at)) == (False, key)
        if trace.customdata is not None:
            assert trace.customdata[0] == f"{at}<br>batch 1 + speed 1 = 2"
        if trace.text is not None:
            assert trace.text[0] == f"<b>{at}</b> 100.0%"
    (points,) = figures.scatter([{"x": 1, "y": 2, "name": key}], "x", "y", None, "name").data
    assert ("<" in points.text[0], unescape(points.text[0])) == (False, key)


def test_the_speed_layers_part_is_hatched_and_the_cut_is_labelled() -> None:
    found = [Part("a", 3, 2), Part("b", 1, 0), Part("c", 4, 4), Part("d", 1, 2), Part("e", 1, None)]
    drawn = traces(figures.bars(found, "n", 7))

    assert drawn["speed"].marker.pattern.shape == "/"
    assert drawn["batch"].marker.pattern.shape is None
    cut = drawn["cut of version 7"]
    assert (cut.x, cut.y) == (("a", "c", "d"), (2, 4, 1))  # at the end of a bar that is all of the batch layer
    upright, lying = figures.bars(found, "n", 7).layout.annotations, figures.ranking(found, "n", 7).layout.annotations
    assert [(one.text, one.x, one.y, one.yanchor) for one in upright] == [("cut", "c", 4, "top")]
    assert [(one.text, one.x, one.y, one.xanchor) for one in lying] == [("cut", 4, "c", "right")]


def test_the_label_of_the_cut_covers_no_name_where_the_batchs_part_is_small() -> None:
    found = [Part("a", 300, 4)]

    assert figures.ranking(found, "n", 7).layout.annotations[0].xanchor == "left"
    assert figures.bars(found, "n", 7).layout.annotations[0].yanchor == "bottom"


def test_bars_whose_parts_are_not_known_are_one() -> None:
    found = figures.ordered([Part("a", 3, None), Part("b", 1, None)], ("a", "of no row"))

    assert [trace.name for trace in figures.ranking(found, "n", 7).data] == ["merged"]


def test_a_bar_whose_split_is_not_known_leaves_that_of_the_others() -> None:
    drawn = traces(figures.ranking([Part("a", 3, None), Part("b", 2, 1)], "n", 7))

    assert list(drawn) == ["batch", "speed", "split not known", "cut of version 7"]
    assert [drawn[name].x for name in ("batch", "speed", "split not known")] == [(0, 1), (0, 1), (3, 0)]
    assert drawn["split not known"].customdata[0] == "a<br>3, split not known"
    assert drawn["batch"].customdata[1] == "b<br>batch 1 + speed 1 = 2"


@given(
    st.dictionaries(st.integers(0, 30), st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=20),
    st.integers(1, 12),
)
def test_of_a_view_that_is_cut_no_part_is_wrong(given: dict[int, tuple[int, int]], most: int) -> None:
    """A rollup is cut to its highest rows in each layer: a key can be high in all, and not in the batch layer."""

    def highest(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return sorted((row for row in rows if row["n"]), key=lambda row: (-row["n"], row["key"]))[:most]

    merged = highest([{"key": key, "n": batch + speed} for key, (batch, speed) in given.items()])
    of_batch = highest([{"key": key, "n": batch} for key, (batch, _) in given.items()])

    for part in parts(merged, of_batch, "key", "n", complete=figures.whole(merged, of_batch)):
        assert part.batch in (given[int(part.x)][0], None)


def test_a_view_with_more_rows_than_any_is_cut_to_is_whole() -> None:
    many: list[Any] = [{}] * (figures.CUT_TO + 1)

    assert figures.whole(many, many)
    assert not figures.whole(many[1:], many)
    assert figures.whole(many[1:], many[2:])


def test_rows_are_among_others_by_their_keys() -> None:
    one, two = {"a": 1, "b": 1, "n": 5}, {"a": 1, "b": 2, "n": 5}

    assert figures.among([one | {"n": 7}], [one, two], ("a", "b"))
    assert not figures.among([one, two], [one], ("a", "b"))


def test_values_in_an_order_have_their_letter_share_and_outline() -> None:
    found = figures.ordered([Part("e", 3, 3), Part("x", 1, 1)], ("a", "e"))
    assert [part.x for part in found] == ["a", "e", "x"]

    drawn = figures.bars(found, "n", 1, colours=("#038141", "#e63e11"), share=True)
    solid = traces(drawn)["batch"]
    assert solid.marker.color == ("#038141", "#e63e11", figures.OUTLINE)
    assert solid.marker.line.color == figures.OUTLINE
    (texts,) = (trace.text for trace in drawn.data if trace.type == "scatter" and trace.mode == "text")
    assert texts == ("<b>A</b> 0.0%", "<b>E</b> 75.0%", "<b>X</b> 25.0%")


def test_the_window_that_is_open_is_lighter_and_says_so() -> None:
    found = parts([window(2, 1), window(1, 5)], [], "window_start", "count")

    assert [part.open for part in found] == [True, False]
    drawn = traces(figures.windows(found, "count", 1))
    assert drawn["speed"].marker.opacity == (0.55, 1)
    assert [text.split("<br>")[2:] for text in drawn["speed"].customdata] == [["still open"], []]


def test_a_bar_that_is_open_says_so_where_its_split_is_not_known() -> None:
    drawn = traces(figures.ranking([Part("a", 3, None, open=True), Part("b", 2, 1)], "n", 7))

    assert drawn[figures.UNSPLIT].customdata == ("a<br>3, split not known<br>still open", "b<br>batch 1 + speed 1 = 2")


def test_of_windows_that_overlap_all_that_hold_the_newest_event_are_open() -> None:
    found = parts([window(minute, 1, length=3) for minute in (4, 3, 2, 1)], None, "window_start", "count")

    assert [part.open for part in found] == [True, True, True, False]


def test_an_event_that_comes_days_late_does_not_make_the_others_small() -> None:
    rows: list[Any] = [window(5_000, 1), window(4_999, 1), window(4_998, 1), window(0, 1)]

    assert figures.recent(rows, 2) == rows[:2]
    assert figures.recent(rows, 120) == rows[:3]
    assert figures.recent([], 2) == []


@pytest.mark.parametrize(("of_batch", "after"), [(4, timedelta(seconds=30)), (3, timedelta())])
def test_a_line_stands_in_the_window_that_the_batch_has_counted_a_part_of_or_after_the_last(
    of_batch: int, after: timedelta
) -> None:
    rows = [window(3, 4), window(2, 4), window(1, 4)]
    below = [window(2, of_batch), window(1, 4)]
    drawn = figures.windows(parts(rows, below, "window_start", "count"), "count", 9)

    (line,) = drawn.layout.shapes
    assert datetime.fromisoformat(line.x0) == START + timedelta(minutes=2) + after
    assert drawn.layout.annotations[0].text == "cut of version 9"


@pytest.mark.parametrize("newest", ["0001-01-01T00:00:00+00:00", "9999-12-31T23:59:00+00:00"])
def test_the_first_and_the_last_windows_that_there_can_be_are_drawn(newest: str) -> None:
    rows: list[Any] = [
        {"window_start": at, "window_end": f"{at[:17]}59.999999+00:00", "count": 2}
        for at in (newest, "0001-01-01T00:00:00+00:00")
    ]
    assert len(figures.recent(rows, 1_000)) == (2 if newest < "0002" else 1)
    drawn = figures.windows(parts(rows, rows, "window_start", "count"), "count", 9)

    (line,) = drawn.layout.shapes
    assert newest <= line.x0 <= "9999-12-31T23:59:59.999999+00:00"


def test_no_digit_of_what_the_layers_add_up_to_is_lost() -> None:
    merged, below = ({"key": "a", "n": text} for text in ("12345678901.23", "12345678900.12"))
    (part,) = parts([merged], [below], "key", "n")

    assert part.told == "batch 12,345,678,900.12 + speed 1.11 = 12,345,678,901.23"


def test_a_line_that_the_batch_has_counted_all_of_is_solid_to_its_end() -> None:
    rows = [window(1, 2), window(0, 1)]
    drawn = figures.line(rows, "count", rows[0]["window_start"], 5, None)
    found = traces(drawn)

    assert (found["batch"].y, found["speed"].y) == ((1, 2), ())
    assert [annotation.text for annotation in drawn.layout.annotations] == ["cut of version 5"]


@pytest.mark.parametrize(("above", "most"), [(None, 5), (10.0, 11)])
def test_lines_beside_each_other_share_their_range(above: float | None, most: float) -> None:
    limits = None if above is None else {"above": above, "below": 1.0}
    found = figures.span_of([{"y": "5"}, {"y": None}, {"y": 1}], "y", limits)

    assert found is not None
    assert found == pytest.approx((1 - (most - 1) * 0.06, most + (most - 1) * 0.06))
    assert figures.span_of([{"y": None}], "y", limits) is None


def test_a_line_is_solid_up_to_the_cut_and_dotted_from_there() -> None:
    rows = [window(3, 4), window(2, 3), window(1, 2), window(0, 1)]
    drawn = figures.line(rows, "count", rows[2]["window_start"], 5, {"below": 2.0, "above": 3.0})
    found = traces(drawn)

    assert (found["batch"].y, found["speed"].y) == ((1, 2), (2, 3, 4))
    assert (found["batch"].line.dash, found["speed"].line.dash) == (None, "dot")
    texts = [annotation.text for annotation in drawn.layout.annotations]
    assert texts == ["alert above 3", "ends below 2", "cut of version 5"]


def test_a_line_without_a_version_is_all_of_the_speed_layer() -> None:
    found = traces(figures.line([window(1, 2), window(0, 1)], "count", None, 0, None))

    assert (found["batch"].y, found["speed"].y) == ((), (1, 2))


def test_marked_points_have_a_form_of_their_own_and_nulls_have_none() -> None:
    rows: list[dict[str, Any]] = [
        {"speed": "1.5", "miss": "2", "hazardous": True, "name": "A"},
        {"speed": "2.5", "miss": "3", "hazardous": False, "name": "B"},
        {"speed": "2.5", "miss": None, "hazardous": True, "name": "C"},
    ]
    found = traces(figures.scatter(rows, "speed", "miss", "hazardous", "name"))

    assert (found["hazardous"].text, found["not hazardous"].text) == (("A",), ("B",))
    assert found["hazardous"].marker.symbol != found["not hazardous"].marker.symbol
    assert found["hazardous"].x == pytest.approx([1.5])


def test_a_histogram_leaves_nulls_out() -> None:
    (drawn,) = figures.histogram([{"of": "1.5"}, {"of": None}, {"of": "2"}], "of").data

    assert drawn.x == (1.5, 2.0)


def test_pipelines_are_told_apart_by_more_than_their_colour() -> None:
    at = [(START, 0.5)]
    drawn = figures.freshness({"one": at, "two": at})

    assert len({trace.line.dash for trace in drawn.data}) == 2
    assert {shape.y0 for shape in drawn.layout.shapes} == {1, 3}


def contrast(one: str, other: str) -> float:
    """That of two colours by WCAG 2.2, from 1 to 21."""

    def luminance(colour: str) -> float:
        red, green, blue = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
        linear = [of / 12.92 if of <= 0.04045 else ((of + 0.055) / 1.055) ** 2.4 for of in (red, green, blue)]
        return sum(weight * of for weight, of in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("page", ["#ffffff", "#0e1117"])
def test_an_outline_stands_out_from_a_light_and_from_a_dark_page(page: str) -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast(figures.OUTLINE, page) >= 3  # of graphics


def test_the_label_of_the_cut_can_be_read() -> None:
    (label,) = figures.bars([Part("a", 3, 2)], "n", 7).layout.annotations

    assert contrast(label.font.color, label.bgcolor) >= 4.5  # of small texts
