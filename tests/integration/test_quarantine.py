"""Nothing is dropped: what is not accepted is in the quarantine, with its reason and as it came."""

import json
from collections import Counter
from decimal import Decimal
from typing import Any

import pytest

from app.batch import QualityError
from app.parse import EXCERPT_BYTES
from tests.integration.conftest import NewStack, Stack, event


def changed(**fields: Any) -> bytes:
    """An event with other fields; `...` leaves one out."""
    found = (event("bad") | fields).items()
    return json.dumps({name: value for name, value in found if value is not ...}).encode()


GOOD = json.dumps(event("in an array")).encode()
BAD: list[tuple[bytes | None, str]] = [  # beside the reason: what came
    (b"not JSON", "not_json_objects"),
    (GOOD[:-20], "not_json_objects"),
    (GOOD + GOOD, "not_json_objects"),
    (b"", "not_json_objects"),
    (b"[]", "not_json_objects"),
    (b"[[" + GOOD + b"]]", "not_json_objects"),
    (b"[" + GOOD + b", " + changed(client=...) + b"]", "missing_client"),
    (GOOD.replace(b"ada", b"\xff\xfe"), "invalid_utf8"),
    (changed(client="x" * 2_000_000), "too_large"),
    (None, "null_value"),
    (changed(amount="99999999999.00"), "invalid_amount"),
    (changed(amount="much"), "invalid_amount"),
    (changed(amount={"value": 1}), "invalid_amount"),
    (GOOD.replace(b'"1.00"', b"NaN"), "not_json_objects"),
    (changed(amount="-1.00"), "amount_not_positive"),
    (changed(event_time="yesterday"), "invalid_event_time"),
    (changed(event_time="1900-01-01T00:00:00Z"), "event_time_too_old"),
    (changed(event_time="2999-01-01T00:00:00Z"), "event_time_in_future"),
    (changed(client=...), "missing_client"),
    (changed(client=None), "missing_client"),
    (changed(client=" "), "client_empty"),
    (changed(client="a\0b"), "invalid_client"),
]
REASONS = Counter(reason for _, reason in BAD)


def excerpt(message: bytes | None) -> bytes | None:
    """What the quarantine keeps: the start of a message; of an element of an array, its columns that have a value."""
    if message and message.startswith(b"[{"):
        columns = ("event_id", "client", "amount", "event_time")
        refused = json.loads(message)[1]
        return json.dumps({name: refused[name] for name in columns if name in refused}, separators=(",", ":")).encode()
    return message and message[:EXCERPT_BYTES]


def test_every_bad_event_is_kept_with_its_reason_and_its_origin_and_the_stream_goes_on(stack: Stack) -> None:
    stack.send(event("before"), partition=0)
    stack.send(*(message for message, _ in BAD), partition=0)
    stack.send(event("after"), partition=0)
    stack.stream()
    assert stack.quarantined() == REASONS
    assert stack.totals() == {"ada": (3, Decimal("3.00"))}
    stack.archive()
    version = stack.batch()
    assert (version.accepted, version.duplicates, version.quarantined) == (3, 0, len(BAD))
    assert stack.quarantined() == REASONS
    assert stack.totals() == {"ada": (3, Decimal("3.00"))}
    name = stack.pipeline.topic.name
    assert stack.table("quarantine", "_offset", "_partition", "_topic", "_reason", "_value") == [
        (offset, 0, name, reason, excerpt(message)) for offset, (message, reason) in enumerate(BAD, start=1)
    ]
    assert stack.verify().exact


def test_a_batch_with_too_much_quarantined_is_refused_and_the_version_before_stays(new_stack: NewStack) -> None:
    stack = new_stack(max_quarantined_percent=25)
    stack.send(event("1"), event("2"), event("3"), b"bad")
    assert stack.count_everything().quarantined == 1
    stack.send(event("4"), b"bad", b"bad")
    with pytest.raises(
        QualityError, match="2 of 3 events that are new since version 1 are quarantined, more than the allowed 25 %"
    ):
        stack.count_everything()
    assert stack.rows(f"SELECT version FROM serving.status WHERE pipeline = '{stack.pipeline.name}'") == [(1,)]
    assert stack.totals() == {"ada": (4, Decimal("4.00"))}
    assert stack.quarantined() == {"not_json_objects": 3}
    assert len(stack.table("quarantine", "_offset")) == 1
