"""What a definition may say: everything else is refused when it is constructed, with the field and what is allowed."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

import app.model
from app.durations import span
from app.measures import Digits, State, digits
from app.views import QUARANTINE

m: Any = app.model  # without its types, which refuse most of this too
Column, View, Count, Sum, Check, LakeTable = m.Column, m.View, m.Count, m.Sum, m.Check, m.LakeTable

COLUMNS = (
    Column("id", "string"),
    Column("at", "timestamp"),
    Column("kind", "string", clean="lower(kind)"),
    Column("amount", "decimal(12,2)"),
    Column("wide", "decimal(29,2)"),
    Column("fine", "decimal(15,2)"),
    Column("whole", "bigint"),
    Column("flag", "boolean"),
    Column("note", "string", required=False),
    Column("rank", "int", required=False),
)
VIEW = View("kinds", ("kind",), (Count("events"), Sum("total", of="amount")))
FIELDS = {"name": "sales", "description": "", "topic": m.Topic("sales", 3), "event_time": "at"}


def pipeline(**changes: Any) -> Any:
    """A pipeline that is right, but for the changes."""
    return m.Pipeline(**(FIELDS | {"columns": COLUMNS, "views": (VIEW,)} | changes))


def column(*arguments: Any, **named: Any) -> Any:
    return pipeline(columns=(*COLUMNS, Column(*arguments, **named)))


def view(*measures: Any, keys: Any = ()) -> Any:
    return pipeline(views=(View("v", keys, measures or (Count("events"),)),))


def key(name: str) -> Any:
    columns = (*COLUMNS, Column(name, "string"))
    return pipeline(columns=columns, views=(VIEW, View("v", (name,), (Count("events"),))))


def check(*expressions: str) -> Any:
    return pipeline(checks=tuple(Check("c", expression) for expression in expressions))


def lake(*arguments: Any, **named: Any) -> Any:
    return pipeline(lake=(LakeTable(*arguments, **named),))


def derived(expression: str, column_type: str = "int") -> Any:
    return pipeline(columns=(*pipeline().columns, m.Derived("far", column_type, expression)))


def history(*files: str) -> Any:
    return pipeline(history=files)


def rollup(*measures: Any, name: str = "by", of: str = "v", keys: Any = (), last: str | None = None) -> Any:
    rolled = m.Rollup(name, of, keys, measures or (Count("n"),), last)
    return pipeline(views=(View("v", ("id",), (Count("events"),)),), rollups=(rolled,))


def alert(**changes: Any) -> Any:
    right = {"name": "a", "keys": ("id",), "of": "amount", "above": 9, "readings": 3, "below": 5, "columns": ("kind",)}
    return m.Alert(**(right | changes))


def alerting(rolled: Any = (), **changes: Any) -> Any:
    return pipeline(views=(alert(**changes),), rollups=rolled)


FAR = "columns[far].expression"
OPTIONAL = "may be null; make the column required: an event that comes without it is then quarantined"


def rolled_alert(measure: Any) -> Any:
    return alerting((m.Rollup("by", "a", ("kind",), (measure("n", of="alert"),)),))


def rolled_flag(measure: Any) -> Any:
    views = (View("v", ("id",), (m.Latest(("flag",), by="at"),)),)
    return pipeline(views=views, rollups=(m.Rollup("by", "v", (), (measure("n", of="flag"),)),))


def rolled_list(measure: Any, keys: Any = ()) -> Any:
    views = (View("v", (), (Count("n"), m.TopN("top", ("id",), by="at", n=3))),)
    return pipeline(views=views, rollups=(m.Rollup("by", "v", keys, (measure,)),))


def many(number: int) -> tuple[str, ...]:
    return tuple(f"c{place}" for place in range(number))


def summed(columns: tuple[str, ...]) -> tuple[Any, ...]:
    """Views of which each sums 200 of the columns."""
    starts = range(0, len(columns), 200)
    return tuple(
        View(f"v{start}", (), tuple(Sum(name, name) for name in columns[start : start + 200])) for start in starts
    )


# What is done, and what its refusal says: the field, then what is allowed or what is wrong with it.
REFUSED: dict[str, tuple[Callable[[], object], str, str]] = {
    "floating point": (lambda: Column(name="a", type="double"), "type", "allowed: string, int, bigint, boolean"),
    "39 digits": (lambda: Column(name="a", type="decimal(39,2)"), "type", "scale <= precision <= 38"),
    "a scale above the precision": (lambda: Column(name="a", type="decimal(2,3)"), "type", "scale <= precision <= 38"),
    "a decimal without scale": (lambda: Column(name="a", type="decimal(5)"), "type", "decimal(precision,scale)"),
    "a capital in a name": (lambda: Column(name="Client", type="string"), "name", "^[a-z][a-z0-9_]*$"),
    "a name of 25 characters": (lambda: Column(name="a" * 25, type="string"), "name", "at most 24 characters"),
    "a bad name without its keyword": (lambda: Column("Client", "string"), "name", "^[a-z][a-z0-9_]*$"),
    "a text for a flag": (lambda: Column(name="a", type="int", required="yes"), "required", "valid boolean"),
    "an unknown field of a column": (lambda: Column("a", "int", nullable=True), "nullable", "Unexpected"),
    "an unknown field of a pipeline": (lambda: pipeline(owner="me"), "owner", "Unexpected"),
    "a field that is missing": (lambda: Sum(name="total"), "of", "required"),
    "a topic with a blank": (lambda: m.Topic(name="a b", partitions=1), "name", "^[A-Za-z0-9._-]{1,200}$"),
    "a topic that is a folder": (lambda: m.Topic(".", 1), "name", "Kafka refuses '.' and '..'"),
    "a topic that is the folder above": (lambda: m.Topic("..", 1), "name", "Kafka refuses '.' and '..'"),
    "a topic of Kafka's own": (lambda: m.Topic("__consumer_offsets", 50), "name", "is Kafka's own"),
    "no partition": (lambda: m.Topic("sales", partitions=0), "partitions", "greater than or equal to 1"),
    "1001 partitions": (lambda: m.Topic("sales", partitions=1001), "partitions", "less than or equal to 1000"),
    "an unknown unit": (lambda: m.Tumbling(length="2 fortnights"), "length", "second, minute, hour, day"),
    "no time": (lambda: m.Tumbling(length="0 minutes"), "length", "'1 day'"),
    "half an hour": (lambda: m.Dedup(id="id", horizon="0.5 hours"), "horizon", "a whole number"),
    "a bare number": (lambda: m.Tumbling(length=60), "length", "valid string"),
    "a timedelta": (lambda: m.Tumbling(length=timedelta(hours=1)), "length", "valid string"),
    "more time than there is": (lambda: m.Tumbling(length=f"{10**12} days"), "length", "at most"),
    "a horizon before Kafka's time": (lambda: m.Dedup("id", "36500 days"), "horizon", "at most 3660 days"),
    "a window of a century": (lambda: m.Tumbling("36500 days"), "length", "at most 3660 days"),
    "a slide of a century": (lambda: m.Sliding("1 day", "999999 hours"), "slide", "at most 3660 days"),
    "the last century": (lambda: rollup(last="36500 days"), "last", "at most 3660 days"),
    "fresh within a century": (lambda: pipeline(fresh_within="3661 days"), "fresh_within", "at most 3660 days"),
    "a batch in a century": (lambda: pipeline(batch_within="87841 hours"), "batch_within", "at most 3660 days"),
    "a slide that does not divide": (lambda: m.Sliding("10 minutes", "3 minutes"), "slide", "must divide the length"),
    "a slide above the length": (lambda: m.Sliding("1 minute", "2 minutes"), "slide", "must divide the length"),
    "101 windows": (lambda: m.Sliding("101 seconds", "1 second"), "slide", "allowed: at most 100"),
    "two windows": (lambda: view(keys=(m.Tumbling("1 day"),) * 2), "keys", "allowed: one Tumbling or Sliding"),
    "a list of keys": (lambda: View(name="a", keys=["id"], measures=(Count("n"),)), "keys", "valid tuple"),
    "a key that is no name": (lambda: View(name="a", keys=(1,), measures=(Count("n"),)), "keys", "of Tumbling"),
    "no measure": (lambda: View(name="a", keys=(), measures=()), "measures", "at least 1 item"),
    "what is no measure": (lambda: View(name="a", keys=(), measures=("n",)), "measures", "instance of Count"),
    "a measure named as a key": (lambda: view(Count("id"), keys=("id",)), "keys and measures", "id named twice"),
    "two measures of a name": (lambda: view(Count("n"), Sum("n", "amount")), "keys and measures", "n named twice"),
    "a latest column that is a key": (lambda: view(m.Latest(("id",), "at"), keys=("id",)), "keys", "id named twice"),
    "latest of nothing": (lambda: m.Latest(columns=(), by="at"), "columns", "at least 1 item"),
    "the top none": (lambda: m.TopN("top", ("id",), by="at", n=0), "n", "greater than or equal to 1"),
    "the top 101": (lambda: m.TopN("top", ("id",), by="at", n=101), "n", "less than or equal to 100"),
    "no column": (lambda: pipeline(columns=()), "columns", "at least 1 item"),
    "no view": (lambda: pipeline(views=()), "views", "at least 1 item"),
    "over 100 percent": (lambda: pipeline(max_quarantined_percent=101), "max_quarantined_percent", "equal to 100"),
    "two columns of a name": (lambda: column("id", "int"), "columns", "id named twice"),
    "a column named arrival": (lambda: column("arrival", "int"), "columns", "arrival is reserved"),
    "a column named window_start": (lambda: column("window_start", "int"), "columns", "window_start is reserved"),
    "a column named window_end": (lambda: column("window_end", "int"), "columns", "window_end is reserved"),
    "a column named reason": (lambda: column("reason", "int"), "columns", "reason is reserved"),
    "an unknown event time": (lambda: pipeline(event_time="then"), "event_time", "allowed: id, at, kind, amount"),
    "an event time of no time": (lambda: pipeline(event_time="kind"), "event_time", "allowed: timestamp"),
    "an optional event time": (lambda: pipeline(event_time="note"), "event_time", OPTIONAL),
    "cleaning by an unknown column": (lambda: column("a", "int", clean="b"), "columns[a].clean", "allowed: id, at"),
    "a derived column of an unknown one": (lambda: derived("b + 1"), "columns[far].expression", "allowed: id, at"),
    "a derived column of itself": (lambda: derived("far + 1"), "columns[far].expression", "allowed: id, at"),
    "a derived column of all events": (lambda: derived("count(*)"), "columns[far].expression", "over many events"),
    "a flag as a date": (lambda: derived("flag", "date"), FAR, "`flag` is boolean, and cannot be cast to date"),
    "a number as a date": (lambda: derived("rank", "date"), FAR, "cannot be cast to date; allowed: string, tinyint"),
    "a time as a flag": (lambda: derived("at", "boolean"), FAR, "`at` is time, and cannot be cast to boolean"),
    "a delay as a date": (lambda: derived("arrival - at", "date"), FAR, "is interval, and cannot be cast to date"),
    "a date as a number": (lambda: derived("date(at)"), FAR, "is date, and cannot be cast to int; allowed: string"),
    "a cast that Spark has not": (lambda: check("cast(flag as date) is null"), "checks[c].expression", "to date"),
    "cleaning to another type": (
        lambda: column("a", "int", clean="split(kind, ',')"),
        "columns[a].clean",
        "array of strings, and cannot be cast to int; allowed: string",
    ),
    "a rollup of an unknown view": (lambda: rollup(of="w"), "rollups[by].of", "allowed: v"),
    "a rollup by what the view has not": (lambda: rollup(keys=("kind",)), "rollups[by].keys", "allowed: id, events"),
    "a rollup of what the view has not": (lambda: rollup(m.Max("n", "at")), "rollups[by].measures[n].of", "id, events"),
    "a sum of texts in a rollup": (lambda: rollup(Sum("n", "id")), "rollups[by].measures[n].of", "id is no number"),
    "a rollup by lists": (lambda: rolled_list(Count("n"), keys=("top",)), "rollups[by].keys", "allowed: n"),
    "a sum of lists": (lambda: rolled_list(Sum("s", "top")), "rollups[by].measures[s].of", "top is no number"),
    "the least list": (lambda: rolled_list(m.Min("s", "top")), "rollups[by].measures[s].of", "has no order"),
    "a rollup named as a view": (lambda: rollup(name="v"), "views and rollups", "v named twice"),
    "a rollup of an alert without measures": (
        lambda: alerting((m.Rollup("by", "a", ()),)),
        "rollups[by].measures",
        "name some",
    ),
    "the last of a view without windows": (lambda: rollup(last="1 day"), "rollups[by].last", "v has no window"),
    "the most without a measure": (lambda: m.Rollup("by", "v", (), most=1), "most", "name one"),
    "a measure as key of what is merged": (
        lambda: pipeline(views=(View("v", ("id",), (Count("n"),)),), rollups=(m.Rollup("by", "v", ("n",)),)),
        "rollups[by].keys",
        "allowed: id",
    ),
    "the most none": (lambda: m.Rollup("by", "v", (), (Count("n"),), most=0), "most", "greater than or equal to 1"),
    "the least flag of a rollup": (lambda: rolled_flag(m.Min), "rollups[by].measures[n].of", "boolean, which has no"),
    "a sum of what an alert is": (lambda: rolled_alert(Sum), "rollups[by].measures[n].of", "alert is no number"),
    "the most of what an alert is": (lambda: rolled_alert(m.Max), "rollups[by].measures[n].of", "is boolean"),
    "32 keys": (lambda: view(keys=many(32)), "keys", "32 columns; allowed: at most 31"),
    "a window and 30 keys": (lambda: view(keys=(*many(30), m.Tumbling("1 day"))), "keys", "at most 31"),
    "an alert by 31 keys": (lambda: alert(keys=many(31)), "keys", "at most 31"),
    "301 measures": (lambda: view(*map(Count, many(301))), "keys and measures", "301 columns; allowed: at most 300"),
    "301 latest columns": (lambda: view(m.Latest(many(301), by="at")), "keys and measures", "at most 300"),
    "101 variances": (
        lambda: view(*(m.Variance(f"v{name}", name) for name in many(101))),
        "keys and states",
        "303 columns; allowed: at most 300",
    ),
    "an alert of 301 columns": (lambda: alert(columns=many(296)), "keys and columns", "301 columns; allowed"),
    "a rollup of 301 measures": (lambda: rollup(*map(Count, many(301))), "keys and measures", "at most 300"),
    "1501 states": (
        lambda: pipeline(columns=(*COLUMNS, *(Column(name, "int") for name in many(1499))), views=summed(many(1499))),
        "views",
        "1501 keys and states; allowed: at most 1500",
    ),
    "an alert without keys": (lambda: alert(keys=()), "keys", "at least 1 item"),
    "an alert by windows": (lambda: alert(keys=(m.Tumbling("1 day"),)), "keys", "valid string"),
    "an alert that shows nothing": (lambda: alert(columns=()), "columns", "at least 1 item"),
    "an alert of no reading": (lambda: alert(readings=0), "readings", "greater than or equal to 1"),
    "an alert of 101 readings": (lambda: alert(readings=101), "readings", "less than or equal to 100"),
    "an alert above a floating point": (lambda: alert(above=9.5), "above", "valid integer"),
    "an alert above no number": (lambda: alert(above=Decimal("NaN")), "above", "finite number"),
    "an alert that is on and off": (lambda: alert(below=10), "below", "10 is more than above, 9"),
    "an alert that shows a key": (lambda: alert(columns=("id",)), "keys and columns", "id named twice"),
    "an alert of an unknown column": (lambda: alerting(of="b"), "views[a].of", "allowed: id, at,"),
    "an alert of a text": (lambda: alerting(of="kind"), "views[a].of", "allowed: int|bigint|decimal"),
    "an alert of what may be null": (lambda: alerting(of="rank"), "views[a].of", OPTIONAL),
    "an alert by an unknown key": (lambda: alerting(keys=("b",)), "views[a].keys", "allowed: id, at,"),
    "an alert by what may be null": (lambda: alerting(keys=("note",)), "views[a].keys", OPTIONAL),
    "an alert that shows an unknown column": (lambda: alerting(columns=("b",)), "views[a].columns", "allowed: id, at,"),
    "an alert named as a view": (lambda: pipeline(views=(VIEW, alert(name="kinds"))), "views", "kinds named twice"),
    "cleaning that does not parse": (lambda: column("a", "int", clean="a +"), "columns[a].clean", "Spark SQL"),
    "a check of an unknown column": (lambda: check("price > 0"), "checks[c].expression", "allowed: id, at,"),
    "a check that does not parse": (lambda: check("amount >"), "checks[c].expression", "Spark SQL expression"),
    "a check of a number": (lambda: check("amount"), "checks[c].expression", "number, where a boolean is expected"),
    "a check of a text": (lambda: check("lower(kind)"), "checks[c].expression", "string, where a boolean is expected"),
    "an empty check": (lambda: check(""), "checks[c].expression", "Spark SQL expression"),
    "two expressions": (lambda: check("amount > 0; amount < 9"), "checks[c].expression", "Spark SQL expression"),
    "a statement": (lambda: check("drop table x"), "checks[c].expression", "Spark SQL expression"),
    "a query": (lambda: check("select 1"), "checks[c].expression", "Spark SQL expression"),
    "a query inside": (lambda: check("amount > (select 1)"), "checks[c].expression", "Spark SQL expression"),
    "an alias": (lambda: check("amount > 0 as a"), "checks[c].expression", "Spark SQL expression"),
    "many events": (lambda: check("sum(amount) > 0"), "checks[c].expression", "one event"),
    "a window function": (lambda: check("rank() over (order by at) = 1"), "checks[c].expression", "one event"),
    "the clock": (lambda: check("at < current_timestamp()"), "checks[c].expression", "arrival"),
    "the clock as now": (lambda: check("at < now()"), "checks[c].expression", "arrival"),
    "chance": (lambda: check("rand() < 0.5"), "checks[c].expression", "arrival"),
    "two checks of a name": (lambda: check("true", "true"), "checks", "c named twice"),
    "an unknown event id": (lambda: pipeline(dedup=m.Dedup("key", "1 hour")), "dedup.id", "allowed: id, at,"),
    "an optional event id": (lambda: pipeline(dedup=m.Dedup("note", "1 hour")), "dedup.id", OPTIONAL),
    "two lake tables of a name": (lambda: pipeline(lake=(LakeTable("a"), LakeTable("a"))), "lake", "a named twice"),
    "a lake table named bronze": (lambda: lake("bronze"), "lake[bronze].name", "another name. Taken: bronze, ids"),
    "a lake table named quarantine": (lambda: lake("quarantine"), "lake[quarantine].name", "choose another name"),
    "a lake table named ids": (lambda: lake("ids"), "lake[ids].name", "choose another name"),
    "a lake table named as a copy": (lambda: lake("serving_v"), "lake[serving_v].name", "choose another name"),
    "a lake table named serving": (lambda: lake("serving"), "lake[serving].name", "choose another name"),
    "an unknown lake column": (lambda: lake("a", columns=("b",)), "lake[a].columns", "allowed: id, at,"),
    "a filter by an unknown column": (lambda: lake("a", "b > 0"), "lake[a].where", "allowed: id, at,"),
    "a filter that does not parse": (lambda: lake("a", "kind ="), "lake[a].where", "Spark SQL expression"),
    "a filter of a number": (lambda: lake("a", "amount"), "lake[a].where", "number, where a boolean is expected"),
    "a lake table of an unknown view": (lambda: lake("a", view="v"), "lake[a].view", "is not a view; allowed: kinds"),
    "a view's table with a filter": (lambda: LakeTable("a", "id > 0", view="v"), "view", "neither where nor columns"),
    "a view's table with columns": (lambda: LakeTable("a", columns=("b",), view="v"), "view", "neither where nor"),
    "a view's table of files": (lambda: LakeTable("a", view="v", format="parquet"), "format", "allowed: delta"),
    "a lake table of another format": (lambda: LakeTable("a", format="orc"), "format", "'delta' or 'parquet'"),
    "an endpoint of a Delta table": (lambda: LakeTable("a", endpoint="b"), "endpoint", "format parquet"),
    "a column named as the partitions": (
        lambda: pipeline(columns=(*COLUMNS, Column("date", "date")), lake=(LakeTable("a", format="parquet"),)),
        "lake[a].columns",
        "date is its partitions' column",
    ),
    "history in another place": (lambda: history("/abs/x.json"), "history", "relative to the repository"),
    "history without a name": (lambda: history(""), "history", "relative to the repository"),
    "history that is the repository": (lambda: history("."), "history", "relative to the repository"),
    "history above the repository": (lambda: history("a/../../x.json"), "history", "relative to the repository"),
    "history that is a folder": (lambda: history("datasets/"), "history", "relative to the repository"),
    "history in what is no pattern": (lambda: history("datasets/**.json"), "history", "relative to the repository"),
    "an example of nothing": (lambda: m.Example(message=""), "message", "at least 1 character"),
    "an example of no reason": (lambda: m.Example("{}", reason=""), "reason", "at least 1 character"),
    "two views of a name": (lambda: pipeline(views=(VIEW, VIEW)), "views", "kinds named twice"),
    "a view named quarantine": (lambda: pipeline(views=(QUARANTINE,)), "views", "quarantine named twice"),
    "an unknown key": (lambda: view(keys=("client",)), "views[v].keys", "allowed: id, at,"),
    "an optional key": (lambda: view(keys=("note",)), "views[v].keys", OPTIONAL),
    "a key named as a state": (lambda: key("count"), "views[v].keys", "choose another name"),
    "a key named as another view's state": (lambda: key("sum_amount"), "views[v].keys", "choose another name"),
    "a key named view": (lambda: key("view"), "views[v].keys", "choose another name"),
    "a key named segment": (lambda: key("segment"), "views[v].keys", "choose another name"),
    "a key named version": (lambda: key("version"), "views[v].keys", "choose another name"),
    "a sum of an unknown column": (lambda: view(Sum("s", "b")), "views[v].measures[s].of", "allowed: id, at,"),
    "a sum of strings": (lambda: view(Sum("s", "kind")), "views[v].measures[s].of", "int, bigint or decimal"),
    "a mean of times": (lambda: view(m.Mean("s", "at")), "views[v].measures[s].of", "int, bigint or decimal"),
    "a mean of flags": (lambda: view(m.Mean("s", "flag")), "views[v].measures[s].of", "int, bigint or decimal"),
    "a sum that is too wide": (lambda: view(Sum("s", "wide")), "views[v].measures[s].of", "at most 28 digits"),
    "too wide a variance": (lambda: view(m.Variance("s", "fine")), "views[v].measures[s].of", "at most 14 digits"),
    "a variance of a bigint": (lambda: view(m.Variance("s", "whole")), "views[v].measures[s].of", "at most 14 digits"),
    "the least flag": (lambda: view(m.Min("s", "flag")), "views[v].measures[s].of", "allowed: every other type"),
    "the greatest flag": (lambda: view(m.Max("s", "flag")), "views[v].measures[s].of", "allowed: every other type"),
    "latest by a string": (lambda: view(m.Latest(("id",), "kind")), "views[v].measures[Latest].by", "int|bigint"),
    "latest by an optional one": (lambda: view(m.Latest(("id",), "rank")), "views[v].measures[Latest].by", OPTIONAL),
    "latest of an unknown one": (lambda: view(m.Latest(("b",), "at")), "views[v].measures[Latest].columns", "allowed"),
    "top of an unknown one": (lambda: view(m.TopN("t", ("b",), "at", 3)), "views[v].measures[t].columns", "allowed"),
    "top by an unknown one": (lambda: view(m.TopN("t", ("id",), "b", 3)), "views[v].measures[t].by", "allowed"),
}  # fmt: skip


@pytest.mark.parametrize("wrong", REFUSED)
def test_what_is_wrong_is_refused_with_the_field_and_what_is_allowed(wrong: str) -> None:
    construct, field, allowed = REFUSED[wrong]

    with pytest.raises(ValidationError) as refused:
        construct()

    # Of errors found by types the place is a list, of ours it opens the message.
    found = [f"{'.'.join(map(str, error['loc']))}.{error['msg']}" for error in refused.value.errors()]
    assert any(text.removeprefix(".Value error, ").startswith(field) and allowed in text for text in found), found


def test_what_is_just_within_the_limits_is_accepted() -> None:
    widest = (Column("a" * 24, "decimal(28,28)"), Column("square", "decimal(14,0)"), Column("most", "decimal(38,0)"))
    measures = Sum("s", "a" * 24), m.Variance("v", "square"), m.Min("m", "most"), m.TopN("t", ("note",), "at", 100)

    found = pipeline(columns=COLUMNS + widest, views=(View("v", (m.Sliding("100 minutes", "1 minute"),), measures),))

    assert [(state.op, state.type(found.types)) for state in found.views[0].states] == [
        ("sum", "decimal(38,28)"),
        ("count", "bigint"),
        ("sum", "decimal(24,0)"),
        ("sum_squares", "decimal(38,0)"),
        ("min", "decimal(38,0)"),
        ("top", "json"),
    ]


@pytest.mark.parametrize(
    "expression",
    [
        "at <= arrival + interval 1 day",
        "kind rlike '^[a-z]+$' and not flag",
        "exists(array(amount), x -> x > 0)",
        "case when flag then `amount` > 0 else true end",
        "amount between 1 and 2 -- no more",
        "note is null or length(trim(note)) < 9",
    ],
)
def test_an_expression_may_use_any_column_the_arrival_and_functions(expression: str) -> None:
    assert check(expression).checks[0].expression == expression


@pytest.mark.parametrize(
    ("expression", "column_type"),
    [
        ("at", "bigint"),
        ("at", "date"),
        ("date(at)", "timestamp"),
        ("rank", "timestamp"),
        ("arrival - at", "int"),
        ("rank > 1", "int"),
        ("split(kind, ',')", "string"),
        ("kind", "boolean"),
        ("null", "date"),
    ],
)
def test_a_column_may_be_made_of_what_spark_can_cast_to_its_type(expression: str, column_type: str) -> None:
    assert derived(expression, column_type).types["far"] == column_type


def test_history_may_be_one_file_or_a_pattern() -> None:
    files = ("datasets/sales.json", "./datasets/*.json", "datasets/**/2025-*.json")
    assert history(*files).history == files


def test_a_duration_is_read_in_its_unit() -> None:
    assert [span(f"90 {unit}s").total_seconds() for unit in ("second", "minute", "hour")] == [90, 5400, 324_000]
    assert span("1 day") == span("24 hours") == timedelta(days=1)
    assert span("3660 days") == timedelta(days=3660)


def test_the_digits_of_a_type_are_its_precision_and_scale() -> None:
    types = ("int", "bigint", "decimal(12,2)", "string", "timestamp")

    assert [digits(name) for name in types] == [Digits(10, 0), Digits(19, 0), Digits(12, 2), None, None]


def test_a_state_that_two_measures_share_is_kept_once() -> None:
    states = View("v", (), (Sum("total", of="amount"), m.Mean("mean", of="amount"), Count("events"))).states

    assert states == (State("sum", ("amount",)), State("count", ("amount",)), State("count"))
    assert [state.name for state in states] == ["sum_amount", "count_amount", "count"]


def test_two_states_never_share_a_name() -> None:
    sums = {State("sum", ("squares_amount",)).name, State("sum_squares", ("amount",)).name}
    tops = {State("top", ("id",), "at", 1).name, State("top", ("kind",), "at", 1).name}
    alerts = {alert(**changed).states[0].name for changed in ({}, {"above": 8}, {"below": 4}, {"readings": 2})}

    assert (len(sums), len(tops), len(alerts)) == (2, 2, 4)


def test_the_rows_of_an_alert_are_known_by_their_keys_and_position() -> None:
    assert alert().output_names == ("id", "_partition", "_offset", "_index", "alert", "kind")
    assert alert(below=Decimal("8.99")).identity == ("id", "_partition", "_offset", "_index")


def test_what_kafka_may_delete_is_no_other_definition() -> None:
    compacted = pipeline(topic=m.Topic("sales", 3, compacted=True))

    assert (compacted.topic.compacted, pipeline().topic.compacted) == (True, False)
    assert compacted.fingerprint == pipeline().fingerprint


def test_another_limit_is_another_definition() -> None:
    changed: tuple[dict[str, Any], ...] = ({}, {"above": 8}, {"below": 4}, {"readings": 2}, {"of": "whole"})
    fingerprints = {alerting(**change).fingerprint for change in changed}

    assert (len(fingerprints), alerting(description="other").fingerprint in fingerprints) == (5, True)


def test_every_pipeline_also_has_a_view_of_its_quarantine() -> None:
    assert [found.name for found in pipeline().all_views] == ["kinds", "quarantine"]
    assert pipeline().all_views[-1].output_names == ("reason", "events")
