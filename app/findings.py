"""What a comparison with a recount has found, of merged views or of lake tables."""

from collections.abc import Iterable
from dataclasses import dataclass, field

SHOWN = 20  # differing rows that are named, of each view or table


@dataclass(frozen=True)
class Difference:
    """A row of a view or table that is not what the recount gives, as text; None: there is no such row on that side."""

    name: str
    held: str | None
    recount: str | None


@dataclass(frozen=True)
class Findings:
    """How many rows each view or table has that was compared, how many differ where any do, and some of these."""

    rows: dict[str, int] = field(default_factory=dict)
    differing: dict[str, int] = field(default_factory=dict)
    differences: list[Difference] = field(default_factory=list)

    @property
    def exact(self) -> bool:
        return not self.differing

    def add(self, name: str, rows: int, differing: int, shown: Iterable[tuple[str | None, str | None]]) -> None:
        """Adds what was found of one; `shown`: of differing rows, what it holds and what the recount gives."""
        self.rows[name] = rows
        if differing:
            self.differing[name] = differing
            self.differences.extend(Difference(name, held, recount) for held, recount in shown)

    def take(self, other: "Findings") -> None:
        """Adds what was found of others."""
        self.rows.update(other.rows)
        self.differing.update(other.differing)
        self.differences.extend(other.differences)
