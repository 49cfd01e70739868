"""What the merged views of a pipeline with every measure must show, in plain Python, and increments made by hand."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pyarrow as pa

from app.measures import State
from app.model import Column, Count, Latest, Max, Mean, Min, Pipeline, Sliding, Sum, TopN, Tumbling, Variance, View
from app.pipelines.transactions import PIPELINE
from app.relations import Relation, relations

COLUMNS = (*PIPELINE.columns, Column("score", "decimal(6,3)", required=False))
VIEWS = (
    View(
        "clients",
        ("client",),
        (
            Count("count"),
            Sum("total", of="amount"),
            Mean("mean", of="amount"),
            Variance("variance", of="score"),
            Min("least", of="score"),
            Max("most", of="score"),
            Latest(("event_id", "score"), by="event_time"),
            TopN("top", ("event_id", "amount"), by="amount", n=3),
        ),
        indexes=("count", "least"),
    ),
    View("everything", (), (Count("count"), Sum("scores", of="score"), Mean("mean", of="score"))),
    View("minutes", ("client", Tumbling("1 minute")), (Count("count"), Sum("total", of="amount")), indexes=("total",)),
    View("sliding", (Sliding("10 minutes", "5 minutes"),), (Count("count"), Max("most", of="amount"))),
)
READ = (
    "SELECT client, count, total, mean, variance, least, most, event_id, score, top::text FROM {clients}",
    "SELECT count, scores, mean FROM {everything}",
    "SELECT client, window_start, window_end, count, total FROM {minutes}",
    "SELECT window_start, window_end, count, most FROM {sliding}",
)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Row = tuple[Any, ...]
Query = Callable[[str], list[Row]]


@dataclass(frozen=True)
class Event:
    """An accepted event, and where it stands: partition, offset, index."""

    id: str
    client: str
    amount: Decimal
    score: Decimal | None
    time: datetime
    at: tuple[int, int, int]

    def message(self) -> dict[str, Any]:
        score = {} if self.score is None else {"score": str(self.score)}
        named = {"event_id": self.id, "client": self.client, "amount": str(self.amount)}
        return named | {"event_time": self.time.isoformat()} | score


def windows(time: datetime, length: int, slide: int) -> list[tuple[datetime, datetime]]:
    """The windows that hold a moment; length and slide in minutes."""
    last = time - (time - EPOCH) % timedelta(minutes=slide)
    starts = [last - timedelta(minutes=back) for back in range(0, length, slide)]
    return [(start, start + timedelta(minutes=length)) for start in starts]


def groups(events: Iterable[Event]) -> list[dict[Row, list[Event]]]:
    """The events that share their keys, for each view."""
    found: list[dict[Row, list[Event]]] = [{}, {}, {}, {}]
    for event in events:
        found[0].setdefault((event.client,), []).append(event)
        found[1].setdefault((), []).append(event)
        found[2].setdefault((event.client, *windows(event.time, 1, 1)[0]), []).append(event)
        for window in windows(event.time, 10, 5):
            found[3].setdefault(window, []).append(event)
    return found


def expected(events: Iterable[Event]) -> list[list[Row]]:
    """The rows of each view, sorted by key."""
    clients, everything, minutes, sliding = groups(events)
    return [
        sorted((*key, *_client(found)) for key, found in clients.items()),
        [(len(found), _total(_scores(found)), _mean(_scores(found), 9)) for found in everything.values()],
        sorted((*key, len(found), _total([event.amount for event in found])) for key, found in minutes.items()),
        sorted((*key, len(found), max(event.amount for event in found)) for key, found in sliding.items()),
    ]


def actual(query: Query, pipeline: Pipeline) -> list[list[Row]]:
    """What a reader gets of each view, as `expected` gives it."""
    names = {relation.view.name: relation.serving for relation in relations(pipeline)}
    clients, *others = ([*query(statement.format(**names))] for statement in READ)
    parsed = [(*row[:-1], json.loads(row[-1], parse_float=Decimal)) for row in clients]
    return [sorted(rows, key=lambda row: row[:3]) for rows in (parsed, *others)]


def increments(pipeline: Pipeline, events: Iterable[Event]) -> pa.Table:
    """What a micro-batch of these events gains: the table that the aggregation on the executors gives."""
    tables = relations(pipeline)
    rows = [
        {"view": view} | dict(zip(relation.view.key_names, key, strict=True)) | _states(relation, found)
        for view, (relation, keyed) in enumerate(zip(tables, groups(events), strict=False))
        for key, found in keyed.items()
    ]
    kinds = {"view": "int"} | {name: pipeline.types[name] for t in tables for name in t.view.key_names}
    kinds |= {state.name: state.type(pipeline.types) for t in tables for state in t.view.states}
    return pa.Table.from_pylist(rows, schema=pa.schema([(name, _arrow(kind)) for name, kind in kinds.items()]))


def _client(found: list[Event]) -> Row:
    amounts, scores = [event.amount for event in found], _scores(found)
    last = max(found, key=lambda event: (event.time, event.at))
    top = sorted(found, key=lambda event: (event.amount, event.at), reverse=True)[:3]
    return (
        *(len(found), _total(amounts), _mean(amounts, 8), _variance(scores), min(scores, default=None)),
        *(max(scores, default=None), last.id, last.score),
        [{"event_id": event.id, "amount": event.amount} for event in top],
    )


def _scores(found: list[Event]) -> list[Decimal]:
    return [event.score for event in found if event.score is not None]


def _total(values: list[Decimal]) -> Decimal | None:
    return sum(values, Decimal(0)) if values else None


def _mean(values: list[Decimal], scale: int) -> Decimal | None:
    return _rounded(sum(values), len(values), scale) if values else None


def _variance(values: list[Decimal]) -> Decimal | None:
    count, total, squares = len(values), sum(values), sum(value * value for value in values)
    return _rounded(count * squares - total * total, count * (count - 1), 12) if count > 1 else None


def _rounded(numerator: Decimal | int, denominator: int, scale: int) -> Decimal:
    return (Decimal(numerator) / denominator).quantize(Decimal(1).scaleb(-scale), ROUND_HALF_UP)


def _states(relation: Relation, found: list[Event]) -> dict[str, Any]:
    return {state.name: _state(state, found) for state in relation.view.states}


def _state(state: State, found: list[Event]) -> Any:
    if state.op == "top":
        ordered = [(event.amount if state.by == "amount" else _micros(event.time), event.at, event) for event in found]
        highest = sorted(ordered, key=lambda item: item[:2], reverse=True)[: state.n]
        items = (f'{{"by": {by}, "at": {[*at]}, "row": {_row(state, event)}}}' for by, at, event in highest)
        return f"[{', '.join(items)}]"
    if state.op == "count" and not state.of:
        return len(found)
    values = [event.amount for event in found] if state.of == ("amount",) else _scores(found)
    match state.op:
        case "count":
            return len(values)
        case "sum":
            return _total(values)
        case "sum_squares":
            return _total([value * value for value in values])
        case _:
            return (min if state.op == "min" else max)(values, default=None)


def _row(state: State, event: Event) -> str:
    values = {"event_id": json.dumps(event.id), "amount": event.amount, "score": event.score}
    return "{" + ", ".join(f'"{name}": {values[name]}' for name in state.of if values[name] is not None) + "}"


def _micros(time: datetime) -> int:
    return (time - EPOCH) // timedelta(microseconds=1)


def _arrow(kind: str) -> pa.DataType:
    if kind.startswith("decimal"):
        return pa.decimal128(38, int(kind.split(",")[1].rstrip(")")))
    return {"int": pa.int32(), "bigint": pa.int64(), "timestamp": pa.timestamp("us", tz="UTC")}.get(kind, pa.string())
