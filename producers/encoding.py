"""Events as JSON: decimals with all their digits, times in UTC."""

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any


def encoded(event: Mapping[str, Any]) -> bytes:
    """The event as a JSON object in one line. Values: Decimal, datetime, date, and what JSON has but floats."""
    fields = (f"{json.dumps(name)}: {_literal(value)}" for name, value in event.items())
    return ("{" + ", ".join(fields) + "}").encode()


def fixed(value: float, digits: int) -> Decimal:
    """A computed number with so many digits after the point."""
    return Decimal(f"{value:.{digits}f}")


def _literal(value: Any) -> str:
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, datetime):
        return json.dumps(value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"))
    return json.dumps(value.isoformat() if isinstance(value, date) else value)
