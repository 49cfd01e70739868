"""The streaming job, killed with SIGKILL when its n-th micro-batch is in Postgres and not yet in the checkpoint.

Run by spark-submit in a session of its own, which dies as a whole, JVM and Python. Reads the settings, TEST_PIPELINE,
and KILLED_AT: n.
"""

import itertools
import os
import signal
from typing import Any
from unittest.mock import patch

from app.ledger import Ledger
from app.streaming_job import main
from tests.faults.definition import give_it_to_the_job

commits = itertools.count(1)
commit = Ledger.commit


def commit_and_die(self: Ledger, *arguments: Any) -> None:
    commit(self, *arguments)
    if next(commits) == int(os.environ["KILLED_AT"]):
        os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    give_it_to_the_job()
    with patch.object(Ledger, "commit", commit_and_die):
        main()
