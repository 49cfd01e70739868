"""What can be asked of a view: the parameters, made of its definition, and the question that they make."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, create_model
from werkzeug.exceptions import NotFound

from app.model import Alert, Pipeline, Rollup, View
from app.naming import TIME_RANGE
from app.outputs import asked_by, time_column
from backend.problems import BadParameters, Parameter
from backend.rows import By, Question
from backend.values import TYPES, WHOLE, Absent, Moment, NoZero, absent

MAX_LIMIT = 10_000
DEFAULT_LIMIT = 1_000
# A row's own values, which may be longer than can be asked for.
MARKS = TYPES | {"decimal": Annotated[Decimal, Field(max_digits=100)], "string": NoZero}
MAX_MARK = 60_000  # characters of `after`: clients and servers take a line of an address or a header up to 64 KiB
Viewed = View | Alert | Rollup


class Asked(BaseModel):
    """What can be asked of every view. Anything else is refused."""

    model_config = ConfigDict(extra="forbid")

    layer: Literal["merged", "batch", "speed"] = Field(
        "merged", description="Both layers merged, or what one of them gives"
    )
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT), WHOLE] | Absent = absent(
        f"Rows at most. Default: {DEFAULT_LIMIT:,} in JSON, all in CSV"
    )
    after: Annotated[str, Field(pattern="^[A-Za-z0-9_-]+={0,2}$", max_length=MAX_MARK)] | Absent = absent(
        "Go on after a page: the `next` that it ends with. All else must be asked as it was there"
    )


def parameters(pipeline: Pipeline, view: Viewed) -> type[Asked]:
    """The parameters of a view: a value for each of its keys, a time range where it has a time, and an order."""
    found = pipeline.outputs[view.name]
    # Called by their place, as a model has names of its own.
    fields: dict[str, Any] = {
        f"key_{place}": (TYPES[found[key]] | Absent, absent(f"Only rows whose `{key}` is this", key))
        for place, key in enumerate(asked_by(view))
    }
    if time := time_column(found, pipeline.event_time):
        for name, which in zip(TIME_RANGE, ("is this or later", "is earlier than this"), strict=True):
            fields[name] = (Moment | Absent, absent(f"Only rows whose `{time}` {which}"))
    ordered = [name for name, kind in found.items() if kind != "json"]
    if ordered:
        one = f"-?({'|'.join(ordered)})"
        fields["sort"] = (
            Annotated[str, Field(pattern=f"^{one}(,{one})*$", max_length=1_000)] | Absent,
            absent(f"Columns to sort by, `-` before one for descending: {', '.join(ordered)}"),
        )
    return create_model(f"{pipeline.name}_{view.name}_asked", __base__=Asked, **fields)


def question(asked: Asked, view: Viewed, time: str | None, types: Mapping[str, str], most: int | None) -> Question:
    """What the parameters ask, of a view that has columns of these types.

    Raises:
        NotFound: `after` is not the end of a page of this view in this order.
    """
    given = asked.model_dump(exclude_none=True, by_alias=True)
    order = _order(given.get("sort"), identity(view))
    return Question(
        order,
        most,
        equal={key: given[key] for key in asked_by(view) if key in given},
        since=(time, given["since"]) if time and "since" in given else None,
        until=(time, given["until"]) if time and "until" in given else None,
        after=after(asked.after, order, types) if asked.after else None,
    )


def following(order: tuple[By, ...], row: Mapping[str, Any]) -> str | None:
    """What `after` is for the page that comes after a row, whose values are as JSON or CSV has them.

    Raises:
        BadParameters: it would be longer than `after` may be.
    """
    texts = [value if isinstance(value := row[by.column], str | None) else json.dumps(value) for by in order]
    mark = urlsafe_b64encode(json.dumps(texts, ensure_ascii=False).encode()).decode() if texts else None
    if mark and len(mark) > MAX_MARK:
        detail = f"the page ends with a row whose values are too long to go on after: `after` has {MAX_MARK:,} "
        raise BadParameters([Parameter(name="sort", detail=f"{detail}characters at most; sort by another column")])
    return mark


def after(mark: str, order: tuple[By, ...], types: Mapping[str, str]) -> list[Any]:
    """The values of the row that a page ended with.

    Raises:
        NotFound: none did so in this order.
    """
    try:
        values = json.loads(urlsafe_b64decode(mark))
        if not order:
            raise ValueError("a view without keys is one row")
        return [
            None if value is None else TypeAdapter(MARKS[types[by.column]]).validate_strings(value)
            for by, value in zip(order, values, strict=True)
        ]
    except (ValueError, TypeError, KeyError, RecursionError, ValidationError):
        raise NotFound("no page of this view in this order ends with what `after` is; ask without it") from None


def _order(sort: str | None, identity: tuple[str, ...]) -> tuple[By, ...]:
    """What is asked for, and then what tells the rows apart."""
    asked = [By(name.removeprefix("-"), name.startswith("-")) for name in (sort or "").split(",") if name]
    order: dict[str, By] = {}
    for by in (*asked, *map(By, identity)):
        order.setdefault(by.column, by)
    return tuple(order.values())


def identity(view: Viewed) -> tuple[str, ...]:
    """The columns that tell its rows apart."""
    return view.keys if isinstance(view, Rollup) else view.identity
