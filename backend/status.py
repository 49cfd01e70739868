"""The boundary that an answer was read at: version, cut, offsets and freshness of each pipeline."""

from typing import Any

from sqlalchemy import Connection, text

STATUS = text(
    "SELECT *, round(extract(epoch FROM greatest(clock_timestamp() - fresh_at, interval '0')), 3)::float8 "
    "AS freshness_seconds FROM serving.status"
)


def statuses(connection: Connection) -> dict[str, dict[str, Any]]:
    """The row of `serving.status` of each pipeline by name, with `freshness_seconds` (null: nothing committed yet)."""
    return {row["pipeline"]: dict(row) for row in connection.execute(STATUS).mappings()}
