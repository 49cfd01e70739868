"""The streaming job, killed with SIGKILL when its n-th micro-batch is in Postgres and not yet in the checkpoint.

Run by spark-submit in a session of its own, which dies as a whole, JVM and Python. Reads the settings, TEST_PIPELINE,
and KILLED_AT: n.
"""

import os
from unittest.mock import patch

from app.ledger import Ledger
from app.streaming_job import main
from tests.faults.definition import KEPT, dying, give_it_to_the_job

if __name__ == "__main__":
    give_it_to_the_job(views=KEPT)
    with patch.object(Ledger, "commit", dying(Ledger.commit, int(os.environ["KILLED_AT"]))):
        main()
