"""Whether a service does its work: the health checks of the containers that a request over HTTP cannot ask.

Each is a module, so that none imports what another needs: python -m cluster.health.kafka
"""

import sys
from collections.abc import Callable

from app.settings import Settings, settings

SECONDS = 10  # that an answer may take


class Unhealthy(Exception):
    """The service answers, but does not do its work."""


def run(check: Callable[[Settings], None]) -> None:
    """Ends with exit code 1 and the reason unless the check returns."""
    try:
        check(settings())
    except Exception as error:  # whatever it is, the service is not healthy, and this says why
        sys.exit(f"{type(error).__name__}: {error}")
