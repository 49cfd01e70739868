"""What merged views show, as Postgres writes it."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from tests.integration.boundary import NewBoundary
from tests.integration.oracle import Event


@pytest.mark.parametrize(
    ("values", "mean", "variance"),
    [(("1", "3"), "2", "2"), (("1", "0", "0"), "0." + "3" * 12, "0." + "3" * 12), (("0", "0"), "0", "0")],
    ids=["whole", "thirds", "nothing"],
)
def test_a_mean_has_six_digits_more_than_its_column_and_a_variance_than_its_square(
    new_boundary: NewBoundary, values: tuple[str, ...], mean: str, variance: str
) -> None:
    boundary = new_boundary()
    time = datetime(2026, 1, 1, tzinfo=UTC)
    boundary.commit([Event(f"{n}", "ada", Decimal(v), Decimal(v), time, (0, n, 0)) for n, v in enumerate(values)])
    view = f"serving.{boundary.pipeline.name}_clients"

    assert boundary.query(f"SELECT mean::text, variance::text FROM {view}") == [
        (_digits(mean, 2 + 6), _digits(variance, 2 * 3 + 6))
    ]
    assert boundary.owned(
        "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute "
        f"WHERE attrelid = '{view}'::regclass AND attname IN ('mean', 'variance') ORDER BY attname"
    ) == [("mean", "numeric(38,8)"), ("variance", "numeric(38,12)")]


def _digits(value: str, scale: int) -> str:
    """A value written with exactly this many digits after the point."""
    whole, _, fraction = value.partition(".")
    return f"{whole}.{fraction[:scale]:0<{scale}}"
