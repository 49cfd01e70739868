"""The batch job, killed with SIGKILL when it has computed and written the lake and not yet published.

Run by spark-submit in a session of its own, which dies as a whole, JVM and Python. Reads the settings and
TEST_PIPELINE.
"""

from unittest.mock import patch

from app.batch_job import main
from app.versions import Versions
from tests.faults.definition import die, give_it_to_the_job

if __name__ == "__main__":
    give_it_to_the_job()
    with patch.object(Versions, "publish", die):
        main()
