"""How many messages were read of each partition, and between which offsets.

Appends that follow each other are one range, so there are as many as gaps and one more, however long the log grows: a
note carries all of them, when those of older commits are gone with Delta's log. The sum proves what each part would: no
offset is there twice, and none between two ranges, so a message that is lost is not made up for by another.
"""

from app.ledger import Offsets

Span = tuple[int, int]  # first offset, next offset
Range = tuple[int, int, int]  # the same, and how many messages have the offsets between: markers have some too
Ranges = dict[int, list[Range]]  # of each partition, in order


def ranges_from_json(value: dict[str, list[list[int]]]) -> Ranges:
    return {int(p): [(first, following, messages) for first, following, messages in of] for p, of in value.items()}


def spans(start: Offsets, end: Offsets) -> dict[int, Span]:
    """What lies from some offsets on and below others, of the topic's partitions where something does."""
    return {p: (start.get(p, 0), next_) for p, next_ in end.items() if p >= 0 and next_ > start.get(p, 0)}


def extended(ranges: Ranges, added: dict[int, Span], messages: dict[int, int]) -> Ranges:
    """The ranges with those of an append, given how many messages it has of each partition."""
    result = dict(ranges)
    for partition, (first, following) in added.items():
        of, count = result.get(partition, []), messages.get(partition, 0)
        if of and of[-1][1] == first:
            whole = (of[-1][0], following, of[-1][2] + count)
            result[partition] = [*of[:-1], whole]
        else:
            result[partition] = [*of, (first, following, count)]
    return result
