"""The Postgres views of a definition's rollups: a query over the rows that a reader of the rolled up view would get."""

from dataclasses import dataclass, replace
from functools import cached_property

from app.model import Count, Max, Mean, Min, Pipeline, Rollup, Sum, View
from app.readers import MERGED, layers, replaced_by, served_as
from app.relations import Relation, relations

MEAN_DIGITS = 6  # after the point


@dataclass(frozen=True)
class RolledUp:
    """One rollup and the statements that are made of it."""

    pipeline: Pipeline
    view: Rollup

    @property
    def serving(self) -> str:
        """Name of what readers see, with its schema."""
        return served_as(self.pipeline, self.view.name)

    @cached_property
    def of(self) -> Relation:
        return Relation(self.pipeline, next(view for view in self.pipeline.views if view.name == self.view.of))

    def rows(self, states: str) -> str:
        """What a reader sees, of `states`: a query that gives the merged states of the rolled up view."""
        if self.view.last:
            newest = f"(SELECT max(window_end) FROM states) - interval '{self.view.last}'"
            states = f"WITH states AS ({states}) SELECT * FROM states WHERE window_end > {newest}"
        if not self.view.measures:
            assert isinstance(self.of.view, View)  # the model refuses an alert here
            coarser = Relation(self.pipeline, replace(self.of.view, keys=self.view.keys, indexes=()))
            return coarser.outputs(coarser.merge(states))
        columns = [f'"{key}"' for key in self.view.keys]
        measures = [f'{_aggregate(measure)} AS "{measure.name}"' for measure in self.view.measures]
        grouped = f" GROUP BY {', '.join(columns)}" if columns else " HAVING count(*) > 0"
        named = most = ""
        if self.view.most:
            named = " WHERE " + " AND ".join(["true", *(f"{key} IS NOT NULL" for key in columns)])
            order = [f'"{self.view.measures[0].name}" DESC NULLS LAST', *columns]
            most = f" ORDER BY {', '.join(order)} LIMIT {self.view.most}"
        return f"SELECT {', '.join(columns + measures)} FROM ({self.of.outputs(states)}) AS rows{named}{grouped}{most}"

    def merged_view(self) -> list[str]:
        """Statements that make what readers see of this definition, and of each layer, in place of those of another."""

        def query(layer: str) -> str:
            return self.rows(self.of.merge(self.of.parts(layer)))

        return [*replaced_by(self.serving, query(MERGED)), *layers(self.pipeline, self.view.name, query)]


Served = Relation | RolledUp


def rollups(pipeline: Pipeline) -> tuple[RolledUp, ...]:
    return tuple(RolledUp(pipeline, rollup) for rollup in pipeline.rollups)


def served(pipeline: Pipeline) -> tuple[Served, ...]:
    """What readers see of a pipeline: its merged views and their rollups."""
    return (*relations(pipeline), *rollups(pipeline))


def _aggregate(measure: Count | Sum | Min | Max | Mean) -> str:
    match measure:
        case Count():
            return "count(*)"
        case Mean():
            return f'round(avg("{measure.of}"), {MEAN_DIGITS})'
        case Sum() | Min() | Max():
            return f'{type(measure).__name__.lower()}("{measure.of}")'
