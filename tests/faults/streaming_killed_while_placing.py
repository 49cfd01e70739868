"""The streaming job, killed with SIGKILL when one file of a micro-batch is where readers see it, and the next not yet.

Run by spark-submit in a session of its own, which dies as a whole, JVM and Python. Reads the settings and
TEST_PIPELINE.
"""

import os
import signal
from typing import Any
from unittest.mock import patch

from app.parquet import ParquetTable
from app.streaming_job import main
from tests.faults.definition import PARQUET, give_it_to_the_job

place = ParquetTable.place


def place_and_die(self: ParquetTable, *arguments: Any) -> None:
    place(self, *arguments)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    give_it_to_the_job(lake=PARQUET)
    with patch.object(ParquetTable, "place", place_and_die):
        main()
