"""How many messages were read between which offsets, over any number of appends."""

from app.notes import MASTER, Note
from app.ranges import Ranges, extended, spans


def test_appends_that_follow_each_other_are_one_range_and_others_are_not() -> None:
    ranges: Ranges = {}
    for start, end, messages in (
        ({0: 2, 1: 0}, {0: 5, 1: 4}, {0: 3, 1: 2}),
        ({0: 5, 1: 4}, {0: 9, 1: 4}, {}),  # markers alone
        ({0: 12, 1: 4}, {0: 20, 1: 6, -2: 7}, {0: 8, 1: 2}),
    ):
        ranges = extended(ranges, spans(start, end), messages)

    assert ranges == {0: [(2, 9, 3), (12, 20, 8)], 1: [(0, 6, 4)]}


def test_a_note_is_read_as_it_was_written() -> None:
    note = Note(MASTER, {0: 9, -1: 3}, ranges={0: [(2, 5, 3)]}, appended={0: (5, 9)})

    assert Note.newest(["other", str(note), str(Note("older"))]) == note
    assert Note.newest(['tidemark {"fingerprint": "master", "cut": {"0": 4}, "version": 0}']) == Note(MASTER, {0: 4})
