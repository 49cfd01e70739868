"""Writes a pipeline that works, and carries its own test, for `scripts/new-pipeline NAME`."""

import sys
from keyword import iskeyword
from pathlib import Path
from string import Template

from pydantic import TypeAdapter, ValidationError

from app.declared import Name
from app.naming import DATABASES, PAGES
from app.options import parser

FOLDER = Path(__file__).parent / "pipelines"
NOT_PRODUCERS = (
    "climate",
    "disorder",
    "dropping",
    "each",
    "encoding",
    "generic",
    "openfoodfacts",
    "options",
    "producing",
    "sky",
)  # modules of `producers`, where a pipeline's own producer has its name

TEMPLATE = Template('''\
"""Events of $name. Replace what stands here by what yours are; nothing else has to change."""

from app.model import Check, Column, Count, Dedup, Example, Max, Mean, Pipeline, Sum, Topic, Tumbling, View

PIPELINE = Pipeline(
    name="$name",  # the name of this file, too
    description="What the events are, in a sentence: the API and the dashboard show it.",
    # The Kafka topic that the events come from, as JSON objects or arrays of them.
    topic=Topic("$name", partitions=3),
    # The fields of an event. Types: string, int, bigint, decimal(precision,scale), boolean, date, timestamp.
    # A field that is missing or not of its type sends the event to the quarantine, unless it says required=False.
    columns=(
        Column("event_id", "string"),
        Column("kind", "string", clean="lower(trim(kind))"),  # Spark SQL: what is kept of the value that came
        Column("amount", "decimal(12,2)"),
        Column("event_time", "timestamp"),
    ),
    # When an event happened. It decides which window the event counts in, however late it arrives.
    event_time="event_time",
    # What holds for every event, in Spark SQL. Any other goes to the quarantine, with the check's name as reason.
    checks=(Check("amount_negative", "amount >= 0"),),
    # The same event_id again is the same event: it counts once. Leave this out if your events have no id.
    dedup=Dedup("event_id", horizon="1 hour"),
    # What is kept up to date, exactly, and served: one row for each value of the keys.
    views=(
        View("kinds", keys=("kind",), measures=(Count("count"), Sum("total", of="amount"), Mean("mean", of="amount"))),
        View("minutes", keys=(Tumbling("1 minute"),), measures=(Count("count"), Max("max", of="amount"))),
    ),
    # The test: messages, and what becomes of them. The events of the demo lie between those that are accepted, which
    # is why there are two, far apart.
    examples=(
        Example('{"event_id": "1", "kind": "tea", "amount": 0.50, "event_time": "2026-01-01T09:00:00Z"}'),
        Example('{"event_id": "2", "kind": "Coffee ", "amount": 99.90, "event_time": "2026-01-01T09:01:00Z"}'),
        Example(
            '{"event_id": "3", "kind": "tea", "amount": -1, "event_time": "2026-01-01T09:00:00Z"}',
            reason="amount_negative",
        ),
        Example('{"event_id": "4", "kind": "tea", "event_time": "2026-01-01T09:00:00Z"}', reason="missing_amount"),
    ),
)
''')


def write(name: str, folder: Path) -> Path:
    """Writes the pipeline into the folder; returns the file.

    Raises:
        ValueError: the name is not one that a pipeline can have.
        FileExistsError: there is such a file; it stays as it is.
    """
    try:
        TypeAdapter(Name).validate_python(name)
    except ValidationError as error:
        raise ValueError(
            f"{name!r} cannot be the name of a pipeline: expected a small letter, then small letters, digits and "
            "underscores, at most 24 in all"
        ) from error
    if iskeyword(name) or name in (*NOT_PRODUCERS, *PAGES, *DATABASES):
        raise ValueError(f"{name!r} cannot be the name of a pipeline: it has a meaning already; choose another")
    path = folder / f"{name}.py"
    with path.open("x", encoding="utf-8") as file:
        file.write(TEMPLATE.substitute(name=name))
    return path


def main() -> None:
    options = parser("new-pipeline")
    name = options.parse_args().name
    file = f"app/pipelines/{name}.py"
    try:
        write(name, FOLDER)
    except ValueError as error:
        options.error(str(error))
    except FileExistsError:
        sys.exit(f"Error: {file} exists and stays as it is; choose another name, or edit it")
    print(
        f"wrote {file}: a pipeline that works, with its test. Next:\n\n"
        f"  say what your events are     edit {file}\n"
        f"  test it                      ./scripts/test tests/spark/test_pipelines.py -k {name}\n"
        f"  see it run, on made-up ones  ./scripts/demo {name}\n\n"
        "To remove the pipeline, delete the file."
    )


if __name__ == "__main__":
    main()
