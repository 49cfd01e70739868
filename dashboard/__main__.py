"""Serves the dashboard on DASHBOARD_PORT, until SIGINT or SIGTERM. `python -m dashboard`."""

import sys
from pathlib import Path

from pydantic import ValidationError
from streamlit.web.cli import main as streamlit

from app.settings import settings

# No browser is opened, nobody is told of what is used, and nothing is watched for changes that do not come.
OPTIONS = (
    "--server.headless=true", "--browser.gatherUsageStats=false", "--server.fileWatcherType=none",
    "--client.toolbarMode=minimal",
)  # fmt: skip


def main() -> None:
    try:
        port = settings().dashboard_port
    except ValidationError as error:
        sys.exit(str(error))
    page = Path(__file__).with_name("app.py")
    streamlit(["run", str(page), f"--server.port={port}", *OPTIONS], prog_name="streamlit")


if __name__ == "__main__":
    main()
