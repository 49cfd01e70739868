"""The verification without any fault: of the pipeline of a test, as `./scripts/verify` runs it.

Run by spark-submit. Reads the settings and TEST_PIPELINE.
"""

from app.verify_job import main
from tests.faults.definition import give_it_to_the_job

if __name__ == "__main__":
    give_it_to_the_job()
    main()
