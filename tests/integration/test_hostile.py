"""Messages that have stopped a stack, through both layers and real servers: all go on, and every view is exact."""

import json
import random
import string
from typing import Any

import pytest

from app.model import Count, Latest, Max, Min, Pipeline, TopN, View
from app.pipelines import select
from tests.integration.conftest import NewStack, Stack, event

VIEWS = (
    View("clients", ("client",), (Count("count"), Latest(("event_id",), by="event_time"), Max("most", of="event_id"))),
    View("shown", ("event_id",), (Latest(("client",), by="event_time"),), indexes=("client",)),
    View("top", (), (TopN("top", ("client", "event_id"), by="amount", n=100), Min("least", of="client"))),
)
RANDOM = random.Random(7)  # noqa: S311  nothing secret is drawn


def letters(count: int) -> str:
    """Text that no compression makes short."""
    return "".join(RANDOM.choice(string.ascii_letters + string.digits) for _ in range(count))


def text(**changes: Any) -> bytes:
    return json.dumps(event("x") | changes).encode()


HOSTILE = {
    "a zero byte in a key": (text(client="a\0b"), {"invalid_client": 1}),
    "a zero byte in an id": (text(event_id="a\0b"), {"invalid_event_id": 1}),
    "a long key": (text(client=letters(4000)), {"too_long_client": 1}),
    "a long key that compresses": (text(client="x" * 500_000), {"too_long_client": 1}),
    "a long indexed string": (text(event_id=letters(3000)), {"too_long_event_id": 1}),
    "many elements": (b"[" + b",".join([b"{}"] * 20_000) + b"]", {"missing_event_id": 20_000}),
    "half a surrogate pair": (text().replace(b"ada", b"ada\\ud83d"), {"invalid_client": 1}),
    "an object": (text(client={"id": 7}), {"invalid_client": 1}),
    "an array": (text(client=["ada"]), {"invalid_client": 1}),
    "a boolean": (text(event_id=True), {"invalid_event_id": 1}),
    "single quotes": (text().replace(b'"', b"'"), {"not_json_objects": 1}),
    "NaN": (text(amount=float("nan")), {"not_json_objects": 1}),
    "the first year": (text(event_time="0000-12-31T23:59:59Z"), {"invalid_event_time": 1}),
    "random bytes": (RANDOM.randbytes(500), {"invalid_utf8": 1}),
}


@pytest.fixture
def stack(new_stack: NewStack) -> Stack:
    return new_stack(views=VIEWS, checks=())


def count_all(stack: Stack) -> None:
    """Both layers, a batch on top of another, and the proof."""
    stack.send(event("good", "bob"))
    stack.count_everything()
    stack.send(event("better", "bob"))
    stack.stream()
    stack.archive()
    assert stack.verify().exact
    stack.batch()
    assert stack.verify().exact


def test_no_message_stops_a_layer_or_is_seen_by_a_measure(stack: Stack) -> None:
    expected: dict[str, int] = {}
    for message, reasons in HOSTILE.values():
        stack.send(message)
        for reason, events in reasons.items():
            expected[reason] = expected.get(reason, 0) + events
    count_all(stack)
    assert stack.quarantined() == expected
    name = stack.pipeline.name
    assert stack.rows(f"SELECT client, count, event_id FROM serving.{name}_clients") == [("bob", 2, "better")]
    ((top, least),) = stack.rows(f"SELECT top, least FROM serving.{name}_top")
    assert {row["client"] for row in top} | {least} == {"bob"}


def test_ids_are_what_was_sent(stack: Stack) -> None:
    numbers = ["1.10", "1.1", "123456789012345678.25", "123456789012345678.5", "1e3", "1000"]
    stack.send(*(text().replace(b'"x"', number.encode()) for number in numbers))
    count_all(stack)
    found = stack.rows(f"SELECT event_id FROM serving.{stack.pipeline.name}_shown")
    assert {row[0] for row in found} == {*numbers, "good", "better"}


def test_two_clients_stay_two(stack: Stack) -> None:
    stack.send(text().replace(b"ada", b"ada\\ud83d"), text(client="ada?"))
    count_all(stack)
    assert {row[0] for row in stack.rows(f"SELECT client FROM serving.{stack.pipeline.name}_clients")} == {
        "ada?",
        "bob",
    }


def test_a_column_of_an_object_that_is_null_is_there(new_stack: NewStack) -> None:
    columns = tuple(c if c.name != "client" else type(c)("client", "string", required=False) for c in _columns())
    view = View("top", (), (TopN("top", ("event_id", "client"), by="amount", n=3),))
    stack = new_stack(columns=columns, views=(view,), checks=())
    stack.send(event("1") | {"client": None})
    stack.count_everything()
    assert stack.rows(f"SELECT top FROM serving.{stack.pipeline.name}_top") == [([{"client": None, "event_id": "1"}],)]


def _columns() -> tuple[Any, ...]:
    (transactions,) = select(["transactions"])
    assert isinstance(transactions, Pipeline)
    return transactions.columns
