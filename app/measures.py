"""The measures a view can hold, each one a commutative monoid.

A measure is kept as *states*: partial results that add in any order and any grouping. What a reader sees is
computed from the merged states, so a mean is kept as a count and a sum, never as a mean.

    measure     states                      merged by
    Count       count of rows               +
    Sum         sum                         +
    Min, Max    min, max                    least, greatest
    Mean        count of values, sum        +
    Variance    count, sum, sum of squares  +
    Latest      the row with the highest    the higher of the two
                (by, position)
    TopN        the n rows with the         the n highest of both
                highest (by, position)

An alert (see `app.views.Alert`) keeps a summary of a sequence of readings, merged by putting one after the other.

Sums are exact because only whole numbers and DECIMAL can be measured, and no sum of up to 10^10 events can overflow:
a column too wide for that is refused when the pipeline is constructed.
"""

import re
import zlib
from decimal import Decimal
from typing import Annotated, Literal, NamedTuple

from pydantic import AfterValidator, Field
from pydantic.dataclasses import dataclass

from app.declared import STRICT, Declared, Name

POSITION = ("_partition", "_offset", "_index")  # of an event: the index is its place in a message that holds an array
EVENTS_DIGITS = 10  # a sum is wide enough for 10^10 events
MAX_PRECISION = 38  # of a Spark DECIMAL
QUOTIENT_DIGITS = 6  # means and variances keep this many digits more than what they are computed from

SIMPLE_TYPES = ("string", "int", "bigint", "boolean", "date", "timestamp")
WHOLE_PRECISION = {"int": 10, "bigint": 19}


def _column_type(value: str) -> str:
    decimal = re.fullmatch(r"decimal\((\d+),(\d+)\)", value)
    if value in SIMPLE_TYPES or (decimal and 0 <= int(decimal[2]) <= int(decimal[1]) <= MAX_PRECISION):
        return value
    raise ValueError(
        f"{value!r} is not a column type; allowed: {', '.join(SIMPLE_TYPES)}, decimal(precision,scale) with "
        f"scale <= precision <= {MAX_PRECISION} (no floating point: equal must mean equal)"
    )


ColumnType = Annotated[str, AfterValidator(_column_type)]


class Digits(NamedTuple):
    """Precision and scale of a number column."""

    precision: int
    scale: int

    @property
    def type(self) -> str:
        return f"decimal({self.precision},{self.scale})"


def digits(column_type: str) -> Digits | None:
    """Precision and scale of a whole or decimal type; None for a type that is not a number."""
    if column_type in WHOLE_PRECISION:
        return Digits(WHOLE_PRECISION[column_type], 0)
    found = re.fullmatch(r"decimal\((\d+),(\d+)\)", column_type)
    return Digits(int(found[1]), int(found[2])) if found else None


class State(NamedTuple):
    """One stored partial result: an operation over columns.

    `top`: of the `n` rows with the highest `by`. `alert`: of the rows at which `n` readings `by` a column have crossed
    the first of the `limits` upwards, or one the second downwards.
    """

    op: Literal["count", "sum", "sum_squares", "min", "max", "top", "alert"]
    of: tuple[str, ...] = ()
    by: str = ""
    n: int = 0
    limits: tuple[int | Decimal, ...] = ()

    @property
    def name(self) -> str:
        """Column name of the state in increments and in Postgres."""
        if self.op in ("top", "alert"):
            rest = ",".join((*self.of, *map(str, self.limits)))
            return f"{self.op}{self.n}_by_{self.by}_{zlib.crc32(rest.encode()):08x}"
        return "_".join((self.op.removeprefix("sum_"), *self.of))

    def type(self, columns: dict[str, str]) -> str:
        """Column type of the state, given the types of the pipeline's columns; `json` for rows kept whole."""
        if self.op == "count":
            return "bigint"
        if self.op in ("top", "alert"):
            return "json"
        source = columns[self.of[0]]
        if self.op in ("min", "max"):
            return source
        wide = widened(source, squared=self.op == "sum_squares")
        if wide is None:
            raise TypeError(f"{self.op} over {source}: a pipeline with this measure cannot have been constructed")
        return wide.type


def widened(column_type: str, *, squared: bool) -> Digits | None:
    """Digits that hold the sum (of squares) of 10^10 values; None where the type is no number or that is too wide."""
    number = digits(column_type)
    if number is None:
        return None
    factor = 2 if squared else 1
    wide = Digits(number.precision * factor + EVENTS_DIGITS, number.scale * factor)
    return wide if wide.precision <= MAX_PRECISION else None


@dataclass(frozen=True, config=STRICT)
class Count(Declared):
    """How many events."""

    name: Name

    @property
    def states(self) -> tuple[State, ...]:
        return (State("count"),)


@dataclass(frozen=True, config=STRICT)
class Sum(Declared):
    """Sum of a column; null where it has no value."""

    name: Name
    of: Name

    @property
    def states(self) -> tuple[State, ...]:
        return (State("sum", (self.of,)),)


@dataclass(frozen=True, config=STRICT)
class Min(Declared):
    """Smallest value of a column; strings by their UTF-8 bytes."""

    name: Name
    of: Name

    @property
    def states(self) -> tuple[State, ...]:
        return (State("min", (self.of,)),)


@dataclass(frozen=True, config=STRICT)
class Max(Declared):
    """Largest value of a column; strings by their UTF-8 bytes."""

    name: Name
    of: Name

    @property
    def states(self) -> tuple[State, ...]:
        return (State("max", (self.of,)),)


@dataclass(frozen=True, config=STRICT)
class Mean(Declared):
    """Arithmetic mean of a column's values, rounded half up to the column's scale + 6 digits."""

    name: Name
    of: Name

    @property
    def states(self) -> tuple[State, ...]:
        return (State("count", (self.of,)), State("sum", (self.of,)))


@dataclass(frozen=True, config=STRICT)
class Variance(Declared):
    """Sample variance of a column's values, rounded to twice the scale + 6 digits; null below two values."""

    name: Name
    of: Name

    @property
    def states(self) -> tuple[State, ...]:
        return (State("count", (self.of,)), State("sum", (self.of,)), State("sum_squares", (self.of,)))


@dataclass(frozen=True, config=STRICT)
class Latest(Declared):
    """Columns of the event with the highest `by`; between equals, of the one that came last."""

    columns: Annotated[tuple[Name, ...], Field(min_length=1)]
    by: Name

    @property
    def states(self) -> tuple[State, ...]:
        return (State("top", self.columns, self.by, 1),)


@dataclass(frozen=True, config=STRICT)
class TopN(Declared):
    """Columns of the `n` events with the highest `by`, highest first, as a JSON array of objects."""

    name: Name
    columns: Annotated[tuple[Name, ...], Field(min_length=1)]
    by: Name
    n: Annotated[int, Field(ge=1, le=100)]

    @property
    def states(self) -> tuple[State, ...]:
        return (State("top", self.columns, self.by, self.n),)


Measure = Count | Sum | Min | Max | Mean | Variance | Latest | TopN


def spread(of: str, named: str | None = None) -> tuple[Mean, Min, Max]:
    """Mean, smallest and largest value of a column: `<column>_mean`, `_min` and `_max`, or `<named>_mean` and so on."""
    name = named or of
    return Mean(f"{name}_mean", of), Min(f"{name}_min", of), Max(f"{name}_max", of)
