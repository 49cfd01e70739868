"""A pipeline of one's own in the demo: it starts where nothing is known any more, changes, and stands still.

It comes after the tests that share the data, as it forgets them.
"""

import os
import shutil
import signal
import subprocess
from pathlib import Path
from urllib.error import HTTPError

import pytest
from playwright.sync_api import Browser

from app.settings import HOME
from backend.status import ERROR_AFTER
from embedded.stack import Ports
from tests.browser import visit
from tests.demo.running import ask, at_work, demo, until, words

FRESH_WITHIN = 20  # seconds: the target of the changed definition
SECONDS = 60  # that the dashboard may take longer to show what is so


def kinds(ports: Ports) -> set[str]:
    return {row["kind"] for row in ask(ports, "/pipelines/orders/views/kinds")["rows"]}


@pytest.mark.usefixtures("bounded")
def test_a_new_pipeline_runs_once_the_data_are_forgotten_and_changes_with_its_definition(
    data: Path, ports: Ports, options: list[str], opened: Browser, tmp_path: Path
) -> None:
    home = tmp_path / "copy"
    shutil.copytree(HOME, home, ignore=shutil.ignore_patterns(".git", "__pycache__", "data"))
    subprocess.run(words("./scripts/new-pipeline orders", home=home), check=True, stdout=subprocess.DEVNULL)
    with demo(words("./scripts/demo orders", "--reset", *options, home=home), tmp_path):
        until(lambda: kinds(ports) == {"tea", "coffee"}, SECONDS)
        with pytest.raises(HTTPError, match="503"):  # nothing is known of it any more
            ask(ports, "/pipelines/transactions")
    file = home / "app/pipelines/orders.py"
    changed = file.read_text().replace("lower(trim(kind))", "upper(trim(kind))")
    file.write_text(changed.replace("    views=(", f'    fresh_within="{FRESH_WITHIN} seconds",\n    views=('))
    with demo(words("./scripts/demo orders", *options, home=home), tmp_path):
        until(lambda: kinds(ports) == {"TEA", "COFFEE"}, 2 * SECONDS)
        its_page_says_when_the_streaming_job_stands_still(opened, f"http://127.0.0.1:{ports.dashboard}", data)
    assert not at_work(data)


def its_page_says_when_the_streaming_job_stands_still(opened: Browser, url: str, data: Path) -> None:
    jobs = [pid for pid, line in at_work(data).items() if any("streaming_job.py" in word for word in line)]
    assert jobs
    with visit(opened, url) as here:
        here.open("orders")
        assert here.page.locator(".js-plotly-plot").count() > 0
        main = here.page.locator("main")
        here.page.get_by_text("● fresh").first.wait_for(timeout=SECONDS * 1000)
        for job in jobs:
            os.kill(job, signal.SIGSTOP)
        try:
            here.page.get_by_text("The speed layer is behind.").wait_for(timeout=(FRESH_WITHIN + SECONDS) * 1000)
            assert "▲ late" in main.inner_text()
            assert "./scripts/submit streaming orders" in main.inner_text()
            here.page.get_by_text("■ stale").first.wait_for(timeout=(ERROR_AFTER * FRESH_WITHIN + SECONDS) * 1000)
        finally:
            for job in jobs:
                os.kill(job, signal.SIGCONT)
        here.page.get_by_text("● fresh").first.wait_for(timeout=2 * SECONDS * 1000)
        assert here.wrong == []
