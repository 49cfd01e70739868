"""The batch job, killed with SIGKILL when it has published and not yet written the lake tables of views.

Run by spark-submit in a session of its own, which dies as a whole, JVM and Python. Reads the settings and
TEST_PIPELINE.
"""

from unittest.mock import patch

from app.batch_job import main
from app.lake import Lake
from app.model import LakeTable
from tests.faults.definition import die, give_it_to_the_job

if __name__ == "__main__":
    give_it_to_the_job(lake=(LakeTable("gold", view="clients"),))
    with patch.object(Lake, "replace", die):
        main()
