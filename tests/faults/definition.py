"""The pipeline of a test, known by its name alone, so that a test and the job it starts mean the same one."""

import itertools
import os
import signal
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from app import pipelines
from app.model import LakeTable, Pipeline, View
from app.pipelines.transactions import PIPELINE

VARIABLE = "TEST_PIPELINE"
PARQUET = (
    LakeTable("all", format="parquet"),
    LakeTable("large", where="amount >= 10", columns=("event_id", "amount"), format="parquet"),
)
KEPT = tuple(  # the views, as tables that readers see
    replace(view, indexes=("total",)) for view in PIPELINE.views if isinstance(view, View)
)


def definition(name: str, **changes: Any) -> Pipeline:
    """A pipeline like transactions, with a name, a topic and tables of its own; no history files, rollups or charts."""
    topic = replace(PIPELINE.topic, name=name)
    own: dict[str, Any] = {"name": name, "topic": topic, "history": (), "rollups": (), "charts": ()}
    return replace(PIPELINE, **(own | {"max_quarantined_percent": 100} | changes))


def dying(function: Callable[..., Any], call: int = 1) -> Callable[..., None]:
    """The function, but SIGKILL ends the session of this process when its n-th call has done all."""
    calls = itertools.count(1)

    def does_and_dies(*arguments: Any, **named: Any) -> None:
        function(*arguments, **named)
        if next(calls) == call:
            die()

    return does_and_dies


def die(*_: Any) -> None:
    """SIGKILL for the session of this process, JVM and Python."""
    os.killpg(0, signal.SIGKILL)


def give_it_to_the_job(**changes: Any) -> None:
    """Makes the job of this process run the pipeline named in the environment, whatever it is asked for."""
    pipeline = definition(os.environ[VARIABLE], **changes)

    def select(wanted: Iterable[str]) -> list[Pipeline]:  # noqa: ARG001
        return [pipeline]

    pipelines.select = select
