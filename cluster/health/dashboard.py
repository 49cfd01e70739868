"""The dashboard serves its pages, and the API answers it, with its token. What Postgres does is asked elsewhere."""

import requests

from app.settings import Settings
from cluster.health import SECONDS, run
from dashboard.api import Api


def check(at: Settings) -> None:
    requests.get(f"http://127.0.0.1:{at.dashboard_port}/_stcore/health", timeout=SECONDS).raise_for_status()
    Api(at).get("/openapi.json", within=SECONDS)


if __name__ == "__main__":
    run(check)
