"""The Postgres tables and merged views of a definition.

For each view of a pipeline there is a table of increments `speed.<relation>` with one row a (segment, key), a table of
results `batch.<relation>` with one row a (version, key), both of the same state columns, and the merged view
`serving.<pipeline>_<view>`:

    merged = batch rows of the published version + speed rows of the segments after its cut

The merged view is one SQL statement, so it reads one snapshot; `tidemark.boundary` names version and segment in that
snapshot, and fails if increments that the version needs are gone or are of another definition.
"""

from dataclasses import dataclass
from functools import cached_property

from app.measures import Digits, Measure, State, digits
from app.model import Alert, Count, Latest, Max, Mean, Min, Pipeline, Sum, TopN, Variance, View
from app.readers import MERGED, PARTS, layers, replaced_by, served_as

SQL_TYPES = {
    "string": 'text COLLATE "C"',
    "int": "integer",
    "bigint": "bigint",
    "boolean": "boolean",
    "date": "date",
    "timestamp": "timestamptz",
    "json": "jsonb",
}


def sql_type(column_type: str) -> str:
    """Postgres type of a column type. Strings compare by their bytes, as they do in Spark."""
    return SQL_TYPES.get(column_type) or column_type.replace("decimal", "numeric")


def _list(names: tuple[str, ...] | list[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


@dataclass(frozen=True)
class Relation:
    """The tables of one view and every statement that is made of its keys and states."""

    pipeline: Pipeline
    view: View | Alert

    @property
    def name(self) -> str:
        """Name of the tables in the schemas batch and speed."""
        return f"{self.pipeline.name}_{self.view.name}_{self.pipeline.fingerprint}"

    @property
    def serving(self) -> str:
        """Name of the merged view, with its schema."""
        return served_as(self.pipeline, self.view.name)

    @cached_property
    def keys(self) -> dict[str, str]:
        return {name: sql_type(self.pipeline.types[name]) for name in self.view.key_names}

    @cached_property
    def states(self) -> dict[str, str]:
        return {state.name: sql_type(state.type(self.pipeline.types)) for state in self.view.states}

    @property
    def columns(self) -> tuple[str, ...]:
        """Key and state columns: what an increment has."""
        return (*self.keys, *self.states)

    def tables(self) -> list[str]:
        """Statements that make both tables, unless they exist, and let the layers write to them."""
        columns = [f'"{name}" {kind} NOT NULL' for name, kind in self.keys.items()]
        columns += [f'"{name}" {kind}' for name, kind in self.states.items()]
        return [
            statement
            for schema, part in (("batch", "version"), ("speed", "segment"))
            for statement in (
                f"CREATE TABLE IF NOT EXISTS {schema}.{self.name} "
                f"({part} integer NOT NULL, {', '.join(columns)}, PRIMARY KEY ({_list([part, *self.keys])}))",
                f"GRANT SELECT, INSERT, UPDATE ON {schema}.{self.name} TO tidemark_{schema}",
                f"GRANT SELECT ON {schema}.{self.name} TO tidemark_batch, tidemark_speed",
            )
        ]

    def merge(self, rows: str) -> str:
        """One row a key, with merged states, of `rows`: a query that gives the key and state columns."""
        merged = [f'{_merged(state)} AS "{state.name}"' for state in self.view.states]
        grouped = f"GROUP BY {_list(list(self.keys))}" if self.keys else "HAVING count(*) > 0"
        keys = [f'"{key}"' for key in self.keys]
        return f"SELECT {', '.join([*keys, *merged])} FROM ({rows}) AS part {grouped}"

    def parts(self, layer: str = MERGED) -> str:
        """The states that make the merged view: of the published version, and of the segments after its cut.

        Or those of one layer.
        """
        boundary = f"tidemark.boundary('{self.pipeline.name}', '{self.pipeline.fingerprint}')"
        where = {"batch": "version = (SELECT version", "speed": "segment > (SELECT segment"}
        return " UNION ALL ".join(
            f"SELECT {_list(self.columns)} FROM {part}.{self.name} WHERE {where[part]} FROM {boundary})"
            for part in PARTS
            if layer in (MERGED, part)
        )

    def outputs(self, states: str) -> str:
        """What a reader sees, of `states`: a query that gives the key and the merged state columns."""
        keys, source = [f'"{key}"' for key in self.keys], f"({states}) AS merged"
        if isinstance(self.view, Alert):
            (state,) = self.view.states
            finals = [
                """(_change -> 'at' ->> 0)::bigint AS "_offset\"""",
                """(_change -> 'at' ->> 1)::integer AS "_index\"""",
                "(_change ->> 'on')::boolean AS alert",
                *_row("_change", state, self.pipeline),
            ]
            source += f""", tidemark.alert_changes("{state.name}", {state.n}) AS _change"""
        else:
            finals = [part for measure in self.view.measures for part in _finals(measure, self.pipeline)]
        return f"SELECT {', '.join([*keys, *finals])} FROM {source}"

    def merged_view(self) -> list[str]:
        """Statements that make the merged view of this definition, and of each layer, in place of those of another."""

        def query(layer: str) -> str:
            return self.outputs(self.merge(self.parts(layer)))

        apart = layers(self.pipeline, self.view.name, query)
        if not self.view.indexes:
            return [*replaced_by(self.serving, query(MERGED)), *apart]
        return [
            *replaced_by(self.serving, query(MERGED), kind="TABLE"),
            *apart,
            f"ALTER TABLE {self.serving} ADD PRIMARY KEY ({_list(list(self.keys))})",
            *(f'CREATE INDEX ON {self.serving} ("{column}")' for column in self.view.indexes),
            f"GRANT INSERT, UPDATE, DELETE ON {self.serving} TO tidemark_batch",
            f"GRANT INSERT, UPDATE ON {self.serving} TO tidemark_speed",
        ]

    def add_to_segment(self, source: str) -> str:
        """Adds the increments in `source` (rows of columns) to segment `%(segment)s`."""
        columns = _list(self.columns)
        if isinstance(self.view, Alert):  # the events of a key may have come in several increments
            source = f"({self.merge(f'SELECT {columns} FROM {source}')}) AS increment"
        updates = ", ".join(f'"{state.name}" = {_added(state)}' for state in self.view.states)
        return (
            f"INSERT INTO speed.{self.name} AS old (segment, {columns}) SELECT %(segment)s, {columns} FROM {source} "
            f"ON CONFLICT ({_list(['segment', *self.keys])}) DO UPDATE SET {updates}"
        )

    def add_version(self, source: str) -> str:
        """Writes version `%(version)s`: the increments in `source` added to version `%(previous)s` (null: to none)."""
        columns = _list(self.columns)
        rows = (
            f"SELECT {columns} FROM batch.{self.name} WHERE version = %(previous)s "
            f"UNION ALL SELECT {columns} FROM {source}"
        )
        return (
            f"INSERT INTO batch.{self.name} (version, {columns}) "
            f"SELECT %(version)s, * FROM ({self.merge(rows)}) AS merged"
        )


def relations(pipeline: Pipeline) -> tuple[Relation, ...]:
    """The relations of a pipeline's views, in the order of `Pipeline.all_views`."""
    return tuple(Relation(pipeline, view) for view in pipeline.all_views)


def _merged(state: State) -> str:
    name = f'"{state.name}"'
    match state.op:
        case "count":
            return f"sum({name})::bigint"
        case "sum" | "sum_squares":
            return f"sum({name})"
        case "top":
            return f"tidemark.top({name}, {state.n})"
        case "alert":
            return f"tidemark.alert({name}, {state.n} ORDER BY {name} -> 'first')"
        case _:
            return f"{state.op}({name})"


def _added(state: State) -> str:
    old, new = f'old."{state.name}"', f'excluded."{state.name}"'
    match state.op:
        case "count":
            return f"{old} + {new}"
        case "sum" | "sum_squares":
            return f"coalesce({old} + {new}, {old}, {new})"
        case "min":
            return f"least({old}, {new})"
        case "max":
            return f"greatest({old}, {new})"
        case _:
            return f"tidemark.{state.op}_merge({old}, {new}, {state.n})"


def _finals(measure: Measure, pipeline: Pipeline) -> list[str]:
    """SQL of what a measure shows, computed from merged states."""
    names = [f'"{state.name}"' for state in measure.states]
    match measure:
        case Count():
            final = names[0]
        case Sum() | Min() | Max():
            final = f"{names[0]}::{sql_type(measure.states[0].type(pipeline.types))}"
        case Mean():
            count, total = names
            final = _quotient(total, count, measure.states[1], pipeline)
        case Variance():
            count, total, squares = names
            numerator = f"({count} * {squares} - {total} * {total})"
            pairs = f"({count}::numeric * ({count} - 1))"  # more than a bigint holds, from 3 * 10^9 values on
            final = _quotient(numerator, pairs, measure.states[2], pipeline)
        case TopN():
            rows = f"SELECT jsonb_agg(_item -> 'row') FROM jsonb_array_elements({names[0]}) AS _item"
            final = f"({rows})"
        case Latest():
            return _row(f"{names[0]} -> 0", measure.states[0], pipeline)
    return [f'{final} AS "{measure.name}"']


def _row(item: str, state: State, pipeline: Pipeline) -> list[str]:
    """The columns of a row that is kept whole, of an item {"row": {…}}."""
    return [f"""({item} -> 'row' ->> '{name}')::{sql_type(pipeline.types[name])} AS "{name}\"""" for name in state.of]


def _quotient(numerator: str, denominator: str, widest: State, pipeline: Pipeline) -> str:
    """A quotient with six digits more than its numerator has, null where the denominator is 0."""
    scale = (digits(widest.type(pipeline.types)) or Digits(0, 0)).scale + 6
    # `round` sets the scale of the quotient and, unlike a cast, no limit to the digits before the point, of which the
    # numerator of a variance has up to 48. What is shown is what Spark can hold too.
    return f"(round({numerator}, {scale}) / nullif({denominator}, 0))::numeric(38,{scale})"
