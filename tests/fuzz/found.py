"""What runs of ./scripts/fuzz have found, and is mended: seeds of definitions, and messages. CI tries each again."""

FOUND: tuple[tuple[int, bytes], ...] = ()
