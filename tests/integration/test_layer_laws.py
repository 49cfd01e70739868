"""The laws of the merge with the layers themselves, for any duplicates, restarts and cuts."""

from contextlib import ExitStack
from decimal import Decimal

from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from tests.integration.conftest import NewStack, event

# Each example is a dozen Spark jobs and more; to shrink one would take minutes.
LAW = settings(
    max_examples=3,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
NOTHING, RESTART, BATCH, FULL = "nothing", "the streaming job again", "a batch", "a full batch"
Part = tuple[list[tuple[int, int]], str]  # the id and the cents of each event, and what comes after them
PARTS = st.lists(
    st.tuples(
        st.lists(st.tuples(st.integers(0, 5), st.integers(1, 999)), min_size=1, max_size=6),
        st.sampled_from([NOTHING, RESTART, BATCH, FULL]),
    ),
    min_size=3,
    max_size=6,
)


def client(id_: int) -> str:
    """Whose event it is: all events with an id are of one client, and so in one partition."""
    return f"client {id_ % 3}"


def counted(events: list[tuple[int, int]]) -> dict[str, tuple[int, Decimal]]:
    """Count and total of each client, where the first event with an id counts."""
    firsts: dict[int, int] = {}
    for id_, cents in events:
        firsts.setdefault(id_, cents)
    found: dict[str, tuple[int, Decimal]] = {}
    for id_, cents in firsts.items():
        count, total = found.get(client(id_), (0, Decimal(0)))
        found[client(id_)] = count + 1, total + Decimal(cents) / 100
    return found


@LAW
@given(parts=PARTS)
@example(
    parts=[
        ([(0, 100), (1, 200), (0, 900)], BATCH),  # a duplicate within a micro-batch
        ([(0, 900), (2, 300)], RESTART),  # one across a cut
        ([(2, 900), (1, 900), (3, 400)], BATCH),  # one across a restart, and one of an event before the last cut
        ([(3, 900)], FULL),
        ([(3, 900), (4, 500)], NOTHING),
    ]
)
def test_at_every_cut_both_layers_add_up_to_a_count_of_all_events(new_stack: NewStack, parts: list[Part]) -> None:
    stack, sent = new_stack(), list[tuple[int, int]]()
    with ExitStack() as running:
        queries = running.enter_context(stack.streaming())
        for number, (events, after) in enumerate(parts, start=1):
            for id_, cents in events:
                stack.send(event(f"{id_}", client(id_), f"{cents / 100:.2f}"), partition=id_ % 3)
            stack.send(b"broken")
            sent += events
            for query in queries:
                query.processAllAvailable()
            assert (stack.totals(), stack.quarantined()) == (counted(sent), {"not_json_objects": number})
            if after in (BATCH, FULL):
                version = stack.batch(full=after == FULL)
                assert version.accepted == len({id_ for id_, _ in sent})
                assert (stack.totals(), stack.quarantined()) == (counted(sent), {"not_json_objects": number})
            if after == RESTART:
                running.close()
                queries = running.enter_context(stack.streaming())
    assert stack.verify().exact
    stack.batch(full=True)
    assert (stack.totals(), stack.quarantined()) == (counted(sent), {"not_json_objects": len(parts)})
