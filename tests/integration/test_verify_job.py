"""What `./scripts/verify` says and ends with, and the instant that it looks at."""

import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from app import verify
from app.relations import relations
from embedded.process import free_port
from tests.integration.conftest import Stack, event
from tests.integration.test_kill import SECONDS, submitted


def test_a_view_that_differs_ends_the_command_with_exit_code_1_and_its_keys(stack: Stack, tmp_path: Path) -> None:
    stack.send(event("1", "ada", "1.10"), event("2", "bob", "2.20"))
    stack.count_everything()
    stack.send(event("3", "cyd", "3.30"))
    stack.stream()
    stack.archive()
    clients, *_ = relations(stack.pipeline)
    stack.owner(f"UPDATE speed.{clients.name} SET count = count + 1 WHERE client = 'cyd'")
    stack.owner(f"UPDATE batch.{clients.name} SET sum_amount = 0 WHERE client = 'bob'")

    nowhere = f"thrift://127.0.0.1:{free_port()}"
    with submitted(stack, "verify", "verify.py", tmp_path, HIVE_METASTORE_URI=nowhere) as job:
        code = job.wait(SECONDS)

    said, name = (tmp_path / "log").read_text(), stack.pipeline.name
    assert code == 1, said
    assert f"verify: NOT exact: {name}.clients: 2 rows differ" in said
    found = re.findall(rf"^  {name}\.clients: merged (.*), recount (.*)$", said, re.MULTILINE)
    assert sorted(re.findall("ada|bob|cyd", " ".join(sides)) for sides in found) == [["bob"] * 2, ["cyd"] * 2]
    assert f"verify: exact {name}.quarantine: 0 rows" in said
    # A metastore that does not answer is one line, which says what to do, and nothing of Java's own.
    assert said.count("Start the metastore at HIVE_METASTORE_URI") == 1
    assert not re.search(r" WARN |^\tat ", said, re.MULTILINE), said


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
