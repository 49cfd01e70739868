"""A pipeline is found by its name, is known by what it computes, and is read without Spark."""

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from pydantic.dataclasses import dataclass

import app.model
from app import pipelines
from app.declared import STRICT
from app.pipelines import WrongDefinition

m: Any = app.model
HOME = Path(__file__).resolve().parents[2]
AMOUNT = m.Column("amount", "decimal(12,2)")
VIEW = m.View("kinds", ("kind",), (m.Count("events"), m.Sum("total", of="amount")), "By kind")
PIPELINE = m.Pipeline(
    name="sales",
    description="Sales",
    topic=m.Topic("sales", partitions=3),
    columns=(m.Column("id", "string"), m.Column("at", "timestamp"), m.Column("kind", "string"), AMOUNT),
    event_time="at",
    checks=(m.Check("positive", "amount > 0"),),
    dedup=m.Dedup("id", "1 hour"),
    history=("datasets/sales.json",),
    lake=(m.LakeTable("silver", where="amount > 1"),),
    views=(VIEW,),
)
ROLLUP = m.Rollup("all", "kinds", (), (m.Min("n", of="events"),), most=1)
ALERT = m.Alert("high", ("kind",), of="amount", above=2, readings=1, below=1, columns=("at",))
PARQUET = m.LakeTable("newest", format="parquet", endpoint="sold", filters=("kind",))


def columns(amount: Any) -> dict[str, Any]:
    return {"columns": (*PIPELINE.columns[:-1], amount)}


def view(**changes: Any) -> dict[str, Any]:
    return {"views": (replace(VIEW, **changes),)}


SAME: dict[str, dict[str, Any]] = {
    "the description": {"description": "Something else"},
    "a view's description": view(description="Something else"),
    "the partitions": {"topic": m.Topic("sales", 30)},
    "the history": {"history": ()},
    "dropped files": {"drops": True},
    "an example": {"examples": (m.Example("{}", reason="missing_id"),)},
    "the limit of the quarantine": {"max_quarantined_percent": 1},
    "how fresh it should be": {"fresh_within": "1 hour", "batch_within": "1 day"},
    "a chart": {"charts": (m.Bars("kinds", "kind", "events"),)},
    "what is said at its default": {"rollups": (), "dedup": m.Dedup(id="id", horizon="1 hour"), "drops": False},
}
OTHER: dict[str, dict[str, Any]] = {
    "the name": {"name": "purchases"},
    "the topic": {"topic": m.Topic("purchases", 3)},
    "a column more": {"columns": (*PIPELINE.columns, m.Column("note", "string"))},
    "a column's type": columns(replace(AMOUNT, type="decimal(12,3)")),
    "a column's cleaning": columns(replace(AMOUNT, clean="abs(amount)")),
    "what is required": columns(replace(AMOUNT, required=False)),
    "a check": {"checks": (m.Check("positive", "amount >= 0"),)},
    "a check that is written in another way": {"checks": (m.Check("positive", "(amount > 0)"),)},
    "a reason": {"checks": (m.Check("negative", "amount > 0"),)},
    "no check": {"checks": ()},
    "the horizon": {"dedup": m.Dedup("id", "2 hours")},
    "no dedup": {"dedup": None},
    "a filter of the lake": {"lake": (m.LakeTable("silver", where="amount > 2"),)},
    "a lake table of a view": {"lake": (m.LakeTable("silver", view="kinds"),)},
    "a measure's kind": view(measures=(m.Count("events"), m.Max("total", of="amount"))),
    "another kind of the same fields": view(measures=(m.Count("events"), m.Min("total", of="amount"))),
    "a measure's name": view(measures=(m.Count("events"), m.Sum("sum", of="amount"))),
    "a key": view(keys=("kind", "id")),
    "no key": view(keys=()),
    "a tumbling window": view(keys=(m.Tumbling("1 hour"),)),
    "a longer window": view(keys=(m.Tumbling("2 hours"),)),
    "a sliding window": view(keys=(m.Sliding("2 hours", "1 hour"),)),
    "a sliding window that slides by its length": view(keys=(m.Sliding("1 hour", "1 hour"),)),
    "an index": view(indexes=("kind",)),
    "a rollup": {"rollups": (ROLLUP,)},
    "another rollup": {"rollups": (replace(ROLLUP, most=2),)},
    "another kind of rollup": {"rollups": (replace(ROLLUP, measures=(m.Max("n", of="events"),)),)},
    "a derived column": {"columns": (*PIPELINE.columns, m.Derived("note", "string", "kind"))},
    "an alert": {"views": (VIEW, ALERT)},
    "an alert above another limit": {"views": (VIEW, replace(ALERT, above=3))},
    "a Parquet table": {"lake": (m.LakeTable("silver", where="amount > 1", format="parquet"),)},
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder in which pipelines are looked for too."""
    monkeypatch.setattr(pipelines, "__path__", [*pipelines.__path__, str(tmp_path)])
    monkeypatch.setattr(pipelines, "_found", cache(pipelines._found.__wrapped__))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def in_another_process(program: str, seed: int) -> Any:
    """What a program prints as JSON, run by a Python with a hash seed of its own."""
    environment = os.environ | {"PYTHONHASHSEED": str(seed), "PYTHONPATH": str(HOME)}
    command = [sys.executable, "-c", program]
    return json.loads(subprocess.run(command, env=environment, capture_output=True, timeout=60, check=True).stdout)


@pytest.mark.parametrize("change", SAME)
def test_the_fingerprint_stays_when_what_is_computed_does(change: str) -> None:
    assert replace(PIPELINE, **SAME[change]).fingerprint == PIPELINE.fingerprint


@pytest.mark.parametrize("change", OTHER)
def test_the_fingerprint_is_another_when_something_else_is_computed(change: str) -> None:
    assert replace(PIPELINE, **OTHER[change]).fingerprint != PIPELINE.fingerprint


@pytest.mark.parametrize(
    ("other", "same"),
    [
        ({"lake": (PARQUET,)}, {"lake": (replace(PARQUET, endpoint=None, filters=()),)}),
        ({"rollups": (ROLLUP,)}, {"rollups": (replace(ROLLUP, description="Something else"),)}),
        ({"views": (VIEW, ALERT)}, {"views": (VIEW, replace(ALERT, description="Something else"))}),
        (columns(AMOUNT), columns(m.Column("amount", "decimal(12,2)", clean=None, required=True))),
        (view(), {"views": (m.View("kinds", ("kind",), VIEW.measures, description="", indexes=()),)}),
    ],
)
def test_what_readers_see_beside_the_rows_and_defaults_take_no_part_in_it(
    other: dict[str, Any], same: dict[str, Any]
) -> None:
    assert replace(PIPELINE, **other).fingerprint == replace(PIPELINE, **same).fingerprint


def longer(kind: Any) -> Any:
    """A kind of part as a later release may have it: with one more field, which has a default."""
    made = type(kind.__name__, (kind,), {"__annotations__": {"later": Any}, "later": None})
    return dataclass(frozen=True, config=STRICT)(made)


LATER = {kind: longer(kind) for kind in (m.Topic, m.Column, m.Check, m.Dedup, m.LakeTable, m.View, m.Count, m.Rollup)}


def of_later(part: Any, changed: Any = None) -> Any:
    """The same part as a later release may declare it, and all parts of it; one that equals `changed` has more."""
    if isinstance(part, tuple):
        return tuple(of_later(one, changed) for one in part)
    if type(part) not in LATER:
        return part
    given = {field.name: of_later(getattr(part, field.name), changed) for field in dataclasses.fields(part)}
    return LATER[type(part)](**given, later=True if part == changed else None)


def changed_in(part: Any) -> dict[str, Any]:
    whole = replace(PIPELINE, rollups=(ROLLUP,))
    return {field.name: of_later(getattr(whole, field.name), part) for field in dataclasses.fields(whole)}


def test_a_new_field_at_its_default_changes_no_fingerprint_in_any_part() -> None:
    assert m.Pipeline(**changed_in(None)).fingerprint == replace(PIPELINE, rollups=(ROLLUP,)).fingerprint


def test_a_new_field_of_a_pipeline_at_its_default_changes_no_fingerprint() -> None:
    own = {field.name: getattr(PIPELINE, field.name) for field in dataclasses.fields(PIPELINE)}

    assert longer(m.Pipeline)(**own).fingerprint == PIPELINE.fingerprint
    assert longer(m.Pipeline)(**own, later=1).fingerprint != PIPELINE.fingerprint


PARTS = (PIPELINE.topic, AMOUNT, PIPELINE.checks[0], PIPELINE.dedup, PIPELINE.lake[0], VIEW, VIEW.measures[0], ROLLUP)


@pytest.mark.parametrize("part", PARTS, ids=[type(part).__name__ for part in PARTS])
def test_a_new_field_with_another_value_changes_it(part: Any) -> None:
    assert m.Pipeline(**changed_in(part)).fingerprint != replace(PIPELINE, rollups=(ROLLUP,)).fingerprint


def test_other_semantics_are_another_definition(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app.model, "SEMANTICS", app.model.SEMANTICS + 1)

    assert replace(PIPELINE).fingerprint != PIPELINE.fingerprint


def test_every_definition_has_a_fingerprint_of_its_own() -> None:
    found = {PIPELINE.fingerprint, *(replace(PIPELINE, **change).fingerprint for change in OTHER.values())}

    assert len(found) == 1 + len(OTHER)
    assert all(len(fingerprint) == 12 and int(fingerprint, 16) >= 0 for fingerprint in found)


def test_the_fingerprint_is_the_same_in_every_process() -> None:
    program = "import app.pipelines, json; print(json.dumps(app.pipelines.load('transactions').fingerprint))"
    expected = pipelines.load("transactions").fingerprint

    assert [in_another_process(program, seed) for seed in (1, 2)] == [expected, expected]


def test_definitions_and_their_tables_are_read_without_spark() -> None:
    program = (
        "import json, sys, app.model, app.relations, app.settings, app.postgres, app.pipelines\n"
        "app.relations.relations(app.pipelines.load('transactions'))[0].merged_view()\n"
        "app.pipelines.select([])\n"
        "print(json.dumps([name for name in ('app.pipelines.transactions', 'pyspark', 'py4j') if name in sys.modules]))"
    )

    assert in_another_process(program, 0) == ["app.pipelines.transactions"]


@pytest.mark.parametrize("name", pipelines.names())
def test_a_pipeline_of_the_stack_is_loaded_by_its_name(name: str) -> None:
    assert pipelines.load(name).name == name


def test_the_names_are_those_of_the_files() -> None:
    files = [path.stem for path in (HOME / "app/pipelines").glob("*.py") if path.stem != "__init__"]

    assert pipelines.names() == sorted(files)
    assert "transactions" in files


def test_no_name_selects_all_pipelines_and_names_select_in_their_order(folder: Path) -> None:
    (folder / "aaa.py").write_text("from app.pipelines.transactions import *\n" + RENAMED.format("aaa"))

    assert [found.name for found in pipelines.select([])] == pipelines.names()
    assert [found.name for found in pipelines.select(["transactions", "aaa"])] == ["transactions", "aaa"]


def test_a_file_that_is_written_while_a_process_runs_changes_nothing_in_it(folder: Path) -> None:
    before = pipelines.select([])
    (folder / "aaa.py").write_text("PIPELINE = Pipeline(\n")

    assert pipelines.select([]) == before
    assert pipelines.names() == [found.name for found in before]
    with pytest.raises(KeyError, match="no pipeline is called 'aaa'"):
        pipelines.load("aaa")


def test_an_unknown_pipeline_is_refused_with_those_there_are() -> None:
    with pytest.raises(KeyError) as refused:
        pipelines.select(["transactions", "transaction"])

    assert refused.value.args == (f"no pipeline is called 'transaction'; there are: {', '.join(pipelines.names())}",)


RENAMED = "from dataclasses import replace\nPIPELINE = replace(PIPELINE, name='{}')\n"


@pytest.mark.parametrize(
    "text",
    ["", "PIPELINE = 'aaa'\n", "from app.pipelines.transactions import PIPELINE\n"],
    ids=["nothing", "no pipeline", "another's name"],
)
def test_a_file_without_a_pipeline_of_its_name_is_refused_by_its_path(folder: Path, text: str) -> None:
    (folder / "aaa.py").write_text(text)

    with pytest.raises(ValueError, match=r"^app/pipelines/aaa\.py: expected PIPELINE = Pipeline\(name='aaa'"):
        pipelines.load("aaa")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("PIPELINE = Pipeline(\n", "'(' was never closed"),
        ("import no_such_module\n", "No module named 'no_such_module'"),
        (
            "from app.pipelines.transactions import *\nfrom dataclasses import replace\n"
            "PIPELINE = replace(PIPELINE, name='lambda')\n",
            "name: lambda is taken by a page of the dashboard",
        ),
    ],
)
def test_a_file_that_is_wrong_is_refused_by_its_path_and_fails_none_that_is_asked_for(
    folder: Path, text: str, said: str
) -> None:
    (folder / "aaa.py").write_text(text)

    for wanted in ([], ["aaa"]):
        with pytest.raises(WrongDefinition) as refused:
            pipelines.select(wanted)
        assert str(refused.value).startswith("app/pipelines/aaa.py: ")
        assert said in str(refused.value)
    assert [found.name for found in pipelines.select(["transactions"])] == ["transactions"]


def test_two_pipelines_may_read_one_topic(folder: Path) -> None:
    (folder / "aaa.py").write_text("from app.pipelines.transactions import *\n" + RENAMED.format("aaa"))

    topics = {found.name: found.topic for found in pipelines.select([])}
    assert topics["aaa"] == topics["transactions"]


@pytest.mark.parametrize(("name", "partitions"), [("iot_smartech", 4), ("iot.smartech", 3)])
def test_a_topic_that_kafka_cannot_have_beside_anothers_is_refused_with_both_files(
    folder: Path, name: str, partitions: int
) -> None:
    text = "from app.pipelines.transactions import *\nfrom dataclasses import replace\n"
    text += f"PIPELINE = replace(PIPELINE, name='zzz', topic=Topic('{name}', {partitions}))\n"
    (folder / "zzz.py").write_text(text)

    said = rf"zzz\.py: topic: Topic\(name='{name}', partitions={partitions}, .* is not .* of app/pipelines/sensors\.py"
    with pytest.raises(WrongDefinition, match=said):
        pipelines.select([])


def test_an_endpoint_that_another_pipeline_has_is_refused_with_both_files(folder: Path) -> None:
    (folder / "zzz.py").write_text("from app.pipelines.space import *\n" + RENAMED.format("zzz"))

    said = r"^app/pipelines/zzz\.py: lake\[all\].endpoint: /objects is taken by app/pipelines/space\.py; choose another"
    with pytest.raises(WrongDefinition, match=said):
        pipelines.select([])
    assert pipelines.select(["zzz"])


def test_a_view_that_would_be_called_as_another_pipelines_is_refused_with_both_files(folder: Path) -> None:
    text = "from app.pipelines.transactions import *\nfrom dataclasses import replace\n"
    text += "VIEW = replace(PIPELINE.views[0], name='{1}')\n"
    text += "PIPELINE = replace(PIPELINE, name='{0}', views=(VIEW,), rollups=(), charts=())\n"
    (folder / "aaa.py").write_text(text.format("aaa", "b_c"))
    (folder / "aaa_b.py").write_text(text.format("aaa_b", "c"))

    said = r"^app/pipelines/aaa_b\.py: view c: serving\.aaa_b_c is taken by app/pipelines/aaa\.py; choose another name$"
    with pytest.raises(WrongDefinition, match=said):
        pipelines.select([])


def test_a_module_of_another_package_is_no_pipeline() -> None:
    with pytest.raises(KeyError, match=r"no pipeline is called '\.\.model'"):
        pipelines.load("..model")
