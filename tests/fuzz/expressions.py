"""Spark SQL expressions beside the same in Python: what a drawn definition cleans, derives and checks with."""

from collections.abc import Callable
from typing import Any

from tests.fuzz.plain import Expression, Row
from tests.fuzz.typed import EXACT, LAST_DAY, MICROS, UNFIT, typed

DAY = 86_400 * MICROS


def _of(name: str, compute: Callable[[Any], Any]) -> Callable[[Row], Any]:
    return lambda row: None if row[name] is None else compute(row[name])


def _narrow(bits: int, compute: Callable[[Any], int]) -> Callable[[Any], Any]:
    """Null where the result is not within so many bits, as of try_add."""

    def found(value: Any) -> Any:
        result = compute(value)
        return result if -(2**bits) <= result < 2**bits else None

    return found


def _remainder(value: int, by: int) -> int:
    return abs(value) % by * (-1 if value < 0 else 1)


def cleaning(name: str, kind: str) -> list[Expression]:
    """Expressions that clean a column of a type."""
    if kind == "string":
        return [
            Expression(f"trim({name})", _of(name, lambda text: text.strip(" "))),
            Expression(f"nullif(trim({name}), '')", _of(name, lambda text: text.strip(" ") or None)),
            Expression(f"coalesce({name}, 'none')", lambda row: "none" if row[name] is None else row[name]),
            Expression(f"replace({name}, 'a', 'bb')", _of(name, lambda text: text.replace("a", "bb"))),
            Expression(f"substr({name}, 1, 900)", _of(name, lambda text: text[:900])),
            Expression(f"repeat({name}, 2)", _of(name, lambda text: text * 2)),
        ]
    if kind in ("int", "bigint"):
        bits = 31 if kind == "int" else 63
        return [
            Expression(f"coalesce({name}, 0)", lambda row: row[name] or 0),
            Expression(f"nullif({name}, 0)", _of(name, lambda value: value or None)),
            Expression(f"{name} % 1000", _of(name, lambda value: _remainder(value, 1000))),
            Expression(f"{name} * 1000", _of(name, _narrow(bits, lambda value: value * 1000))),
            Expression(f"cast({name} as decimal(38,0)) * 3", _of(name, lambda value: value * 3)),
        ]
    if kind.startswith("decimal"):
        return [
            Expression(f"coalesce({name}, 0)", lambda row: row[name] or 0),
            Expression(f"nullif({name}, 0)", _of(name, lambda value: value or None)),
            Expression(f"if({name} < 0, null, {name})", _of(name, lambda value: None if value < 0 else value)),
            Expression(f"{name} * 2", _of(name, lambda value: EXACT.multiply(value, 2))),
        ]
    return {
        "boolean": [
            Expression(f"not {name}", _of(name, lambda value: not value)),
            Expression(f"coalesce({name}, false)", lambda row: bool(row[name])),
        ],
        "date": [
            Expression(f"date_add({name}, 1)", _of(name, lambda days: days + 1)),
            Expression(f"coalesce({name}, date '2026-01-01')", lambda row: 20_454 if row[name] is None else row[name]),
        ],
        "timestamp": [
            Expression(f"{name} + interval 1 day", _of(name, lambda micros: micros + DAY)),
            Expression(f"date_trunc('minute', {name})", _of(name, lambda micros: micros // 60_000_000 * 60_000_000)),
        ],
    }[kind]


def deriving(name: str, kind: str) -> list[tuple[str, Expression]]:
    """Types of derived columns, and expressions of a column of a type that give them."""
    found = {
        "string": [
            ("int", Expression(f"length({name})", _of(name, len))),
            ("int", Expression(f"octet_length({name})", _of(name, lambda text: len(text.encode())))),
            ("boolean", Expression(f"{name} > 'm'", _of(name, lambda text: text > "m"))),
            ("string", Expression(f"repeat({name}, 1500)", _of(name, lambda text: text * 1500))),
            ("string", Expression(f"concat({name}, '/', {name})", _of(name, lambda text: f"{text}/{text}"))),
            ("bigint", Expression(f"cast({name} as bigint)", _of(name, _cast))),
        ],
        "int": [
            ("string", Expression(f"chr({name})", _of(name, lambda n: "" if n < 0 else chr(n % 256)))),
            ("string", Expression(f"cast({name} as string)", _of(name, str))),
            ("boolean", Expression(f"{name} > 10", _of(name, lambda n: n > 10))),
            ("decimal(12,2)", Expression(f"{name} * 7", _of(name, _narrow(31, lambda n: n * 7)))),
        ],
        "bigint": [
            ("timestamp", Expression(f"timestamp_micros({name})", _of(name, lambda n: n))),
            ("int", Expression(name, _of(name, lambda n: n))),
        ],
        "timestamp": [
            ("date", Expression(f"cast({name} as date)", _of(name, lambda micros: micros // DAY))),
            ("timestamp", Expression(f"{name} - interval 1 day", _of(name, lambda micros: micros - DAY))),
            ("bigint", Expression(f"unix_micros({name})", _of(name, lambda micros: micros))),
            ("timestamp", Expression("arrival", lambda row: row["arrival"])),
        ],
        "date": [
            ("date", Expression(f"date_sub({name}, 1)", _of(name, lambda days: days - 1))),
            ("boolean", Expression(f"{name} > date '9999-12-30'", _of(name, lambda days: days >= LAST_DAY))),
        ],
        "boolean": [("int", Expression(f"if({name}, 1, 0)", lambda row: int(bool(row[name]))))],
    }
    return found.get(kind, [("decimal(10,1)", Expression(name, _of(name, lambda value: value)))])


def checking(name: str, kind: str) -> list[Expression]:
    """Conditions on a column of a type."""
    if kind in ("int", "bigint") or kind.startswith("decimal"):
        return [Expression(f"{name} > -100", _of(name, lambda value: value > -100))]
    return {
        "string": [
            Expression(f"{name} <> ''", _of(name, lambda text: text != "")),
            Expression(f"length({name}) < 2000", _of(name, lambda text: len(text) < 2000)),
        ],
        "boolean": [Expression(f"{name} is not null", lambda row: row[name] is not None)],
        "date": [Expression(f"{name} > date '1000-01-01'", _of(name, lambda days: days > -354_285))],
        "timestamp": [Expression(f"{name} <= arrival + interval 3000000 day", lambda row: row[name] is not None)],
    }[kind]


def _cast(text: str) -> Any:
    found = typed(text, "bigint") if text.strip().lstrip("+-").isdigit() and text.isascii() else UNFIT
    return None if found is UNFIT else found
