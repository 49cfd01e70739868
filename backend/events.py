"""The newest events of the Parquet tables, at the endpoints that their pipelines declare, read through HiveServer2."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from typing import Any

from flask import Flask

from app.external import DATE, columns
from app.model import LakeTable, Pipeline
from app.pipelines import select
from backend.lake import lake
from backend.parameters import day, limit

DEFAULT_LIMIT = 100


def init_app(app: Flask) -> None:
    """Adds the endpoints of all pipelines.

    Raises:
        ValueError: two of them, or one of the API's own, have the same name.
    """
    for pipeline in select([]):
        for table in pipeline.parquet_tables:
            if table.endpoint is None:
                continue
            path = f"/{table.endpoint}"
            if path in {rule.rule for rule in app.url_map.iter_rules()}:
                raise ValueError(
                    f"{pipeline.name}: lake[{table.name}].endpoint: {table.endpoint} is taken; choose another name"
                )
            app.add_url_rule(path, endpoint=f"events.{table.endpoint}", view_func=_page(pipeline, table))


def _page(pipeline: Pipeline, table: LakeTable) -> Callable[[], dict[str, Any]]:
    types = {name: kind for name, kind in columns(pipeline, table) if not name.startswith("_")}

    def page() -> dict[str, Any]:
        most, only = limit(DEFAULT_LIMIT), day()
        with lake() as cursor:
            rows = newest(cursor, pipeline, table, most + 1, only)
        found = [dict(zip(types, map(_in_utc, row), strict=True)) for row in rows]
        meta = {"pipeline": pipeline.name, "table": table.name, "columns": types, "limit": most}
        return {"meta": meta | {"truncated": len(found) > most}, "rows": found[:most]}

    page.__doc__ = f"The newest events of {pipeline.name}.{table.name}, of one date where that is asked for."
    return page


def newest(
    cursor: Any, pipeline: Pipeline, table: LakeTable, most: int, only: date | None = None
) -> list[tuple[Any, ...]]:
    """The newest events by event time: of a table's columns those that a definition names, and arrival.

    Reads no more dates than are needed, the newest first.
    """
    name = f"`{pipeline.name}`.`{table.name}`"
    names = ", ".join(f"`{column}`" for column, _ in columns(pipeline, table) if not column.startswith("_"))
    order = f"`{DATE}` DESC, `{pipeline.event_time}` DESC, _partition, _offset DESC, _index DESC"
    cursor.execute(f"SHOW PARTITIONS {name}")
    dates = sorted((partition.removeprefix(f"{DATE}=") for (partition,) in cursor.fetchall()), reverse=True)
    rows: list[tuple[Any, ...]] = []
    for some in _more_and_more([text for text in dates if only is None or text == only.isoformat()]):
        listed = ", ".join(f"DATE '{text}'" for text in some)
        left = most - len(rows)
        cursor.execute(f"SELECT {names} FROM {name} WHERE `{DATE}` IN ({listed}) ORDER BY {order} LIMIT {left}")
        rows += cursor.fetchall()
        if len(rows) == most:
            break
    return rows


def _more_and_more(dates: list[str]) -> Iterator[list[str]]:
    """One, then two, then four, and so on: few questions, whether one date holds enough or all hold little."""
    size = 1
    while dates:
        yield dates[:size]
        dates, size = dates[size:], size * 2


def _in_utc(value: Any) -> Any:
    """HiveServer2 gives moments without their zone, which is UTC."""
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) else value
