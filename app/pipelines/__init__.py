"""The pipelines: one module each, holding one `PIPELINE`. A file added here is found, a file deleted is gone."""

import importlib
import pkgutil
from collections.abc import Iterable

from app.model import Pipeline


def names() -> list[str]:
    """Names of all pipelines, in alphabetical order."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def load(name: str) -> Pipeline:
    """The pipeline of the module `app.pipelines.<name>`.

    Raises:
        KeyError: there is no such pipeline; the message lists those there are.
        ValueError: the module has no PIPELINE of its own name.
    """
    if name not in names():
        raise KeyError(f"no pipeline is called {name!r}; there are: {', '.join(names())}")
    pipeline = getattr(importlib.import_module(f"{__name__}.{name}"), "PIPELINE", None)
    if not isinstance(pipeline, Pipeline) or pipeline.name != name:
        raise ValueError(f"app/pipelines/{name}.py: expected PIPELINE = Pipeline(name={name!r}, …)")
    return pipeline


def select(wanted: Iterable[str]) -> list[Pipeline]:
    """The named pipelines, or all where none is named."""
    return [load(name) for name in list(wanted) or names()]
