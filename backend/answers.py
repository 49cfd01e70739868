"""How values stand in an answer: nothing is rounded."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from flask.json.provider import DefaultJSONProvider


class ExactJson(DefaultJSONProvider):
    """JSON with decimals as strings, moments as ISO 8601 in UTC, and columns in their order."""

    sort_keys = False

    @staticmethod
    def default(o: Any) -> Any:
        match o:
            case Decimal():
                return format(o, "f")
            case datetime():
                return o.astimezone(UTC).isoformat().replace("+00:00", "Z")
            case date():
                return o.isoformat()
            case _:
                return DefaultJSONProvider.default(o)
