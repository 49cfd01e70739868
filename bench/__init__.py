"""Measurements of the whole, each beside what it is compared with, in one run."""

TIDEMARK, PLAIN, TIDEMARK_FIRSTS, PLAIN_FIRSTS, BY_HAND = (
    "tidemark", "plain Spark", "tidemark, no duplicates", "plain Spark, no duplicates", "consumer by hand",
)  # fmt: skip
INCREMENTAL, FULL = "over a tenth of new events", "over all events"
