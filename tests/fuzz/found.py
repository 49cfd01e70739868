"""What random messages have shown, and is mended: seeds of definitions, and messages. CI tries each again."""

_SEVEN = b'"id": "1", "at": "2026-01-01", "client": "none", "level": 5, "c0": 14.61, "c1": "28.44", "c3": 31, "c4": 7'

FOUND: tuple[tuple[int, bytes], ...] = (
    # Elements after which Spark's parser went on, past what is no string.
    (1, b'[{"": "", "id": "", "at": "\x05,"": ""}]'),
    (7, b"[{" + _SEVEN + rb', "c5": true, "c2": "a\ue9"}, {}]'),
    (7, b"[{" + _SEVEN + rb', "c5": true}, {"id": "2", "c2": "\ud83l}]'),
    (7, b"[{" + _SEVEN + b', "c5": true, "c2": "a\x01"}]'),
    # Elements that are no objects, and a message that is null.
    (3, b"[1]"),
    (3, b'[{}, "a"]'),
    (3, b"[[{}]]"),
    (3, b"null"),
    # Half a surrogate pair beside a number.
    (3, rb'{"id": 1, "at": "2026-01-09", "client": "a", "level": 18, "c0": "-3.96", "c3": "\ud83d32.07", "c5": 1}'),
    (7, b"{" + _SEVEN + rb', "c5": true, "id": "\ud83d434871"}'),
    # A date of ten bytes, of which one is a space.
    (
        4,
        b'{"id": 8, "at": "2026-01-03", "client": "", "level": 40, "c0": 1, "c1": false, "c2": "2026-01-1 ", "c4": 3}',
    ),
)
