"""The dashboard as people see it: a real browser at the running demo."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser

from app import pipelines
from embedded.stack import Ports
from tests.browser import PHONE, Theme, Visit, visit
from tests.demo.running import ask, demo, words

PLOTTED = """() => [...document.querySelectorAll('.js-plotly-plot')].map(plot => plot.data.map(trace => (
    {name: trace.name, kind: trace.type, x: Array.from(trace.x || []), y: Array.from(trace.y || [])})))"""
CHANGED = """([label, before]) => [...document.querySelectorAll('[data-testid="stMetric"]')].some(one =>
    one.innerText.includes(label) && one.querySelector('[data-testid="stMetricValue"]').innerText !== before)"""
MOVES = 120  # seconds that a figure may take to change while events arrive, and both processors are busy with all of it


@pytest.fixture(scope="module")
def url(bounded: str, options: list[str], ports: Ports, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the dashboard of a running demo is."""
    assert bounded
    with demo(words("./scripts/demo", "--every=3600", *options), tmp_path_factory.mktemp("browser")):
        yield f"http://127.0.0.1:{ports.dashboard}"


def metric(here: Visit, label: str) -> str:
    """A figure of the page that is shown."""
    found = here.page.locator('[data-testid="stMetric"]').filter(has_text=label).first
    return found.locator('[data-testid="stMetricValue"]').inner_text()


def changed(here: Visit, label: str) -> int:
    """A figure, when it has become another one twice: then it was read after this was called."""
    for _ in range(2):
        before = metric(here, label)
        here.page.wait_for_function(CHANGED, arg=[label, before], timeout=MOVES * 1000)
    return int(metric(here, label).replace(",", ""))


def plotted(here: Visit) -> list[Any]:
    """What the charts of the page that is shown are made of."""
    found: list[Any] = here.page.evaluate(PLOTTED)
    return found


@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", PHONE)])
def test_every_page_is_whole_in_both_themes_and_on_a_phone(url: str, opened: Browser, theme: Theme, width: int) -> None:
    with visit(opened, url, theme, width) as here:
        here.open("")
        pages = here.links()
        assert pages[1:] == [*pipelines.names(), "lambda", "operations"]
        for path in pages:
            here.open(path)
            assert here.page.locator('[data-testid="stException"]').all_inner_texts() == [], path
            assert here.page.locator('[data-testid="stAlertContentError"]').all_inner_texts() == [], path
            assert here.too_wide() == [], path
            if path in pipelines.names():
                assert plotted(here), path
        assert here.wrong == []
        assert here.elsewhere == []


def test_the_numbers_are_the_apis(url: str, opened: Browser, ports: Ports) -> None:
    (row,) = ask(ports, "/pipelines/housing/views/value")["rows"]
    with visit(opened, url) as here:
        here.open("housing")
        assert {name: metric(here, name) for name in row} == {
            name: f"{value}" if name == "count" else f"{float(value):,.2f}" for name, value in row.items()
        }
        values = [float(one["medv"]) for one in ask(ports, "/pipelines/housing/views/housing?limit=10000")["rows"]]
        (histogram,) = (traces[0] for traces in plotted(here) if traces[0]["kind"] == "histogram")
        assert sorted(histogram["x"]) == sorted(values)


def test_they_move_while_events_arrive(url: str, opened: Browser, ports: Ports) -> None:
    def total() -> int:
        return int(ask(ports, "/pipelines/transactions/views/totals")["rows"][0]["count"])

    with visit(opened, url) as here:
        here.open("transactions")
        for _ in range(2):
            before = total()
            assert before <= changed(here, "count") <= total()
        batch, speed = plotted(here)[0][:2]
        assert (batch["name"], speed["name"]) == ("batch", "speed")
        shown = sum(batch["x"]) + sum(speed["x"])
        now = ask(ports, "/pipelines/transactions/views/clients?sort=-total&limit=20")["rows"]
        assert 0 < shown <= sum(float(one["total"]) for one in now) + 0.01
