"""The dashboard in a real browser: Debian's Chromium, or the one that CHROMIUM names."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from playwright.sync_api import Browser, ConsoleMessage, Page, Response, sync_playwright

Theme = Literal["light", "dark"]
SECONDS = 60  # that a page may take to show all it has
PHONE = 390  # pixels
# Whether Streamlit has made all of a page, and its charts are drawn.
SETTLED = """() => document.querySelector('[data-testid="stApp"]').dataset.testScriptState === 'notRunning'
    && !document.querySelector('[data-testid="stSkeleton"], [data-testid="stSpinner"]')
    && [...document.querySelectorAll('[data-testid="stPlotlyChart"]')].every(one => one.querySelector('.main-svg'))"""

MAIN = '[data-testid="stMain"]'  # what scrolls: the page itself never does, whatever it holds
# What of a page is wider than the page, and cannot be reached by scrolling inside it.
TOO_WIDE = """() => {
    const main = document.querySelector('[data-testid="stMain"]');
    const scrolls = one => /auto|scroll/.test(getComputedStyle(one).overflowX);
    const scrolled = one => one !== main && (scrolls(one) || scrolled(one.parentElement));
    const wide = [main, document.querySelector('[data-testid="stMainBlockContainer"]')]
        .filter(one => one.scrollWidth > one.clientWidth)
        .concat([...main.querySelectorAll('*')].filter(one => one instanceof HTMLElement && !scrolled(one.parentElement)
            && one.getBoundingClientRect().width > main.clientWidth));
    return wide.map(one => `${one.dataset.testid || one.tagName + '.' + one.className}: ${one.scrollWidth} px`);
}"""


class NoBrowser(Exception):
    """There is none on this machine; the message says how to get one."""


@contextmanager
def browser() -> Iterator[Browser]:
    """A browser without a window, that asks nobody but who it is sent to.

    Raises:
        NoBrowser: there is none.
    """
    with sync_playwright() as playwright:
        installed = playwright.chromium.executable_path
        program = os.environ.get("CHROMIUM") or shutil.which("chromium")
        if program is None and not Path(installed).exists():
            raise NoBrowser("there is no Chromium: install Debian's package chromium, or set CHROMIUM to its path")
        switches = ["--no-sandbox", "--disable-background-networking", "--disable-component-update"]
        opened = playwright.chromium.launch(executable_path=program or installed, args=switches)
        try:
            yield opened
        finally:
            opened.close()


@dataclass
class Visit:
    """A browser's tab at a dashboard; what went wrong in it, and whom else it asked."""

    page: Page
    url: str
    wrong: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)

    def open(self, path: str) -> None:
        """Opens a page, until it shows all it has."""
        self.page.goto(f"{self.url}/{path}")
        self.page.locator("h1").first.wait_for(timeout=SECONDS * 1000)
        self.settled()

    def settled(self) -> None:
        """Waits until nothing is being made."""
        self.page.wait_for_function(SETTLED, timeout=SECONDS * 1000)

    def said(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not message.text.startswith("Failed to load resource"):  # see `answered`
            self.wrong.append(message.text)

    def answered(self, response: Response) -> None:
        # Where a page is opened by its own path, Streamlit looks for its server beneath that path first.
        looked_for = urlsplit(response.url).path.removeprefix(urlsplit(self.page.url).path)
        if response.status >= HTTPStatus.BAD_REQUEST and not looked_for.startswith("/_stcore/"):
            self.wrong.append(f"{response.status} {response.url}")

    def too_wide(self) -> list[str]:
        """What of the page does not fit into its width."""
        found: list[str] = self.page.evaluate(TOO_WIDE)
        return found

    def grown(self, height: int) -> None:
        """Makes the window as high as what the page holds, at least `height`."""
        width = (self.page.viewport_size or {"width": 0})["width"]
        for _ in range(2):  # what it holds may take another height in the new window
            high: int = self.page.evaluate("main => document.querySelector(main).scrollHeight", MAIN)
            self.page.set_viewport_size({"width": width, "height": max(high, height)})
            self.settled()

    def links(self) -> list[str]:
        """The paths of all pages in the menu."""
        found = self.page.locator('[data-testid="stSidebarNavLink"]').evaluate_all("all => all.map(one => one.href)")
        return [urlsplit(href).path.strip("/") for href in found]


@contextmanager
def visit(opened: Browser, url: str, theme: Theme = "light", width: int = 1280, height: int = 900) -> Iterator[Visit]:
    """A tab of its own."""
    context = opened.new_context(
        viewport={"width": width, "height": height}, color_scheme=theme, reduced_motion="reduce"
    )
    try:
        made = Visit(context.new_page(), url.rstrip("/"))
        made.page.on("pageerror", lambda error: made.wrong.append(str(error)))
        made.page.on("console", made.said)
        made.page.on("response", made.answered)
        here = urlsplit(url).netloc
        made.page.on("request", lambda asked: None if urlsplit(asked.url).netloc in (here, "") else
                     made.elsewhere.append(asked.url))  # fmt: skip
        yield made
    finally:
        context.close()
