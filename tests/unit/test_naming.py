"""Names that would break what all pipelines share are refused, and the lists of them are what is there."""

import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from pydantic import ValidationError

import app.model
from app import naming
from app.outputs import asked_by
from app.pipelines import select
from app.settings import HOME, Settings
from backend import create_app, events, questions

m: Any = app.model
Column, Count, LakeTable, Rollup, View = m.Column, m.Count, m.LakeTable, m.Rollup, m.View
Refused = tuple[Callable[[], object], str, str]
COLUMNS = (Column("id", "string"), Column("at", "timestamp"))


def pipeline(name: str = "sales", *views: Any, columns: Any = (), **changes: Any) -> Any:
    views = views or (View("kinds", ("id",), (Count("n"),)),)
    right = {"description": "", "topic": m.Topic("sales", 3), "event_time": "at", "columns": COLUMNS + columns}
    return m.Pipeline(**(right | {"name": name, "views": views} | changes))


def keyed(name: str, *others: Any) -> Any:
    """A view with this key, named v."""
    return pipeline("sales", View("v", (name, *others), (Count("n"),)), columns=(Column(name, "string"),))


def rolled(key: str, *measures: Any) -> Any:
    """A rollup named r, by a column that its view shows and has no key of."""
    view = View("v", ("id",), (m.Latest((key,), by="at"),))
    return pipeline("sales", view, columns=(Column(key, "string"),), rollups=(Rollup("r", "v", (key,), measures),))


def alert(key: str) -> Any:
    watched = m.Alert("a", (key,), of="n", above=1, readings=1, below=0, columns=("at",))
    return pipeline("sales", watched, columns=(Column(key, "string"), Column("n", "int")))


def shown(*views: str, pipeline_name: str = "sales", rollup: str | None = None) -> Any:
    """A pipeline with views and a rollup of these names."""
    rollups = (Rollup(rollup, views[0], ()),) if rollup else ()
    return pipeline(pipeline_name, *(View(view, ("id",), (Count("n"),)) for view in views), rollups=rollups)


def endpoint(name: str, *filters: Any) -> Any:
    return LakeTable("a", format="parquet", endpoint=name, filters=filters)


def each(names: tuple[str, ...], construct: Callable[[str], object], begins: str, says: str) -> list[Refused]:
    return [(partial(construct, name), begins.format(name), says) for name in names]


# What is constructed, and what its refusal begins with, and says.
PARAMETERS = "Taken: after, layer, limit, sort"
OF_TIMES = "Taken: after, layer, limit, since, sort, until"
POSTGRES = "Taken: cmax, cmin, ctid, tableoid, xmax, xmin"
REFUSED: list[Refused] = [
    *each(naming.PAGES, pipeline, "name: {} is taken by a page", "Taken: lambda, operations, overview"),
    *each(naming.DATABASES, pipeline, "name: {} is taken by a database", "Taken: default, global_temp, spark_catalog"),
    *each(
        naming.SERVING,
        lambda name: shown(name, pipeline_name=name),
        "views[{0}].name: {0} is taken by a view of the schema serving",
        "Taken: failure, status, version",
    ),
    (lambda: shown("v", pipeline_name="status", rollup="status"), "rollups[status].name: status is taken", "version"),
    (lambda: shown("v_pkey"), "views[v_pkey].name: sales_v_pkey is what", "neither _pkey nor _idx"),
    (lambda: shown("pkey"), "views[pkey].name: sales_pkey is what", "neither _pkey nor _idx"),
    (lambda: shown("v", rollup="n_idx1"), "rollups[n_idx1].name: sales_n_idx1 is what", "neither _pkey nor _idx"),
    (lambda: shown("v_idx", pipeline_name="v_idx"), "views[v_idx].name: v_idx is what", "neither _pkey nor _idx"),
    *each(naming.PARAMETERS, keyed, "views[v].keys: {} is taken by another parameter of the API", PARAMETERS),
    *each(naming.TIME_RANGE, lambda name: keyed(name, m.Tumbling("1 day")), "views[v].keys: {} is taken", OF_TIMES),
    *each(naming.TIME_RANGE, lambda name: keyed(name, "at"), "views[v].keys: {} is taken", OF_TIMES),
    (lambda: rolled("layer", Count("n")), "rollups[r].keys: layer is taken", PARAMETERS),
    (lambda: alert("limit"), "views[a].keys: limit is taken", OF_TIMES),
    *each(naming.SYSTEM_COLUMNS, keyed, "views[v]: {} is taken by Postgres", POSTGRES),
    (lambda: pipeline("sales", View("v", (), (Count("xmin"),))), "views[v]: xmin is taken by Postgres", POSTGRES),
    (lambda: rolled("ctid", Count("n")), "views[v]: ctid is taken by Postgres", POSTGRES),
    (lambda: rolled("kind", Count("cmin")), "rollups[r]: cmin is taken by Postgres", POSTGRES),
    (lambda: alert("tableoid"), "views[a]: tableoid is taken by Postgres", POSTGRES),
    *each(
        naming.WINDOW,
        lambda name: pipeline("sales", View("v", (), (Count(name),))),
        "views[v]: {} is when a window starts or ends",
        "choose another name",
    ),
    *each(naming.ROUTES, endpoint, "endpoint: {} is taken by the API itself", "freshness, healthz, metrics, openapi"),
    (lambda: pipeline(lake=(endpoint("x"), replace(endpoint("x"), name="b"))), "lake: endpoints: x named twice", ""),
    (lambda: endpoint("x", "limit"), "filters: limit is taken by another parameter", "Taken: date, limit"),
    (lambda: endpoint("x", m.AtLeast("date", of="at")), "filters: date is taken", "Taken: date, limit"),
]
ACCEPTED: list[Callable[[], Any]] = [
    lambda: pipeline("status"),
    lambda: shown("status", "operations", "overview", "default"),
    lambda: shown("version", pipeline_name="failure"),
    lambda: shown("pkey_of", "idx_of"),
    lambda: keyed("since"),
    lambda: pipeline("sales", View("v", (), (Count("limit"), Count("layer")))),
    lambda: pipeline(columns=(Column("xmin", "int"),), lake=(LakeTable("pipelines"),)),
    lambda: pipeline(
        "sales",
        View("v", (m.Tumbling("1 day"),), (Count("n"),)),
        rollups=(Rollup("r", "v", (), (m.Max("window_end", of="window_end"),)),),
    ),
]


@pytest.mark.parametrize(("construct", "begins", "says"), REFUSED, ids=[begins for _, begins, _ in REFUSED])
def test_a_name_that_is_taken_is_refused_with_its_field_and_what_is_taken(
    construct: Callable[[], object], begins: str, says: str
) -> None:
    with pytest.raises(ValidationError) as refused:
        construct()

    found = [error["msg"].removeprefix("Value error, ") for error in refused.value.errors()]
    assert any(text.startswith(begins) and says in text for text in found), found


@pytest.mark.parametrize("construct", ACCEPTED)
def test_what_only_looks_like_it_is_accepted(construct: Callable[[], Any]) -> None:
    assert construct().outputs


def test_the_relations_of_the_schema_serving_are_those_that_the_migrations_make() -> None:
    made = re.compile(
        r"CREATE\s+(?:OR\s+REPLACE\s+)?(?:\w+\s+)?(?:VIEW|TABLE)\s+(?:IF NOT EXISTS\s+)?serving\.(\w+)", re.IGNORECASE
    )
    migrations = [path.read_text().partition("-- migrate:down")[0] for path in HOME.glob("sql/migrations/*.sql")]

    assert {name for text in migrations for name in made.findall(text)} == set(naming.SERVING)


def test_the_pages_are_those_of_the_dashboard() -> None:
    named = re.findall(r'url_path="(\w+)"', (HOME / "dashboard/app.py").read_text())

    assert sorted(named) == sorted(naming.PAGES)


def test_the_paths_of_the_api_begin_with_what_is_taken_and_the_endpoints_of_pipelines() -> None:
    begins = {re.split(r"[/.]", rule.rule)[1] for rule in create_app(Settings()).url_map.iter_rules()}
    endpoints = {table.endpoint for one in select([]) for table in one.lake if table.endpoint}

    assert endpoints
    assert {name for name in begins - endpoints if name.isidentifier()} == set(naming.ROUTES)


def asked(one: Any, view: Any) -> set[str]:
    """The parameters of a view that are no key."""
    return set(questions.parameters(one, view).model_json_schema()["properties"]) - set(asked_by(view))


def test_the_parameters_of_a_view_are_its_keys_and_what_is_taken() -> None:
    without, with_time = keyed("kind"), keyed("kind", "at")

    assert asked(without, without.views[0]) == set(naming.PARAMETERS)
    assert asked(with_time, with_time.views[0]) == {*naming.PARAMETERS, *naming.TIME_RANGE}
    for one in select([]):
        for view in one.served:
            assert asked(one, view) <= {*naming.PARAMETERS, *naming.TIME_RANGE}


def test_the_parameters_of_an_endpoint_are_its_filters_and_what_is_taken() -> None:
    assert set(events.Asked.model_fields) == set(naming.OF_EVENTS)


@pytest.mark.parametrize("name", ["model_dump", "model_config", "json", "copy", "schema", "self"])
def test_a_key_may_have_any_name_that_python_has(name: str) -> None:
    one = keyed(name)
    (view,) = one.views
    given = questions.parameters(one, view).model_validate({name: "x", "limit": 1})

    assert questions.question(given, view, None, {name: "string"}, 1).equal == {name: "x"}
    assert name in given.model_json_schema()["properties"]


@pytest.mark.parametrize(
    ("what", "taken"),
    [
        ("a pipeline", {*naming.PAGES, *naming.DATABASES}),
        ("a view or rollup, as it is served", {*naming.SERVING}),
        ("a column that readers see", {*naming.SYSTEM_COLUMNS, *naming.WINDOW}),
        ("a key of a view or rollup", {*naming.PARAMETERS, *naming.TIME_RANGE}),
        ("a lake table", {*naming.TABLES}),
        ("an endpoint", {*naming.ROUTES}),
        ("a filter of an endpoint", {*naming.OF_EVENTS}),
    ],
)
def test_the_documentation_lists_what_is_taken(what: str, taken: set[str]) -> None:
    (listed,) = re.findall(rf"^\| {what} \| (.*) \|$", (HOME / "docs/pipelines.md").read_text(), re.MULTILINE)

    assert taken <= set(re.findall(r"`(\w+)`", listed))
