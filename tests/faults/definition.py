"""The pipeline of a test, known by its name alone, so that a test and the job it starts mean the same one."""

import os
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from app import pipelines
from app.model import LakeTable, Pipeline
from app.pipelines.transactions import PIPELINE

VARIABLE = "TEST_PIPELINE"
PARQUET = (
    LakeTable("all", format="parquet"),
    LakeTable("large", where="amount >= 10", columns=("event_id", "amount"), format="parquet"),
)


def definition(name: str, **changes: Any) -> Pipeline:
    """A pipeline like transactions, with a name, a topic and tables of its own, and no history files."""
    topic = replace(PIPELINE.topic, name=name)
    own: dict[str, Any] = {"name": name, "topic": topic, "history": (), "max_quarantined_percent": 100}
    return replace(PIPELINE, **(own | changes))


def give_it_to_the_job(**changes: Any) -> None:
    """Makes the job of this process run the pipeline named in the environment, whatever it is asked for."""
    pipeline = definition(os.environ[VARIABLE], **changes)

    def select(wanted: Iterable[str]) -> list[Pipeline]:  # noqa: ARG001
        return [pipeline]

    pipelines.select = select
