"""Names that a definition may have work in Spark, Delta, Hive, Parquet and Postgres; those that are taken do not."""

from typing import Any
from unittest.mock import patch

import pytest
from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException

from app import naming
from app.external import create_database
from app.model import Alert, Column, Count, Dedup, LakeTable, Latest, Max, Rollup, Sum, TopN, View
from backend import close, create_app
from tests.integration.backend.conftest import get
from tests.integration.conftest import NOW, NewStack, Stack

# Words of SQL, and what our statements and frames call things.
KEYS = (
    "all", "and", "array", "as", "case", "change", "column", "end", "false", "from", "group", "index", "interval", "is",
    "item", "kept", "key", "merged", "recount", "offset", "order", "part", "partition", "row", "rows", "select",
    "table", "timestamp", "user", "value",
)  # fmt: skip
OTHERS = (
    "layer", "limit", "sort", "after", "shaped", "found", "in", "increment", "increments", "like", "member", "message",
    "not", "null", "old", "on", "or", "position", "segment", "source", "states", "struct", "topic", "true", "values",
    "version", "view", "where",
)  # fmt: skip
TYPES = dict.fromkeys((*KEYS, *OTHERS, "id"), "string") | {"when": "timestamp", "number": "int"}


def test_any_name_that_is_not_taken_works_everywhere(new_stack: NewStack) -> None:
    top = TopN("with", (*KEYS, *OTHERS), by="when", n=2)
    measures = Count("having"), Sum("union", of="number"), Max("desc", of="when"), Latest(OTHERS, by="when"), top
    stack = new_stack(
        columns=tuple(Column(*column) for column in TYPES.items()), event_time="when",
        checks=(), dedup=Dedup("id", "1 hour"),
        views=(
            View("order", KEYS, measures, indexes=("having", "user")),
            Alert("case", KEYS, of="number", above=0, readings=1, below=0, columns=OTHERS),
        ),
        rollups=(Rollup("by", "order", ("order", "change"), (Count("limit"), Sum("sum", of="union"))),),
        lake=(LakeTable("select"), LakeTable("table", view="order"), LakeTable("all", format="parquet")),
    )  # fmt: skip
    for number in (1, 2):
        words = {name: name for name in (*KEYS, *OTHERS)} | {"when": NOW, "number": number, "id": f"{number}"}
        stack.send(words)
        stack.count_everything()
    name = stack.pipeline.name
    stack.write_parquet()

    shown = '"user", "having", "union", "limit", jsonb_array_length("with")'
    assert stack.rows(f"SELECT {shown} FROM serving.{name}_order") == [("user", 2, 3, "limit", 2)]
    assert stack.rows(f'SELECT change, alert, "after" FROM serving.{name}_case') == [("change", True, "after")]
    assert stack.rows(f'SELECT "order", change, "limit", sum FROM serving.{name}_by') == [("order", "change", 1, 3)]
    assert [row["from"] for row in stack.spark.sql(f"SELECT `from` FROM {name}.`all`").collect()] == ["from"] * 2
    assert [row["view"] for row in stack.spark.sql(f"SELECT view FROM {name}.`select`").collect()] == ["view"] * 2
    with patch("app.pipelines.select", return_value=[stack.pipeline]):
        api = create_app(stack.settings)
    (row,) = get(api.test_client(), f"/pipelines/{name}/views/order", item="item", user="user", sort="-having").body[
        "rows"
    ]
    close(api)
    assert (row["shaped"], row["found"], row["having"], row["with"][0]["limit"]) == ("shaped", "found", 2, "limit")
    assert stack.verify().exact


def test_the_columns_that_are_taken_are_those_of_every_table_of_postgres(stack: Stack) -> None:
    found = stack.owner("SELECT attname FROM pg_attribute WHERE attrelid = 'tidemark.version'::regclass AND attnum < 0")

    assert sorted(name for (name,) in found) == sorted(naming.SYSTEM_COLUMNS)


def test_the_databases_that_are_taken_are_there_or_cannot_be_made(stack: Stack) -> None:
    catalog: Any = stack.spark._jsparkSession.sharedState().externalCatalog()
    for name in naming.DATABASES:
        if not catalog.databaseExists(name):
            with pytest.raises((Py4JJavaError, PySparkException)):
                stack.spark.sql(create_database(name, f"{stack.lake.root}/{name}"))
    there = {row[0] for row in stack.spark.sql("SHOW DATABASES").collect()}
    assert {name for name in there if not name.startswith("test")} == {"default"}
