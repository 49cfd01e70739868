"""How functions, casts and operators are written, given their arguments: as what is null where Spark would fail."""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from app.functions import FUNCTIONS, INSTEAD, OPERATORS, TWINS

# Of the types that a column or a cast can have, the kind (see app.functions).
KINDS = {
    "string": "s", "tinyint": "n", "smallint": "n", "int": "n", "bigint": "n", "float": "n", "double": "n",
    "decimal": "n", "boolean": "b", "date": "d", "timestamp": "t", "binary": "x",
}  # fmt: skip
# Of these kinds, those that Spark casts to them.
CASTS = {"s": "sntdibxSNTB_", "n": "sntib_", "b": "snb_", "d": "std_", "t": "sntd_", "x": "sx_"}
WORDS = {
    "s": "string", "n": "number", "t": "time", "d": "date", "i": "interval", "b": "boolean", "x": "binary", "_": "null",
    "S": "array of strings", "N": "array of numbers", "T": "array of times", "B": "array of booleans",
    "a": "array", ".": "anything", "k": "number", "w": "number", "c": "number", "q": "literal string",
    "lz": "literal number from 0 on", "lm": "literal number other than 0", "lzm": "literal number",
}  # fmt: skip
CAST_FIRST = "Spark would cast, and fail on a value that is none; write the cast, which is null there: cast(x as …)"


class Part(NamedTuple):
    """A piece of an expression as it is written, and the kind of its value (see app.functions)."""

    text: str
    kind: str

    @property
    def base(self) -> str:
        """The kind, were it no literal, and a date a time."""
        return {"q": "s", "l": "n", "z": "n", "m": "n", "d": "t"}.get(self.kind, self.kind)


def unified(parts: Iterable[Part]) -> str:
    """The one kind that parts have.

    Raises:
        ValueError: they have several, of which Spark would cast one to the other.
    """
    parts = list(parts)
    found = sorted({part.base for part in parts} - {"_"})
    if len(found) > 1:
        raise ValueError(f"{' and '.join(WORDS[kind] for kind in found)} do not go together; {CAST_FIRST}")
    if {part.kind for part in parts} - {"_"} == {"d"}:
        return "d"
    return found[0] if found else "_"


def conditions(*parts: Part) -> None:
    """Raises ValueError for a part that is not a boolean."""
    for part in parts:
        if part.base not in "b_":
            raise ValueError(f"{part.text} is {WORDS[part.base]}, where a boolean is expected; {CAST_FIRST}")


def cast(part: Part, column_type: str) -> Part:
    """The value as another type; null where it is none.

    Raises:
        ValueError: Spark has no such cast.
    """
    kind = KINDS.get(column_type.lower().partition("(")[0])
    if kind is None:
        raise ValueError(f"a cast to {column_type.lower()} is not understood; allowed: {', '.join(KINDS)}")
    given = "d" if part.kind == "d" else part.base
    if given not in CASTS[kind]:
        allowed = ", ".join(name for name, target in KINDS.items() if given in CASTS[target])
        raise ValueError(
            f"{part.text} is {WORDS[given]}, and cannot be cast to {column_type.lower()}; allowed: {allowed}"
        )
    return Part(f"TRY_CAST({part.text} AS {column_type})", kind)


def negative(part: Part) -> Part:
    """The value with the other sign. A decimal has one digit more than it had."""
    if part.base == "i":
        return operation("try_multiply", [part, Part("-1", "m")])
    return operation("try_subtract", [Part("0", "z"), part])


def operation(function: str, parts: Sequence[Part]) -> Part:
    """An arithmetic operator, as its function in app.functions.OPERATORS."""
    gives = OPERATORS[function].get("".join(part.base for part in parts).replace("_", "n"))
    if gives is None:
        raise ValueError(f"{function} does not take {_listed(parts)}")
    if gives == "t" and any(part.kind == "d" for part in parts):
        gives = "d"  # with an interval of hours it is a timestamp, which has more casts
    return Part(f"{function}({_texts(parts)})", gives)


def call(written: str, parts: Sequence[Part]) -> Part:
    """A function.

    Raises:
        ValueError: it can fail on some message, or is not known; the message says what to use instead.
    """
    name = TWINS.get(written, written)
    if name in OPERATORS:
        return operation(name, parts)
    if name in KINDS and len(parts) == 1:
        return cast(parts[0], name.upper())
    if name in SPECIAL:
        return SPECIAL[name](name, parts)
    require(name, parts)
    if name.startswith("regexp_"):
        _require_groups(name, parts)
    function, first = FUNCTIONS[name], parts[0].base if parts else ""
    narrow = (function.narrow(position) if part.kind == "n" else None for position, part in enumerate(parts))
    given = [cast(part, target) if target else part for part, target in zip(parts, narrow, strict=True)]
    return Part(f"{name}({_texts(given)})", {"1": first, "e": first.lower()}.get(function.gives, function.gives))


def require(name: str, parts: Sequence[Part]) -> None:
    """Raises ValueError for a function that is not in app.functions, or does not take these."""
    if name not in FUNCTIONS:
        instead = f"use {INSTEAD[name]}" if name in INSTEAD else "allowed are the functions in app/functions.py"
        raise ValueError(f"{name} can fail, or has not been tried; {instead}")
    if not FUNCTIONS[name].accepts("".join(part.kind for part in parts)):
        takes = " or ".join(_described(signature) for signature in FUNCTIONS[name].takes.split("|"))
        raise ValueError(f"{name} takes {takes}, not {_listed(parts)}")


def _same(name: str, parts: Sequence[Part]) -> Part:
    kind = unified(parts)
    if name == "array" and kind not in "sntdb_":
        raise ValueError(f"an array of {WORDS[kind]} is not understood")
    array = kind.replace("d", "t").upper()
    return Part(f"{name}({_texts(parts)})", {"array": array, "equal_null": "b"}.get(name, kind))


def _choice(name: str, parts: Sequence[Part]) -> Part:
    if name == "if":
        conditions(*parts[:1])
    return Part(f"{name}({_texts(parts)})", unified(parts[1:]))


def _absolute(_: str, parts: Sequence[Part]) -> Part:
    require("sign", parts)
    return Part(f"if(({parts[0].text} < 0), {negative(parts[0]).text}, {parts[0].text})", "n")


def _negative(_: str, parts: Sequence[Part]) -> Part:
    require("sign", parts)
    return negative(parts[0])


SPECIAL = {
    **dict.fromkeys(("array", "coalesce", "equal_null", "greatest", "ifnull", "least", "nullif", "nvl"), _same),
    "if": _choice,
    "nvl2": _choice,
    "abs": _absolute,
    "negative": _negative,
}


def _require_groups(name: str, parts: Sequence[Part]) -> None:
    """Refuses a group that the pattern does not have: Spark would fail on the first text that it matches."""
    text = parts[1].text
    if name == "regexp_replace":
        replacement = parts[2].text[1:-1]
        wanted = max(map(int, re.findall(r"\$(\d)", replacement)), default=0)
        if re.search(r"\\|\$(?!\d)", replacement):
            raise ValueError(f"{name}: the replacement '{replacement}' may hold $0, $1, … and no other $ or backslash")
    elif name in ("regexp_extract", "regexp_extract_all"):
        wanted = int(parts[2].text) if len(parts) > 2 else 1
    else:
        return
    try:
        groups = re.compile(text[2:-1] if text[0] in "rR" else text[1:-1].replace("\\\\", "\\")).groups if wanted else 0
    except re.error as error:
        raise ValueError(f"{name}: the groups of {text} cannot be counted: {error}") from error
    if wanted > groups:
        raise ValueError(f"{name} wants group {wanted}, and {text} has {groups}")


def _described(signature: str) -> str:
    """What a signature of app.functions takes, in words."""
    described = []
    for part in signature.split():
        kinds = part.rstrip("?*")
        words = WORDS.get(kinds) or "/".join(WORDS[kind] for kind in kinds)
        described.append(words + {"?": " (or none)", "*": " (any number)"}.get(part[len(kinds) :], ""))
    return ", ".join(described)


def _listed(parts: Iterable[Part]) -> str:
    """What was given, in words, and what to do where that is a string: it may not be meant as one."""
    given = ", ".join(WORDS[part.base] for part in parts) or "nothing"
    return f"{given}; {CAST_FIRST}" if any(part.base == "s" for part in parts) else given


def _texts(parts: Iterable[Part]) -> str:
    return ", ".join(part.text for part in parts)
