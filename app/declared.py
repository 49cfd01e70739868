"""What all parts of a definition share: they are strict, have plain names, and name the field that is wrong."""

from collections.abc import Iterable
from dataclasses import fields
from typing import Annotated, Any

from pydantic import ConfigDict, StringConstraints, model_validator
from pydantic.dataclasses import dataclass
from pydantic_core import ArgsKwargs

STRICT = ConfigDict(extra="forbid", strict=True)
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=24)]


@dataclass(frozen=True, config=STRICT)
class Declared:
    """A part of a definition. Its errors name the field, also where it was given by position."""

    @model_validator(mode="before")
    @classmethod
    def _by_name(cls, given: Any) -> Any:
        if not isinstance(given, ArgsKwargs):
            return given
        names = [field.name for field in fields(cls)]
        named = dict(zip(names, given.args, strict=False))
        return ArgsKwargs(given.args[len(names) :], named | (given.kwargs or {}))


def known(names: Iterable[str], allowed: Iterable[str], field: str) -> None:
    """Refuses a name that is not one of the columns in `allowed`.

    Raises:
        ValueError: there is one; the message names it, the field, and what is allowed.
    """
    allowed = list(allowed)
    for name in names:
        if name not in allowed:
            raise ValueError(f"{field}: {name!r} is not a column; allowed: {', '.join(allowed)}")


def unique(names: Iterable[str], field: str) -> None:
    """Refuses a name that stands more than once.

    Raises:
        ValueError: there is one; the message names it and the field.
    """
    names = list(names)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"{field}: {', '.join(twice)} named twice; each name stands once")
