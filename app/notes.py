"""What is noted on the Delta commits of the lake: of which events a table is."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Self

from app.ledger import Offsets, offsets_from_json
from app.ranges import Ranges, Span, ranges_from_json

MASTER = "master"  # in place of a fingerprint
MARK = "tidemark "  # what a note begins with: other hands may commit to the tables, and note what they like


@dataclass(frozen=True)
class Note:
    """By which definition a table was derived; by MASTER where it is what all others are derived from.

    `cut`: up to where, of a table of events. `version`: whose rows they are, of a table of a view. `events`: how many
    the ids name, all of which lie below `cut`.

    Of the master dataset, `ranges`: how many messages were read of each partition between which offsets, before this
    commit; `appended`: between which offsets it adds those of each.
    """

    fingerprint: str
    cut: Offsets = field(default_factory=dict)
    version: int = 0
    events: int | None = None
    ranges: Ranges = field(default_factory=dict)
    appended: dict[int, Span] = field(default_factory=dict)

    def __str__(self) -> str:
        return MARK + json.dumps(asdict(self))

    @classmethod
    def newest(cls, metadata: Iterable[str | None]) -> Self:
        """The first note in the metadata of commits, the newest first; where there is none, that of no definition."""
        text = next((text for text in metadata if text and text.startswith(MARK)), None)
        if text is None:
            return cls("unknown")
        values = json.loads(text.removeprefix(MARK))
        return cls(
            values["fingerprint"],
            offsets_from_json(values["cut"]),
            values["version"],
            values.get("events"),
            ranges_from_json(values.get("ranges", {})),
            {
                int(partition): (first, following)
                for partition, (first, following) in values.get("appended", {}).items()
            },
        )
