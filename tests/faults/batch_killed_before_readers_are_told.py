"""The batch job, killed with SIGKILL when Postgres names its folders of Parquet files and the metastore does not yet.

Run by spark-submit in a session of its own, which dies as a whole, JVM and Python. Reads the settings and
TEST_PIPELINE.
"""

from unittest.mock import patch

from app.batch_job import main
from app.parquet import Parquet
from tests.faults.definition import PARQUET, die, give_it_to_the_job

if __name__ == "__main__":
    give_it_to_the_job(lake=PARQUET)
    with patch.object(Parquet, "tell", die):
        main()
