"""The merged view equals a recount: late events, duplicates, cuts."""

from decimal import Decimal

from tests.integration.conftest import Stack, event


def test_speed_alone_counts_every_event_once(stack: Stack) -> None:
    stack.send(event("1", "ada", "1.10"), event("2", "ada", "2.20"), event("3", "bob", "5.00"))
    stack.stream()
    assert stack.totals() == {"ada": (2, Decimal("3.30")), "bob": (1, Decimal("5.00"))}


def test_batch_and_speed_add_up_across_a_cut(stack: Stack) -> None:
    stack.send(event("1", "ada", "1.10"))
    stack.stream()
    stack.archive()
    version = stack.batch()
    stack.send(event("2", "ada", "2.20"))
    stack.stream()
    stack.archive()
    assert (version.version, version.mode, version.accepted) == (1, "full", 1)
    assert stack.totals() == {"ada": (2, Decimal("3.30"))}
    verdict = stack.verify()
    assert verdict.exact
    assert verdict.rows == {"clients": 1, "quarantine": 0}


def test_an_incremental_batch_gives_what_a_full_one_gives(stack: Stack) -> None:
    for number in range(3):
        stack.send(event(f"{number}", "ada", f"{number}.50"), event(f"b{number}", "bob", "1.00"), b"broken")
        stack.stream()
        stack.archive()
        version = stack.batch()
    assert version.mode == "incremental"
    incremental = (stack.totals(), stack.quarantined())
    assert stack.batch(full=True).mode == "full"
    assert (stack.totals(), stack.quarantined()) == incremental
    assert incremental == ({"ada": (3, Decimal("4.50")), "bob": (3, Decimal("3.00"))}, {"not_json_objects": 3})
    assert stack.verify().exact


def test_a_duplicate_within_the_horizon_counts_once(stack: Stack) -> None:
    stack.send(event("1"), event("1"))
    stack.stream()
    stack.send(event("1"))
    stack.stream()
    assert stack.totals() == {"ada": (1, Decimal("1.00"))}


def test_a_duplicate_across_a_cut_counts_once(stack: Stack) -> None:
    stack.send(event("1"))
    stack.stream()
    stack.archive()
    stack.batch()
    stack.send(event("1"))
    stack.stream()
    stack.archive()
    assert stack.totals() == {"ada": (1, Decimal("1.00"))}
    assert stack.verify().exact
    stack.batch()
    assert stack.totals() == {"ada": (1, Decimal("1.00"))}
