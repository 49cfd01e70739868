"""Questions about the rows of a view, as SQL: which rows, in what order, and from where on. Values are parameters.

A page goes on after the last row of the page before it, by that row's values and not by its number: what is published
between two pages neither repeats a row that stays nor leaves one out.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Select,
    Text,
    and_,
    cast,
    column,
    false,
    func,
    literal,
    literal_column,
    nulls_last,
    or_,
    select,
    table,
    true,
)  # fmt: skip


class By(NamedTuple):
    """A column that rows are ordered by. Nulls come last either way."""

    column: str
    descending: bool = False


class Question(NamedTuple):
    """Rows of what readers see under a name.

    `equal`: the value that each column must have; `since` and `until`: the column and its first value, and the one
    that it stays below; `order`: columns that tell every row from every other; `after`: the values of those columns of
    the row before the first that is wanted; `limit`: None for all rows.
    """

    order: tuple[By, ...]
    limit: int | None
    equal: Mapping[str, Any] = {}
    since: tuple[str, Any] | None = None
    until: tuple[str, Any] | None = None
    after: Sequence[Any] | None = None

    @property
    def columns(self) -> set[str]:
        """The columns that it is about."""
        ends = {end[0] for end in (self.since, self.until) if end}
        return {by.column for by in self.order} | set(self.equal) | ends


def rows(schema: str, name: str, types: Mapping[str, str], question: Question, *, as_json: bool = True) -> Select[Any]:
    """The statement that answers a question: of each row its JSON, or its columns as texts.

    `types` has the columns of the view, as pipelines call their types. Postgres writes the values: no digit is lost.
    """
    found = table(name, *map(column, types), schema=schema).alias("_found")
    values = found.c
    written = (_written(values[of], kind, as_json).label(of) for of, kind in types.items())
    shaped = select(*written).correlate(found).lateral("_shaped")
    whole = cast(func.row_to_json(literal_column("_shaped")), Text)
    conditions: list[ColumnElement[bool]] = [values[of] == value for of, value in question.equal.items()]
    if question.since:
        conditions.append(values[question.since[0]] >= question.since[1])
    if question.until:
        conditions.append(values[question.until[0]] < question.until[1])
    if question.after is not None:
        conditions.append(_beyond([(values[by.column], by.descending) for by in question.order], question.after))
    return (
        select(*([whole] if as_json else shaped.c))
        .select_from(found.join(shaped, true()))
        .where(and_(true(), *conditions))
        .order_by(*(nulls_last(values[by].desc() if down else values[by].asc()) for by, down in question.order))
        .limit(question.limit)
    )


def _written(value: ColumnElement[Any], kind: str, as_json: bool) -> ColumnElement[Any]:
    """A value as an answer has it: decimals as texts, moments in UTC."""
    match kind:
        case "timestamp":
            return func.to_json(func.timezone("UTC", value)).op("#>>")("{}").op("||")("Z")
        case "decimal":
            return cast(value, Text)
        case _:
            return value if as_json else cast(value, Text)


def _beyond(order: Sequence[tuple[ColumnElement[Any], bool]], values: Sequence[Any]) -> ColumnElement[bool]:
    """Whether a row comes after the one with these values."""
    (this, descending), *others = order
    value, *rest = values
    bound = literal(value)  # SQLAlchemy compares no column with True or False as they are
    later = false() if value is None else or_(this < bound if descending else this > bound, this.is_(None))
    if not others:
        return later
    return or_(later, and_(this.is_not_distinct_from(bound), _beyond(others, rest)))
