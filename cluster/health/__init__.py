"""Whether a service does its work: the health checks of the containers that a request over HTTP cannot ask.

Each is a module, so that none imports what another needs: python -m cluster.health.kafka

What the container before this one did says nothing of this one: a check asks for work done since `started`.
"""

import os
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from app.settings import Settings, settings

SECONDS = 10  # that an answer may take


class Unhealthy(Exception):
    """The service answers, but does not do its work."""


def started() -> datetime:
    """When the container started, which its first process tells."""
    after_name = Path("/proc/1/stat").read_text().rpartition(")")[2].split()
    ticks = int(after_name[19])  # from the start of the machine to that of the process: field 22 of proc(5)
    age = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    return datetime.now(UTC) - timedelta(seconds=age)


def run(check: Callable[[Settings], None]) -> None:
    """Ends with exit code 1 and the reason unless the check returns."""
    try:
        check(settings())
    except Exception as error:  # whatever it is, the service is not healthy, and this says why
        sys.exit(f"{type(error).__name__}: {error}")
