"""Draws definitions and messages until the time is over, on a Postgres and a Spark of its own: ./scripts/fuzz."""

import itertools
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.databases import apply_migrations, make_roles
from app.options import parser
from app.session import session
from app.settings import Settings
from embedded.postgres import Postgres
from embedded.process import free_port
from tests.conftest import LOCAL_SPARK
from tests.fuzz import definitions, messages
from tests.fuzz.run import Layers
from tests.fuzz.shrink import report

MESSAGES = 3_000
SHRINKING = 120  # seconds at most for one finding


def main() -> None:
    given = parser("fuzz").parse_args()
    until, found, tried = time.monotonic() + 60 * given.minutes, 0, 0
    with _layers() as layers:
        for seed in itertools.count(given.seed):
            if time.monotonic() > until:
                break
            tried += 1
            definition = definitions.drawn(seed)
            sent = messages.drawn(definition, seed, MESSAGES)
            differences = layers.differences(definition, sent)
            if differences:
                found += 1
                print(f"seed {seed}:\n{report(layers, definition, sent, differences, SHRINKING)}", flush=True)
            else:
                print(f"seed {seed}: {len(sent):,} messages, no difference", flush=True)
    print(f"{tried} definitions, {tried * MESSAGES:,} messages: {found or 'none'} of them with differences")
    sys.exit(min(found, 1))


@contextmanager
def _layers() -> Iterator[Layers]:
    os.environ["PYSPARK_SUBMIT_ARGS"] = f"{LOCAL_SPARK} pyspark-shell"
    with tempfile.TemporaryDirectory(prefix="tidemark-fuzz-") as name:
        folder, port = Path(name), free_port()
        at = Settings(
            pg_url=f"postgresql://127.0.0.1:{port}/tidemark",
            secrets_path=folder / "secrets",
            lake_path=f"file://{folder}/lake",
        )
        with Postgres(folder / "postgres", port, password_file=at.secrets_path / "postgres"):
            make_roles(at)
            apply_migrations(at)
            spark = session(at, "tidemark fuzz", streaming=True, more={"spark.sql.catalogImplementation": "in-memory"})
            spark.sparkContext.setLogLevel("ERROR")
            try:
                yield Layers(spark, at)
            finally:
                spark.stop()


if __name__ == "__main__":
    main()
