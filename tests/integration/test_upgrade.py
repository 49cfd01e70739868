"""A release that computes something else from the same definitions, on a stack that runs."""

from decimal import Decimal

import pytest

import app.model
from app.ledger import DefinitionReplaced
from app.pipelines.transactions import PIPELINE
from tests.faults.definition import KEPT
from tests.integration.conftest import NewStack, event


@pytest.mark.parametrize("views", [PIPELINE.views, KEPT], ids=["merged when read", "kept as a table"])
def test_the_old_answer_is_served_until_the_first_batch_of_a_release_with_other_semantics(
    new_stack: NewStack, monkeypatch: pytest.MonkeyPatch, views: object
) -> None:
    monkeypatch.setattr(app.model, "SEMANTICS", 1)
    old = new_stack(views=views)
    old.send(event("1", amount="1.00"), b"broken")
    old.count_everything()
    old.send(event("2", amount="2.00"))
    old.stream()
    monkeypatch.undo()

    new = old.define()  # as ./scripts/migrate does, while the old release still runs
    before = {"ada": (2, Decimal("3.00"))}
    assert new.pipeline == old.pipeline
    assert new.pipeline.fingerprint != old.pipeline.fingerprint
    assert new.totals() == before
    old.send(event("3", amount="4.00"))
    old.stream()
    last = {"ada": (3, Decimal("7.00"))}
    assert new.totals() == last
    new.send(event("4", amount="8.00"), event("1"))
    new.stream()  # counts into tables of its own, from where the old release stood when it was registered
    new.archive()
    assert (new.totals(), new.quarantined()) == (last, {"not_json_objects": 1})
    shown: list[object] = []
    version = new.batch(before_publish=lambda: shown.append(new.totals()))

    assert shown == [last]
    assert (version.mode, version.accepted, version.duplicates, version.quarantined) == ("full", 4, 1, 1)
    assert (new.totals(), new.quarantined()) == ({"ada": (4, Decimal("15.00"))}, {"not_json_objects": 1})
    assert new.verify().exact
    with pytest.raises(DefinitionReplaced):
        old.stream()
    new.send(event("5", amount="16.00"))
    new.stream()
    new.archive()
    assert new.totals() == {"ada": (5, Decimal("31.00"))}
    assert new.batch().mode == "incremental"
    assert new.totals() == {"ada": (5, Decimal("31.00"))}
    assert new.verify().exact
