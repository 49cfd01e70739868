"""What the demo shows of the stack as it runs, as tables."""

from collections.abc import Callable

import psycopg2
from rich.table import Table
from rich.text import Text

from app.model import Pipeline
from app.relations import Relation
from embedded.stack import Stack

ROWS = 8  # of a merged view, shown
COLUMNS = 6


def overview(stack: Stack) -> Table:
    """How far each pipeline is."""
    statuses = stack.query(
        "SELECT pipeline, version, (SELECT coalesce(sum(value::bigint), 0) FROM jsonb_each_text(offsets)), "
        "round(extract(epoch FROM now() - fresh_at), 1) FROM serving.status ORDER BY pipeline"
    )
    table = Table("pipeline", "version", "messages counted", "seconds old")
    for name, *status in statuses:
        if name in {pipeline.name for pipeline in stack.pipelines}:
            table.add_row(name, *(f"{value:,}" for value in status))
    return table


def failures(stack: Stack) -> Table | str:
    """The pipelines that a job has stopped, with the command that helps; nothing where there are none."""
    found = stack.failed()
    if not found:
        return ""
    table = Table("failed", "job", "since", "reason", "what helps", border_style="red")
    for name, job, since, reason, help_ in found:
        table.add_row(name, job, f"{since:%H:%M:%S}", Text(reason.splitlines()[0]), Text(help_))
    return table


def view_of(stack: Stack, pipeline: Pipeline) -> Table:
    """The first merged view of a pipeline as it is now: the rows of the newest window, or with the most in them."""
    relation = Relation(pipeline, pipeline.views[0])
    names = pipeline.views[0].output_names[:COLUMNS]
    order = "window_start" if "window_start" in names else names[len(relation.keys)]
    columns = ", ".join(f'"{name}"' for name in names)
    rows = stack.query(f'SELECT {columns} FROM {relation.serving} ORDER BY "{order}" DESC NULLS LAST LIMIT {ROWS}')
    table = Table(title=relation.serving, title_justify="left")
    for name in names:
        table.add_column(name, no_wrap=True, overflow="ellipsis")
    for row in rows:
        table.add_row(*(f"{value:,}" if isinstance(value, int) else str(value) for value in row))
    return table


def shown(make: Callable[[], Table | str]) -> Table | str | Text:
    """What it makes, or what Postgres says in place of it: a question that takes too long is no reason to end."""
    try:
        return make()
    except psycopg2.Error as error:
        return Text(str(error).strip().splitlines()[0] if str(error).strip() else repr(error), style="red")
