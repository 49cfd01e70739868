"""The streaming job, killed with SIGKILL when one file of a micro-batch is where readers see it, and the next not yet.

Run by spark-submit in a session of its own, which dies as a whole, JVM and Python. Reads the settings and
TEST_PIPELINE.
"""

from unittest.mock import patch

from app.parquet import ParquetTable
from app.streaming_job import main
from tests.faults.definition import PARQUET, dying, give_it_to_the_job

if __name__ == "__main__":
    give_it_to_the_job(lake=PARQUET)
    with patch.object(ParquetTable, "place", dying(ParquetTable.place)):
        main()
