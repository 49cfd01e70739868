"""The verification: recounts the merged views of each named pipeline and compares every value.

spark-submit app/verify_job.py [PIPELINE …]
"""

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])  # not this folder, where spark-submit points it

from app.job import connected, job
from app.lake import Lake
from app.ledger import Ledger
from app.model import Pipeline
from app.postgres import Role
from app.session import session
from app.settings import settings
from app.verify import Verdict, verify


@job("verify")
def main(pipelines: list[Pipeline]) -> None:
    at = settings()
    spark = session(at, "tidemark verify")
    with connected(at, Role.BATCH) as connect:
        verdicts = [verify(Lake(spark, at.lake_path, p), Ledger(connect(), p), at) for p in pipelines]
    for verdict in verdicts:
        show(verdict)
    spark.stop()
    sys.exit(0 if all(verdict.exact for verdict in verdicts) else 1)


def show(verdict: Verdict) -> None:
    name, counts = verdict.pipeline.name, verdict.counts
    for view, rows in verdict.rows.items():
        if differing := verdict.differing.get(view):
            print(f"verify: NOT exact: {name}.{view}: {differing:,} rows differ", file=sys.stderr)
        else:
            print(f"verify: exact {name}.{view}: {rows:,} rows")
    if verdict.forgotten:
        print(
            "verify: all of these rows hold duplicates that came after the dedup horizon or repeat an event of a file, "
            f"{verdict.forgotten:,} in all; the next batch corrects them",
            file=sys.stderr,
        )
    for difference in verdict.differences:
        print(f"  {difference.view}: merged {difference.merged}, recount {difference.recount}", file=sys.stderr)
    print(
        f"{name}: {counts.accepted:,} accepted + {counts.duplicates:,} duplicates + {counts.quarantined:,} quarantined "
        f"= {counts.accepted + counts.duplicates + counts.quarantined:,} events produced, "
        f"version {verdict.version}, offsets {verdict.offsets}"
    )


if __name__ == "__main__":
    main()
