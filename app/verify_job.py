"""The verification: recounts the merged views and lake tables of each named pipeline and compares every value.

spark-submit app/verify_job.py [PIPELINE …]
"""

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])  # not this folder, where spark-submit points it

from app.findings import Findings
from app.job import connected, job, side_by_side
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

    def look(pipeline: Pipeline) -> Verdict:
        with connected(at, Role.BATCH) as connect:
            return verify(Lake(spark, at.lake_path, pipeline), Ledger(connect(), pipeline), at)

    verdicts = []
    for verdict in side_by_side(at.side_by_side, look, pipelines):
        show(verdict)
        verdicts.append(verdict)
    spark.stop()
    sys.exit(0 if all(verdict.exact for verdict in verdicts) else 1)


def show(verdict: Verdict) -> None:
    name, counts = verdict.pipeline.name, verdict.counts
    show_findings(f"{name}.", "merged", verdict.views)
    if verdict.forgotten:
        print(
            "verify: all of these rows hold duplicates that came after the dedup horizon or repeat an event of a file, "
            f"{verdict.forgotten:,} in all; the next batch corrects them",
            file=sys.stderr,
        )
    show_findings(f"{name}/", "lake", verdict.lake)
    print(
        f"{name}: {counts.accepted:,} accepted + {counts.duplicates:,} duplicates + {counts.quarantined:,} quarantined "
        f"= {counts.accepted + counts.duplicates + counts.quarantined:,} events produced, "
        f"version {verdict.version}, offsets {verdict.offsets}"
    )
    sys.stdout.flush()


def show_findings(prefix: str, side: str, findings: Findings) -> None:
    for name, rows in findings.rows.items():
        if differing := findings.differing.get(name):
            print(f"verify: NOT exact: {prefix}{name}: {differing:,} rows differ", file=sys.stderr)
        else:
            print(f"verify: exact {prefix}{name}: {rows:,} rows")
    for found in findings.differences:
        print(f"  {prefix}{found.name}: {side} {found.held}, recount {found.recount}", file=sys.stderr)


if __name__ == "__main__":
    main()
