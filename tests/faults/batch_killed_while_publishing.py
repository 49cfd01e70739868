"""The batch job, killed with SIGKILL when the transaction that publishes has changed all that readers see, uncommitted.

Run by spark-submit in a session of its own, which dies as a whole, JVM and Python. Reads the settings and
TEST_PIPELINE.
"""

from unittest.mock import patch

from app import kept
from app.batch_job import main
from tests.faults.definition import KEPT, dying, give_it_to_the_job

if __name__ == "__main__":
    give_it_to_the_job(drops=True, views=KEPT)
    with patch.object(kept, "refresh", dying(kept.refresh)):
        main()
