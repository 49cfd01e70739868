"""From the text of a field to a value of its column's type, or null where it is none."""

from pyspark.sql import Column as SparkColumn
from pyspark.sql import functions as F

from app.events import Column, Derived
from app.measures import WHOLE_PRECISION, digits

EXACT = 2**53  # below which a double, as which JSON readers take a number with a point, tells whole numbers apart
YEARS = {  # 1 to 9999: what Postgres, Python and JSON have in common
    "timestamp": ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"),
    "date": ("0001-01-01", "9999-12-31"),
}


def typed(column: Column) -> SparkColumn:
    text = f"_text_{column.name}"
    binary = f"cast({text} as binary)"  # a part of it costs a tenth of what a part of the text does
    value, fit = text, "true"
    if digits(column.type):
        # A longer number, or a larger exponent, would be computed digit by digit.
        short = f"not (contains({text}, 'e') or contains({text}, 'E')) or not {text} rlike '[eE][+-]?[0-9]{{4}}'"
        fit = f"octet_length({text}) <= 100 and ({short})"
    # Spark casts '12:30' to a timestamp of today and '2024' to one of January: only a full date is taken.
    if column.type in ("timestamp", "date"):
        fit = f"substr({binary}, 5, 1) = X'2D' and substr({binary}, 8, 1) = X'2D'"
    if column.type == "date":
        fit = f"octet_length({text}) = 10 and {fit} and substr({binary}, 10, 1) between X'30' and X'39'"
    if column.type == "timestamp":
        value = _without_utc(text, binary)
    cast = f"try_cast({value} as {column.type})"
    if column.type in WHOLE_PRECISION:
        cast = f"coalesce({cast}, {_whole(text, column.type)})"
    return F.expr(f"if({fit}, {cast}, null)")


def _whole(text: str, column_type: str) -> str:
    """A whole number that has a point or an exponent, as 1213.0; null where it is none, or too large to be exact."""
    number = f"try_cast({text} as decimal(38,20))"
    # In so few bytes, and without a negative exponent, no digit lies beyond the twentieth place.
    exact = f"octet_length({text}) <= 21 and not {text} rlike '[eE]-' and abs({number}) < {EXACT}"
    return f"if({exact} and {number} = floor({number}), try_cast({number} as {column_type}), null)"


def _without_utc(text: str, binary: str) -> str:
    """A timestamp without its `+00:00`, where that can be cut off; it saves looking it up: a text without zone is UTC.

    What is left must have no zone of its own. It has none if it ends in digits that follow a '.' in the 20th place: a
    zone that began before would have the '.' in its name, and is as unknown with the end as without it.
    """
    rest = f"octet_length({text}) - 6"
    first, last = f"substr({binary}, 20, 2)", f"substr({binary}, {rest}, 1)"
    ends = f"{first} between X'2E30' and X'2E39' and {last} between X'30' and X'39'"
    number = f"cast(substr({binary}, 21, {rest} - 20) as string)"
    utc = f"endswith({text}, '+00:00') and {ends} and try_cast({number} as int) is not null"
    return f"if({utc}, cast(substr({binary}, 1, {rest}) as string), {text})"


def in_years(column: Column | Derived, value: SparkColumn) -> SparkColumn:
    if column.type not in YEARS:
        return value
    first, last = (F.lit(limit).cast(column.type) for limit in YEARS[column.type])
    return F.when(value.between(first, last), value)
