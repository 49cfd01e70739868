"""The instant that the verification looks at."""

from decimal import Decimal
from typing import Any

import pytest

from app import verify
from tests.integration.conftest import Stack, event


def test_ledger_and_views_are_of_one_instant_while_events_are_counted(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack.send(event("1", "ada", "1.10"))
    stack.count_everything()
    instant = verify._instant

    def counted_in_between(*given: Any) -> verify.Instant:
        found = instant(*given)
        stack.send(event("2", "ada", "2.20"))
        stack.stream()
        return found

    monkeypatch.setattr(verify, "_instant", counted_in_between)
    verdict = stack.verify()

    assert stack.totals() == {"ada": (2, Decimal("3.30"))}
    assert (verdict.exact, verdict.counts.accepted) == (True, 1)
