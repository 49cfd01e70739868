"""Takes a picture of each page of a dashboard that runs, for `scripts/screenshots`."""

import sys
from pathlib import Path

from playwright.sync_api import Browser

from app.options import parser
from app.settings import HOME
from tests.browser import PHONE, NoBrowser, browser, visit

WIDTH = 1280
LEAST = 980  # pixels: the height of a page that holds less


def main() -> None:
    options = parser("screenshots").parse_args()
    folder = HOME / options.to
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with browser() as opened:
            take(opened, options.url, folder)
    except NoBrowser as error:
        sys.exit(f"Error: {error}")


def take(opened: Browser, url: str, folder: Path) -> None:
    with visit(opened, url) as light, visit(opened, url, "dark", PHONE, 844) as phone:
        light.open("")
        pages = light.links()
        # The first page last: by then it knows how fast everything goes.
        for path in sorted(pages, key=lambda path: path == ""):
            light.page.set_viewport_size({"width": WIDTH, "height": LEAST})
            light.open(path)
            light.grown(LEAST)
            light.page.screenshot(path=folder / f"{path or 'overview'}.png")
            print(f"wrote {folder}/{path or 'overview'}.png")
        phone.open("")
        phone.page.screenshot(path=folder / "phone.png")
        print(f"wrote {folder}/phone.png")


if __name__ == "__main__":
    main()
