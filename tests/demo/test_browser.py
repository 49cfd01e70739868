"""The dashboard as people see it: a real browser at the running demo."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import psutil
import pytest
from playwright.sync_api import Browser

from app import pipelines
from backend.status import ERROR_AFTER
from embedded.stack import Ports
from tests.browser import PHONE, Theme, Visit, browser, visit
from tests.demo.running import demo, words

PLOTTED = """() => [...document.querySelectorAll('.js-plotly-plot')].map(plot => plot.data.map(trace => (
    {name: trace.name, kind: trace.type, x: Array.from(trace.x || []), y: Array.from(trace.y || [])})))"""
CHANGED = """([label, before]) => [...document.querySelectorAll('[data-testid="stMetric"]')].some(one =>
    one.innerText.includes(label) && one.querySelector('[data-testid="stMetricValue"]').innerText !== before)"""
MOVES = 60  # seconds that a figure may take to change while events arrive
LATE_AFTER = 60  # seconds: the target of a pipeline that names none
STALE_AFTER = ERROR_AFTER * LATE_AFTER


@pytest.fixture(scope="module")
def url(bounded: str, options: list[str], ports: Ports, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the dashboard of a running demo is."""
    assert bounded
    with demo(words("./scripts/demo", *options), tmp_path_factory.mktemp("browser")):
        yield f"http://127.0.0.1:{ports.dashboard}"


@pytest.fixture(scope="module")
def opened() -> Iterator[Browser]:
    with browser() as made:
        yield made


def ask(ports: Ports, path: str) -> Any:
    with urlopen(f"http://127.0.0.1:{ports.api}{path}", timeout=10) as answer:
        return json.load(answer)


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


@pytest.mark.parametrize("width", [1280, PHONE])
@pytest.mark.parametrize("theme", ["light", "dark"])
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
        for _ in range(3):
            before = total()
            assert before <= changed(here, "count") <= total()
        batch, speed = plotted(here)[0][:2]
        assert (batch["name"], speed["name"]) == ("batch", "speed")
        shown = sum(batch["x"]) + sum(speed["x"])
        now = ask(ports, "/pipelines/transactions/views/clients?sort=-total&limit=20")["rows"]
        assert 0 < shown <= sum(float(one["total"]) for one in now) + 0.01


def test_the_badge_says_so_when_the_streaming_job_stands_still(url: str, opened: Browser, data: Path) -> None:
    jobs = [
        process
        for process in psutil.process_iter(["cmdline", "environ"])
        if any("streaming_job.py" in word for word in process.info["cmdline"] or [])
        and str(data) in (process.info["environ"] or {}).get("SECRETS_PATH", "")
    ]
    assert jobs
    with visit(opened, url) as here:
        here.open("transactions")
        assert "fresh" in here.page.locator("main").inner_text()
        for job in jobs:
            os.kill(job.pid, signal.SIGSTOP)
        try:
            late = here.page.get_by_text("The speed layer is behind.")
            late.wait_for(timeout=(LATE_AFTER + 30) * 1000)
            assert "▲ late" in here.page.locator("main").inner_text()
            assert "./scripts/submit streaming transactions" in here.page.locator("main").inner_text()
            here.page.get_by_text("■ stale").first.wait_for(timeout=(STALE_AFTER + 30) * 1000)
        finally:
            for job in jobs:
                os.kill(job.pid, signal.SIGCONT)
        here.page.get_by_text("● fresh").first.wait_for(timeout=120_000)
