"""The verification finds every row of a lake table that is not what the events give, and names it."""

import shutil
from base64 import b64encode
from decimal import Decimal
from urllib.parse import urlsplit

import pytest
from delta.tables import DeltaTable
from kafka import KafkaAdminClient, TopicPartition
from pyspark.sql import functions as F

from app import losses
from app.compute import events_below
from app.findings import Difference, Findings
from app.lake import Lake, LakeError
from app.postgres import Role
from app.verify_bronze import verify_bronze
from app.verify_job import show
from app.verify_lake import verify_lake
from app.versions import Versions
from tests.integration.conftest import Stack, event


def _payload(value: bytes) -> str:
    return f'"_value":"{b64encode(value).decode()}"'


TABLES = ("silver", "large", "quarantine", "gold")
EVENTS = ("gone", "changed", "emptied", "swapped", "left", "right", "doubled")
BROKEN = (b"gone", b"other reason", b"other payload", b"doubled")
DAMAGES: dict[str, tuple[str, str, dict[str | None, str | None]]] = {
    # table, what is done to a row of it that is touched by nothing else, what the table and the recount say of it then
    "a row is gone": ("silver", "DELETE FROM {silver} WHERE client = 'gone'", {None: '"event_id":"id gone"'}),
    "a row of history is gone": (
        "silver", "DELETE FROM {silver} WHERE event_id = 'h1'", {None: '{"_partition":-1,'},
    ),
    "a row of a dropped file is gone": (
        "silver", "DELETE FROM {silver} WHERE event_id = 'd1'", {None: '"_partition":-2,'},
    ),
    "a value is changed": (
        "silver", "UPDATE {silver} SET amount = 9 WHERE client = 'changed'",
        {'"client":"changed","amount":9.00': '"client":"changed","amount":1.00'},
    ),
    "a value is gone": (
        "silver", "UPDATE {silver} SET client = null WHERE client = 'emptied'",
        {'"event_id":"id emptied","client":null': '"event_id":"id emptied","client":"emptied"'},
    ),
    "two columns are swapped": (
        "silver", "UPDATE {silver} SET client = event_id, event_id = client WHERE client = 'swapped'",
        {'"event_id":"swapped","client":"id swapped"': '"event_id":"id swapped","client":"swapped"'},
    ),
    "two rows are swapped": (
        "silver", "UPDATE {silver} SET event_id = if(client = 'left', 'id right', 'id left') "
        "WHERE client in ('left', 'right')",
        {'"event_id":"id right","client":"left"': '"event_id":"id left","client":"left"',
         '"event_id":"id left","client":"right"': '"event_id":"id right","client":"right"'},
    ),
    "a row is doubled": (
        "silver", "INSERT INTO {silver} SELECT * FROM {silver} WHERE client = 'doubled'",
        {'"client":"doubled","amount":1.00': '"client":"doubled","amount":1.00'},
    ),
    "a row of what no batch has counted is there": (
        "silver", "INSERT INTO {silver} SELECT 0, 999, 0, now(), '9', 'eve', 1, now()", {'"client":"eve"': None},
    ),
    "a row that is filtered out is there": (
        "large", "INSERT INTO {large} SELECT _partition, _offset, _index, arrival, client, amount FROM {silver} "
        "WHERE event_id = '1'", {'"amount":1.10': None},
    ),
    "a quarantined row is gone": (
        "quarantine", "DELETE FROM {quarantine} WHERE _value = binary('gone')", {None: _payload(b"gone")},
    ),
    "a quarantined row of a dropped file is gone": (
        "quarantine", "DELETE FROM {quarantine} WHERE _partition = -2", {None: '"_partition":-2,'},
    ),
    "a reason is changed": (
        "quarantine", "UPDATE {quarantine} SET _reason = 'other' WHERE _value = binary('other reason')",
        {'"_reason":"other"': '"_reason":"not_json_objects"'},
    ),
    "a payload is changed": (
        "quarantine", "UPDATE {quarantine} SET _value = binary('x') WHERE _value = binary('other payload')",
        {_payload(b"x"): _payload(b"other payload")},
    ),
    "a quarantined row is doubled": (
        "quarantine", "INSERT INTO {quarantine} SELECT * FROM {quarantine} WHERE _value = binary('doubled')",
        {_payload(b"doubled"): _payload(b"doubled")},
    ),
    "a row of a view is gone": ("gold", "DELETE FROM {gold} WHERE client = 'gone'", {None: '"client":"gone"'}),
    "a row of a view is doubled": (
        "gold", "INSERT INTO {gold} SELECT * FROM {gold} WHERE client = 'doubled'",
        {'"client":"doubled"': '"client":"doubled"'},
    ),
    "a row that the view has not is there": (
        "gold", "INSERT INTO {gold} SELECT 'eve', count, total, mean, min, max, _version FROM {gold} "
        "WHERE client = 'left'", {'"client":"eve"': None},
    ),
    "a value of a view is changed": (
        "gold", "UPDATE {gold} SET count = 9 WHERE client = 'changed'",
        {'"client":"changed","count":9': '"client":"changed","count":1'},
    ),
    "a value of a view is gone": (
        "gold", "UPDATE {gold} SET total = null WHERE client = 'emptied'",
        {'"client":"emptied","count":1,"total":null': '"client":"emptied","count":1,"total":1.00'},
    ),
    "a row of a view says that it is of another version": (
        "gold", "UPDATE {gold} SET _version = 1 WHERE client = 'right'", {'"_version":1': '"client":"right"'},
    ),
}  # fmt: skip


def test_every_damage_is_found_and_named(counted: Stack) -> None:
    counted.send(*(event(f"id {client}", client) for client in EVENTS), *BROKEN, partition=0)
    counted.count_everything()
    assert _verified(counted).exact
    names = {name: f"delta.`{counted.lake.path(name)}`" for name in TABLES}
    for _, damage, _ in DAMAGES.values():
        counted.spark.sql(damage.format(**names))

    found = _verified(counted)

    for damage, (table, _, sides) in DAMAGES.items():
        for held, recount in sides.items():
            of_table = [one for one in found.differences if one.name == table]
            named = [one for one in of_table if _says(one.held, held) and _says(one.recount, recount)]
            assert len(named) == 1, (damage, of_table)
            if held == recount:
                assert (named[0].held or "").endswith(" 2 times"), damage
    assert found.differing == {
        name: sum(len(sides) for of, _, sides in DAMAGES.values() if of == name) for name in TABLES
    }


def _verified(stack: Stack) -> Findings:
    """What the verification finds of the lake tables alone."""
    with stack.working(Role.BATCH) as ledger:
        published = Versions(ledger).published()
        assert published is not None
        return verify_lake(stack.lake, ledger, stack.settings, published.cut)


def of_bronze(stack: Stack) -> list[Difference]:
    """What the verification finds of the master dataset, against its notes and against Kafka."""
    findings = Findings()
    with stack.working(Role.BATCH) as ledger:
        verify_bronze(stack.lake, ledger, stack.settings, findings)
    return findings.differences


def damaged(stack: Stack, statement: str) -> None:
    bronze = f"delta.`{stack.lake.path('bronze')}`"
    stack.spark.sql(f"ALTER TABLE {bronze} SET TBLPROPERTIES (delta.appendOnly = false)")
    stack.spark.sql(statement.format(bronze))


def test_a_message_that_the_master_dataset_lacks_or_holds_twice_is_named(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.verify_kafka.MESSAGES", 2)  # in three parts
    monkeypatch.setattr("app.log.POLLED", 1)
    stack.send(*(event(str(number)) for number in range(5)), partition=0)
    stack.stream()
    stack.archive()
    assert of_bronze(stack) == []
    stack.append(stack.lake.bronze().filter("offset = 4"))
    damaged(stack, "DELETE FROM {} WHERE offset IN (1, 2)")

    found = of_bronze(stack)

    where = "partition 0, offsets 0 to 4"
    assert found == [
        Difference("bronze", "partition 0, offset 4, more than once", "partition 0, offset 4"),
        Difference("bronze", f"{where}: 3 messages", f"{where}: 5 messages were written"),
        Difference("bronze", None, "partition 0, offset 1, which Kafka has"),
        Difference("bronze", None, "partition 0, offset 2, which Kafka has"),
    ]


def test_a_message_that_is_lost_is_missed_when_kafka_has_deleted_it_and_among_many_appends(stack: Stack) -> None:
    for number in range(3):
        stack.send(event(f"{number}"), event(f"b{number}"), partition=0)
        stack.archive()
        if number == 0:  # another process counts what this one has read last
            stack.lake = Lake(stack.spark, stack.settings.lake_path, stack.pipeline)
    with KafkaAdminClient(bootstrap_servers=stack.settings.kafka_bootstrap_servers) as admin:
        admin.delete_records({TopicPartition(stack.pipeline.topic.name, 0): 6})
    assert of_bronze(stack) == []
    damaged(stack, "DELETE FROM {} WHERE offset = 1")
    first, last = "partition 0, offsets 0 to 3", "partition 0, offsets 4 to 5"
    of_ranges = Difference("bronze", f"{first}: 3 messages", f"{first}: 4 messages were read")
    assert of_bronze(stack) == [of_ranges]
    damaged(stack, "DELETE FROM {} WHERE offset = 5")
    assert of_bronze(stack) == [
        of_ranges,
        Difference("bronze", f"{last}: 1 messages", f"{last}: 2 messages were written"),
    ]
    stack.lake = Lake(stack.spark, stack.settings.lake_path, stack.pipeline)  # another process
    with pytest.raises(LakeError, match=r"holds 1 messages of its last append, .* which has written 2\. Put .*bronze"):
        stack.append(stack.lake.bronze().limit(0), {0: 7})


def test_a_row_that_no_append_has_read_and_a_range_that_none_has_are_named(stack: Stack) -> None:
    stack.send(event("1"), partition=0)
    stack.archive()
    stack.append(stack.lake.bronze().withColumn("offset", F.lit(7).cast("long")))
    assert of_bronze(stack) == [Difference("bronze", "partition 0, offset 7, which no append has read", None)]
    with stack.working(Role.BATCH) as ledger:
        stack.lake.append(stack.lake.bronze().limit(0), ledger, {0: 12}, {0: 10})
    hole = Difference("bronze", None, "partition 0, offsets 1 to 9")
    assert of_bronze(stack)[1:] == [hole]
    with stack.working(Role.SPEED) as ledger:
        losses.record(ledger, "archive", {0: (1, 3)})
        losses.record(ledger, "archive", {0: (3, 10)})
    assert hole not in of_bronze(stack)


def test_the_rows_of_a_release_without_notes_follow_each_other(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    stack.send(*(event(str(number)) for number in range(4)), partition=0)
    monkeypatch.setattr("app.master.spans", lambda *_: {})
    stack.archive()
    monkeypatch.undo()
    assert of_bronze(stack) == []
    stack.send(event("4"), partition=0)
    stack.archive()
    stack.archive()
    assert of_bronze(stack) == []
    damaged(stack, "DELETE FROM {} WHERE offset = 2")
    assert of_bronze(stack) == [
        Difference("bronze", None, "partition 0, offsets 2 to 2"),
        Difference("bronze", None, "partition 0, offset 2, which Kafka has"),
    ]


def test_a_damage_is_shown_and_is_not_exact_and_a_table_that_is_gone_lacks_every_row(
    counted: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
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
    shutil.rmtree(urlsplit(counted.lake.path("silver")).path)
    verdict = counted.verify()
    assert (verdict.lake.rows["silver"], verdict.lake.differing) == (0, {"silver": 5})


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


def test_tables_that_are_older_than_the_published_version_lack_rows(stack: Stack) -> None:
    stack.send(event("1"))
    older = stack.count_everything().cut
    stack.send(event("2"), b"broken")
    stack.count_everything()
    stack.lake.derive(events_below(stack.lake, stack.pipeline, older), None, older, 0)

    verdict = stack.verify()

    assert verdict.lake.rows == {"bronze": 3, "silver": 1, "quarantine": 0}
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
