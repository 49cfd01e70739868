"""The producers of a pipeline: its own, or the one for any pipeline; and one more where files are dropped for it."""

import importlib
import importlib.util
import sys
from collections.abc import Mapping
from pathlib import Path

from app.model import Pipeline

DISORDER = {"duplicates": 1, "late": 1}  # percent of the events
DROPPING = {"twice": 10, "half-written": 10}  # percent of the files that are dropped


def commands(pipeline: Pipeline, drops: Path, options: Mapping[str, object]) -> dict[str, list[str]]:
    """The command of each producer by its name. It is given those of the options, by name, that it has.

    `drops`: the folder with a folder of dropped files a pipeline.
    """
    own = f"producers.{pipeline.name}"
    module = [own] if importlib.util.find_spec(own) else ["producers.generic", pipeline.name]
    options_of_it = (parameter.opts for parameter in importlib.import_module(module[0]).main.params)
    known = {word.removeprefix("--") for words in options_of_it for word in words}
    ways = {"producer": dict(options)}
    if pipeline.drops and "files" in known:
        ways["dropping-producer"] = {**options, "files": drops / pipeline.name} | DROPPING
    return {
        way: [
            *(sys.executable, "-P", "-m", *module),
            *(word for name, value in chosen.items() if name in known for word in (f"--{name}", str(value))),
        ]
        for way, chosen in ways.items()
    }
