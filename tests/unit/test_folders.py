"""What is written of a folder of Parquet files decides whether a compaction has anything to do there."""

import pytest

from app.folders import Folder, Standing
from app.ledger import Offsets


@pytest.mark.parametrize(
    ("placed", "cut", "grown"),
    [
        ({}, {}, False),
        ({0: 1}, {}, True),
        ({0: 1}, {0: 1}, False),
        ({0: 1, 1: 5}, {0: 3, 1: 4}, True),
        ({0: 1}, {0: 2, 1: 4, -1: 7}, False),
    ],
)
def test_a_folder_has_grown_where_a_file_came_from_above_the_cut(placed: Offsets, cut: Offsets, grown: bool) -> None:
    assert Folder("f", placed).has_grown_since(cut) is grown


def test_the_folders_of_a_table_are_its_own() -> None:
    one, other = Folder("a", {}), Folder("b", {})
    standing = Standing(folders={("one", "2026-01-01"): one, ("other", "2026-01-01"): other})

    assert standing.of("one") == {"2026-01-01": one}
    assert standing.of("none") == {}
