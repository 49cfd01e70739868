"""What all parts of a definition share: they are strict, have plain names, and name the field that is wrong."""

from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
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


def meaning(part: Any, left_out: Mapping[str, Iterable[str]]) -> Any:
    """A part of a definition as plain data: of what kind it is, and each field that is not at its default.

    So a field that is added later changes nothing as long as it is left at its default, and two kinds with the same
    fields differ. `left_out`: by kind, the fields that say nothing.
    """
    if isinstance(part, tuple):
        return [meaning(one, left_out) for one in part]
    if not is_dataclass(part):
        return part
    kind = type(part).__name__
    telling = [field for field in fields(part) if field.name not in left_out.get(kind, ())]
    given = {field.name: getattr(part, field.name) for field in telling if getattr(part, field.name) != field.default}
    return [kind, {name: meaning(value, left_out) for name, value in given.items()}]


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
