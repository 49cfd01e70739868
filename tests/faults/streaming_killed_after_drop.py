"""The streaming job, killed with SIGKILL when dropped lines are in the master dataset and not yet in the checkpoint.

Run by spark-submit in a session of its own, which dies as a whole, JVM and Python. Reads the settings and
TEST_PIPELINE.
"""

import os
import signal
from typing import Any
from unittest.mock import patch

from app.drops import Drops
from app.streaming_job import main
from tests.faults.definition import give_it_to_the_job

write = Drops.write


def write_and_die(self: Drops, *arguments: Any) -> None:
    write(self, *arguments)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    give_it_to_the_job(drops=True)
    with patch.object(Drops, "write", write_and_die):
        main()
