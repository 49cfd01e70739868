"""How the values of columns stand in parameters and answers, by the types of `Pipeline.outputs`."""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, Field, WithJsonSchema, create_model
from pydantic.json_schema import SkipJsonSchema

INT, BIGINT = 2**31, 2**63
NUMBER = r"-?[0-9]{1,20}(\.[0-9]{1,18})?"  # a decimal: as many digits as Spark and Hive have room for
# What a parameter may be. No text of Postgres has a zero byte.


def _in_utc(moment: datetime) -> datetime:
    """Postgres takes no zone that is more than 16 hours off. No event is before the year 1 or after 9999."""
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        return datetime.min.replace(tzinfo=UTC) if moment.year == 1 else datetime.max.replace(tzinfo=UTC)


def _written(pattern: str, expected: str) -> BeforeValidator:
    """One way to write a value: pydantic knows more (seconds since 1970 as a moment), and none of them is described."""

    def check(value: object) -> object:
        if isinstance(value, str) and not re.fullmatch(pattern, value, re.ASCII):
            raise ValueError(f"expected {expected}")
        return value

    return BeforeValidator(check)


DAY = r"\d{4}-\d{2}-\d{2}"
WHOLE = _written(r"-?\d+(\.0+)?", "a whole number like 12")
Moment = Annotated[
    AwareDatetime,
    _written(
        DAY + r"T\d{2}:\d{2}:\d{2}(\.\d{1,6})?(Z|[+-]\d{2}:\d{2})",
        "a time like 2026-08-01T12:00:00Z, with its zone (in an address, + is written %2B)",
    ),
    AfterValidator(_in_utc),
]
NoZero = Annotated[str, Field(pattern=r"^[^\x00]*$")]
Text = Annotated[NoZero, Field(max_length=1_000)]
TYPES: dict[str, Any] = {
    "string": Text,
    "int": Annotated[int, Field(ge=-INT, lt=INT), WHOLE],
    "bigint": Annotated[int, Field(ge=-BIGINT, lt=BIGINT), WHOLE],
    "boolean": Annotated[bool, _written("true|false", "true or false")],
    "date": Annotated[date, _written(DAY, "a date like 2026-08-01")],
    "timestamp": Moment,
    "decimal": Annotated[
        Decimal,
        _written(NUMBER, "a number like -12.50, of at most 20 digits before its point and 18 after it"),
        WithJsonSchema({"type": "string", "pattern": f"^{NUMBER}$"}),
    ],
}


def _schema(kind: str, **more: str) -> Any:
    return Annotated[Any, WithJsonSchema({"anyOf": [{"type": kind, **more}, {"type": "null"}]})]


# A parameter that is not given is None; there is no way to give one as null.
Absent = SkipJsonSchema[None]


def absent(description: str, name: str | None = None) -> Any:
    """The field of a parameter that need not be given, called `name` where that is not the field's."""
    return Field(default_factory=lambda: None, description=description, alias=name)


# How a value stands in JSON: nothing is rounded.
ANSWERED: dict[str, Any] = {
    "string": _schema("string"),
    "int": _schema("integer"),
    "bigint": _schema("integer"),
    "boolean": _schema("boolean"),
    "date": _schema("string", format="date"),
    "timestamp": _schema("string", format="date-time"),
    "decimal": _schema("string", pattern=r"^-?[0-9]+(\.[0-9]+)?$"),
    "json": _schema("array"),
}


def row(name: str, types: Mapping[str, str]) -> type[BaseModel]:
    """What a row with columns of these types looks like in JSON."""
    fields = {f"column_{number}": (ANSWERED[kind], Field(alias=of)) for number, (of, kind) in enumerate(types.items())}
    return create_model(name, **fields)  # type: ignore[call-overload,no-any-return]
