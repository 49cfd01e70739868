"""The verification finds every row of a lake table that is not what the events give, and names it."""

import shutil
from decimal import Decimal
from urllib.parse import urlsplit

import pytest
from delta.tables import DeltaTable

from app.compute import events_below
from app.findings import Findings
from app.lake import LakeError
from app.postgres import Role
from app.verify_job import show
from app.verify_lake import verify_lake
from app.versions import Versions
from tests.integration.conftest import Stack, event

DAMAGES = {  # table, what is done to it, how many rows differ, then what the table and the recount say of the first
    "a row is gone": ("silver", "DELETE FROM {silver} WHERE event_id = '2'", 1, None, '"amount":2.20'),
    "a row of history is gone": ("silver", "DELETE FROM {silver} WHERE event_id = 'h1'", 1, None, '"_partition":-1'),
    "a row of a dropped file is gone": (
        "silver", "DELETE FROM {silver} WHERE event_id = 'd1'", 1, None, '"_partition":-2',
    ),
    "a quarantined row of a dropped file is gone": (
        "quarantine", "DELETE FROM {quarantine} WHERE _partition = -2", 1, None, '"_partition":-2',
    ),
    "a value is changed": (
        "silver", "UPDATE {silver} SET amount = 9 WHERE event_id = '2'", 1, '"amount":9.00', '"amount":2.20',
    ),
    "a value is gone": (
        "silver", "UPDATE {silver} SET client = null WHERE event_id = '2'", 1, '"client":null', '"client":"bob"',
    ),
    "two columns are swapped": (
        "silver", "UPDATE {silver} SET client = event_id, event_id = client WHERE event_id = '2'", 1,
        '"event_id":"bob","client":"2"', '"event_id":"2","client":"bob"',
    ),
    "two rows are swapped": (
        "silver", "UPDATE {silver} SET event_id = if(event_id = '1', '2', '1') WHERE event_id in ('1', '2')", 2,
        '"event_id":"2"', '"event_id":"1"',
    ),
    "a row is doubled": (
        "silver", "INSERT INTO {silver} SELECT * FROM {silver} WHERE event_id = '2'", 1,
        '"amount":2.20,"event_time"', '"amount":2.20,"event_time"',
    ),
    "a row is doubled and another is gone": (
        "silver", "INSERT OVERWRITE {silver} SELECT * FROM {silver} WHERE event_id <> 'h1' "
        "UNION ALL SELECT * FROM {silver} WHERE event_id = '2'", 2, None, '"event_id":"h1"',
    ),
    "a row of what no batch has counted is there": (
        "silver", "INSERT INTO {silver} SELECT 0, 999, 0, now(), '9', 'eve', 1, now()", 1, '"client":"eve"', None,
    ),
    "a row that is filtered out is there": (
        "large", "INSERT INTO {large} SELECT _partition, _offset, _index, arrival, client, amount FROM {silver} "
        "WHERE event_id = '1'", 1, '"amount":1.10', None,
    ),
    "a quarantined row is gone": ("quarantine", "DELETE FROM {quarantine} WHERE _offset = 2", 1, None, '"_offset":2'),
    "a reason is changed": (
        "quarantine", "UPDATE {quarantine} SET _reason = 'other' WHERE _offset = 2", 1, '"_reason":"other"',
        '"_reason":"not_json_objects"',
    ),
    "a payload is changed": (
        "quarantine", "UPDATE {quarantine} SET _value = binary('x') WHERE _offset = 2", 1, '"_value":"eA=="',
        '"_value":"YnJva2VuIDE="',
    ),
    "a quarantined row is doubled": (
        "quarantine", "INSERT INTO {quarantine} SELECT * FROM {quarantine} WHERE _offset = 2", 1, ' 2 times',
        '"_offset":2',
    ),
    "a row of a view is gone": ("gold", "DELETE FROM {gold} WHERE client = 'bob'", 1, None, '"client":"bob"'),
    "a row of a view is doubled": (
        "gold", "INSERT INTO {gold} SELECT * FROM {gold} WHERE client = 'bob'", 1, ' 2 times', '"client":"bob"',
    ),
    "a row that the view has not is there": (
        "gold", "INSERT INTO {gold} SELECT 'eve', count, total, mean, min, max, _version FROM {gold} "
        "WHERE client = 'bob'", 1,
        '"client":"eve"', None,
    ),
    "a value of a view is changed": (
        "gold", "UPDATE {gold} SET count = 9 WHERE client = 'bob'", 1, '"count":9', '"count":1',
    ),
    "a value of a view is gone": (
        "gold", "UPDATE {gold} SET total = null WHERE client = 'bob'", 1, '"total":null', '"total":2.20',
    ),
    "a row of a view says that it is of another version": (
        "gold", "UPDATE {gold} SET _version = 1 WHERE client = 'bob'", 1, '"_version":1', '"_version":2',
    ),
}  # fmt: skip


def test_every_damage_is_found_and_named(counted: Stack) -> None:
    names = {name: f"delta.`{counted.lake.path(name)}`" for name in ("silver", "large", "quarantine", "gold")}
    for damage, (table, statement, rows, held, recount) in DAMAGES.items():
        delta = DeltaTable.forPath(counted.spark, counted.lake.path(table))
        before = delta.history(1).collect()[0]["version"]
        counted.spark.sql(statement.format(**names))

        found = _verified(counted)

        assert found.differing == {table: rows}, damage
        first, *others = found.differences
        assert (first.name, len(others)) == (table, rows - 1), damage
        assert _says(first.held, held), (damage, first)
        assert _says(first.recount, recount), (damage, first)
        delta.restoreToVersion(before)
    assert _verified(counted).exact


def _verified(stack: Stack) -> Findings:
    """What the verification finds of the lake tables alone."""
    with stack.working(Role.BATCH) as ledger:
        published = Versions(ledger).published()
        assert published is not None
        return verify_lake(stack.lake, ledger, stack.settings, published.cut)


def test_a_damage_is_shown_and_is_not_exact(counted: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    silver = f"delta.`{counted.lake.path('silver')}`"
    counted.spark.sql(f"INSERT INTO {silver} SELECT * FROM {silver} WHERE event_id = '2'")

    verdict = counted.verify()

    assert (verdict.exact, verdict.views.exact) == (False, True)
    (found,) = verdict.lake.differences
    assert found.held == f"{found.recount} 2 times"
    show(verdict)
    name = f"{counted.pipeline.name}/silver"
    said = capsys.readouterr().err
    assert said == (f"verify: NOT exact: {name}: 1 rows differ\n  {name}: lake {found.held}, recount {found.recount}\n")


def _says(text: str | None, expected: str | None) -> bool:
    return text is None if expected is None else text is not None and expected in text


def test_of_many_rows_that_differ_twenty_are_named_and_a_large_message_is_not_shown_whole(stack: Stack) -> None:
    stack.send(*(event(f"{number:02}") for number in range(30)), b"x" * 100_000, partition=0)
    stack.count_everything()
    for table in ("silver", "quarantine"):
        DeltaTable.forPath(stack.spark, stack.lake.path(table)).delete("_offset > 4")

    verdict = stack.verify()

    assert verdict.lake.differing == {"silver": 25, "quarantine": 1}
    named = [found.recount or "" for found in verdict.lake.differences]
    assert [text[:30] for text in named[:20]] == [
        f'{{"_partition":0,"_offset":{n},"_index":0'[:30] for n in range(5, 25)
    ]
    assert len(named) == 21
    assert '"_offset":30' in named[20]
    assert len(named[20]) == 500


def test_a_table_that_is_gone_lacks_every_row(counted: Stack) -> None:
    shutil.rmtree(urlsplit(counted.lake.path("silver")).path)

    verdict = counted.verify()

    assert (verdict.lake.rows["silver"], verdict.lake.differing) == (0, {"silver": 5})


def test_tables_that_are_older_than_the_published_version_lack_rows(stack: Stack) -> None:
    stack.send(event("1"))
    older = stack.count_everything().cut
    stack.send(event("2"), b"broken")
    stack.count_everything()
    stack.lake.derive(events_below(stack.lake, stack.pipeline, older), None, older)

    verdict = stack.verify()

    assert verdict.lake.rows == {"silver": 1, "quarantine": 0}
    assert verdict.lake.differing == {"silver": 1, "quarantine": 1}


def test_a_table_with_other_columns_is_refused(stack: Stack) -> None:
    stack.send(event("1"))
    stack.count_everything()
    stack.spark.sql(f"ALTER TABLE delta.`{stack.lake.path('silver')}` ADD COLUMN note string")
    with pytest.raises(
        LakeError, match=r"silver of .* has the columns .*, note string; expected: .*event_time timestamp\."
    ):
        stack.verify()
    stack.batch(full=True)
    assert stack.verify().exact


def test_what_others_note_on_their_commits_is_not_taken_for_a_cut(stack: Stack) -> None:
    stack.send(event("1"), event("2", amount="2.20"))
    stack.count_everything()
    silver = stack.spark.read.format("delta").load(stack.lake.path("silver"))
    writer = silver.write.format("delta").mode("overwrite").option("userMetadata", "compacted")
    writer.save(stack.lake.path("silver"))
    assert stack.verify().exact
    assert stack.table("silver", "amount") == [(Decimal("1.00"),), (Decimal("2.20"),)]
