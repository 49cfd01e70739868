"""The pipelines: one module each, holding one `PIPELINE`. A file added here is found, a file deleted is gone."""

import importlib
import pkgutil
from collections.abc import Iterable
from functools import cache

from app.model import Pipeline
from app.readers import served_as


class WrongDefinition(ValueError):
    """A file of this folder holds no pipeline that can be run; the message names it."""


def names() -> list[str]:
    """Names of all pipelines, in alphabetical order: those of the files that there were when this was first asked.

    So what runs goes on with what it has begun with, while somebody writes a file.
    """
    return list(_found())


@cache
def _found() -> tuple[str, ...]:
    return tuple(sorted(module.name for module in pkgutil.iter_modules(__path__)))


def load(name: str) -> Pipeline:
    """The pipeline of the module `app.pipelines.<name>`.

    Raises:
        KeyError: there is no such pipeline; the message lists those there are.
        WrongDefinition: the module has no PIPELINE of its own name, or cannot be imported.
    """
    if name not in names():
        raise KeyError(f"no pipeline is called {name!r}; there are: {', '.join(names())}")
    try:
        pipeline = getattr(importlib.import_module(f"{__name__}.{name}"), "PIPELINE", None)
    except Exception as error:
        raise WrongDefinition(f"{_file(name)}: {error}") from error
    if not isinstance(pipeline, Pipeline) or pipeline.name != name:
        raise WrongDefinition(f"{_file(name)}: expected PIPELINE = Pipeline(name={name!r}, …)")
    return pipeline


def select(wanted: Iterable[str]) -> list[Pipeline]:
    """The named pipelines, or all where none is named.

    Raises:
        KeyError, WrongDefinition: as `load`; or, of all, two of them ask for one name.
    """
    if wanted := list(wanted):
        return [load(name) for name in wanted]
    found = [load(name) for name in names()]
    _refuse_shared(found)
    return found


def _refuse_shared(pipelines: Iterable[Pipeline]) -> None:
    """Refuses a view `c` of pipeline `a_b` where pipeline `a` has a view `b_c`, and an endpoint that another has.

    And a topic that another declares in another way, or that Kafka takes for another: to it, '.' and '_' are the same.
    """
    owners: dict[str, str] = {}
    topics: dict[str, Pipeline] = {}
    for pipeline in pipelines:
        first = topics.setdefault(pipeline.topic.name.replace(".", "_"), pipeline)
        if first.topic != pipeline.topic:
            raise WrongDefinition(
                f"{_file(pipeline.name)}: topic: {pipeline.topic} is not {first.topic} of {_file(first.name)}, and "
                "Kafka cannot have both; declare the same, or choose a name that differs in more than '.' and '_'"
            )
        asked = {served_as(pipeline, view.name): f"view {view.name}" for view in pipeline.served}
        asked |= {f"/{table.endpoint}": f"lake[{table.name}].endpoint" for table in pipeline.lake if table.endpoint}
        for name, field in asked.items():
            if name in owners:
                raise WrongDefinition(
                    f"{_file(pipeline.name)}: {field}: {name} is taken by {owners[name]}; choose another name"
                )
        owners |= dict.fromkeys(asked, _file(pipeline.name))


def _file(name: str) -> str:
    return f"app/pipelines/{name}.py"
