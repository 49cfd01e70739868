"""The streaming job, killed with SIGKILL when dropped lines are in the master dataset and not yet in the checkpoint.

Run by spark-submit in a session of its own, which dies as a whole, JVM and Python. Reads the settings and
TEST_PIPELINE.
"""

from unittest.mock import patch

from app.drops import Drops
from app.streaming_job import main
from tests.faults.definition import dying, give_it_to_the_job

if __name__ == "__main__":
    give_it_to_the_job(drops=True)
    with patch.object(Drops, "write", dying(Drops.write)):
        main()
