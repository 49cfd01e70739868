"""A value is written in one way in a parameter: as its description says it."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from pydantic import TypeAdapter, ValidationError

from backend.values import TYPES

WRITTEN = {
    ("int", "-12"): -12,
    ("int", "3.0"): 3,  # a whole number, for JSON
    ("bigint", "9223372036854775807"): 2**63 - 1,
    ("boolean", "true"): True,
    ("date", "2026-08-01"): date(2026, 8, 1),
    ("timestamp", "2026-08-01T12:00:00.5+02:00"): datetime(2026, 8, 1, 10, 0, 0, 500_000, UTC),
    ("timestamp", "0001-01-01T00:00:00+02:00"): datetime(1, 1, 1, tzinfo=UTC),
    ("decimal", "-12.50"): Decimal("-12.50"),
    ("string", " 22 "): " 22 ",
}
REFUSED = {
    "int": ["1_0", " 1", "+1", "1.5", "1e3", "٣", "true", "", "2147483648"],
    "bigint": ["9223372036854775808"],
    "boolean": ["yes", "1", "on", "TRUE", ""],
    "date": ["0", "86400", "2026-8-1", "2026-02-30", "2026-08-01T00:00:00", ""],
    "timestamp": ["22", "2026-08-01", "2026-08-01T12:00:00", "2026-08-01 12:00:00Z", "2026-08-01T12:00Z", "now"],
    "decimal": ["1e3", "NaN", "Infinity", "+1", ".5", " 1", "1_0"],
    "string": ["a\0b"],
}


@pytest.mark.parametrize(("kind", "text"), WRITTEN)
def test_a_value_is_read(kind: str, text: str) -> None:
    assert TypeAdapter(TYPES[kind]).validate_python(text) == WRITTEN[kind, text]


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in REFUSED.items() for text in texts])
def test_another_way_to_write_it_is_refused(kind: str, text: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(TYPES[kind]).validate_python(text)


def test_every_type_is_tried() -> None:
    assert {kind for kind, _ in WRITTEN} == REFUSED.keys() == TYPES.keys()
