"""The Hive tables of Parquet files, as SQL."""

from dataclasses import replace
from pathlib import Path

from app.create_tables import script
from app.external import columns, create_table, literal
from app.model import LakeTable
from app.pipelines.transactions import PIPELINE

SCRIPT = Path(__file__).parents[2] / "hive/create_tables.hql"


def test_the_script_is_made_of_the_definitions() -> None:
    assert SCRIPT.read_text() == script(), "run: python -m app.create_tables > hive/create_tables.hql"


def test_a_table_has_the_position_and_the_columns_that_it_names() -> None:
    table = LakeTable("few", columns=("amount", "event_id"), format="parquet")
    pipeline = replace(PIPELINE, lake=(table,))

    assert columns(pipeline, table)[3:] == [
        ("arrival", "timestamp"), ("amount", "decimal(12,2)"), ("event_id", "string")
    ]  # fmt: skip
    statement = create_table(pipeline, table, "file:/ada's lake")
    assert statement.startswith("CREATE EXTERNAL TABLE IF NOT EXISTS `transactions`.`few` (\n    `_partition` int,")
    assert statement.endswith("PARTITIONED BY (`date` date)\nSTORED AS PARQUET\nLOCATION 'file:/ada\\'s lake'")


def test_a_text_is_quoted_as_spark_and_hive_read_it() -> None:
    assert literal("a'b\\c") == "'a\\'b\\\\c'"
