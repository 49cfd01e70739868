"""How a page draws what readers see. A pipeline that declares no chart gets those that fit its views.

Every chart may have a `title`; without one it is named by its columns.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator
from pydantic.dataclasses import dataclass

from app.declared import STRICT, Declared, Name, known
from app.outputs import NUMBERS

TIME = "window_start"
Colour = Annotated[str, StringConstraints(pattern="^#[0-9a-f]{6}$")]
Columns = Mapping[str, Mapping[str, str]]  # of each view or endpoint, the types by name


@dataclass(frozen=True, config=STRICT)
class Bars(Declared):
    """A bar for each value of the column `x`, as high as `y`; for each window, where `x` is window_start.

    Of a count or a sum, what the batch layer gives is solid and what the speed layer adds is hatched.

    `order`: values that come first, in this order, each in its colour of `colours` where there are any; the others
    follow, the highest first. `share`: whether a bar says what part of all it is. `most`: bars at most.
    """

    view: Name
    x: Name
    y: Name
    order: tuple[str, ...] = ()
    colours: tuple[Colour, ...] = ()
    share: bool = False
    most: Annotated[int, Field(ge=1, le=200)] = 20
    title: str = ""
    kind: Literal["bars"] = "bars"

    @model_validator(mode="after")
    def _matched(self) -> Self:
        if self.colours and len(self.colours) != len(self.order):
            raise ValueError(f"colours: {len(self.colours)} for {len(self.order)} values in order; name as many")
        return self


@dataclass(frozen=True, config=STRICT)
class Lines(Declared):
    """A column over the windows, a small chart for each value of the key `by`, with the limits of an alert on it.

    More than one in `y`: a reader picks which.
    """

    view: Name
    y: Annotated[tuple[Name, ...], Field(min_length=1)]
    by: Name | None = None
    title: str = ""
    kind: Literal["lines"] = "lines"


@dataclass(frozen=True, config=STRICT)
class Histogram(Declared):
    """How many rows have which value of a number."""

    view: Name
    of: Name
    title: str = ""
    kind: Literal["histogram"] = "histogram"


@dataclass(frozen=True, config=STRICT)
class Scatter(Declared):
    """A point for each row, of a view or of the newest events at an endpoint of the API.

    `mark`: a boolean; the rows in which it is true stand out. `label`: what a point is called.
    """

    view: Name
    x: Name
    y: Name
    mark: Name | None = None
    label: Name | None = None
    title: str = ""
    kind: Literal["scatter"] = "scatter"


Chart = Bars | Lines | Histogram | Scatter


def drawable(charts: tuple[Chart, ...], columns: Columns) -> None:
    """Refuses a chart of what there is not.

    Raises:
        ValueError: the message names the field and what is allowed.
    """
    for number, chart in enumerate(charts):
        field = f"charts[{number}]"
        if chart.view not in columns:
            raise ValueError(f"{field}.view: {chart.view!r} is not served; allowed: {', '.join(columns)}")
        types = columns[chart.view]
        numbers = [name for name, kind in types.items() if kind in NUMBERS]
        match chart:
            case Bars():
                known([chart.x], types, f"{field}.x")
                known([chart.y], numbers, f"{field}.y")
            case Lines():
                known([TIME], types, f"{field}.view")
                known(chart.y, numbers, f"{field}.y")
                known([chart.by] if chart.by else [], types, f"{field}.by")
            case Histogram():
                known([chart.of], numbers, f"{field}.of")
            case Scatter():
                known([chart.x, chart.y], numbers, f"{field}.x and y")
                known([chart.label] if chart.label else [], types, f"{field}.label")
                booleans = [name for name, kind in types.items() if kind == "boolean"]
                known([chart.mark] if chart.mark else [], booleans, f"{field}.mark")


def fitting(
    columns: Columns, keys: Mapping[str, tuple[str, ...]], sums: Mapping[str, tuple[str, ...]]
) -> Iterator[Chart]:
    """What fits views by what they have: a time, one key, and counts or sums."""
    for view, types in columns.items():
        others = [key for key in keys[view] if key not in (TIME, "window_end")]
        numbers = [name for name, kind in types.items() if kind in NUMBERS and name not in keys[view]]
        if TIME in keys[view] and others and numbers:
            yield Lines(view, (*numbers,), others[0])
        elif TIME in keys[view] and not others and sums[view]:
            yield Bars(view, TIME, sums[view][0], most=60)
        elif len(others) == 1 and sums[view]:
            yield Bars(view, others[0], sums[view][-1])
