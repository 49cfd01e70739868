"""The names and types of a definition in Postgres."""

from app.measures import State
from app.model import Alert, Column, Count, Pipeline, Topic, TopN, View
from app.relations import relations

LONGEST = 63  # bytes of a name in Postgres, which cuts a longer one
NAME = "a" * 24


def test_the_longest_names_fit_in_postgres() -> None:
    pipeline = Pipeline(
        name=NAME,
        description="",
        topic=Topic("t", 1),
        columns=(Column(NAME, "timestamp"), Column("b" * 24, "int")),
        event_time=NAME,
        views=(
            View(NAME, (), (Count(NAME), TopN("n", (NAME,), by=NAME, n=100))),
            Alert("c" * 24, (NAME,), of="b" * 24, above=1, readings=100, below=1, columns=("b" * 24,)),
        ),
    )
    names = {name for r in relations(pipeline) for name in (r.name, r.serving.removeprefix("serving."), *r.columns)}
    names |= {State(op, (NAME,)).name for op in ("sum", "sum_squares", "count", "min", "max")}

    assert max(map(len, names)) <= LONGEST
