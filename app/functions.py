"""The functions of Spark SQL that an expression may use: each gives null, and never an error, whatever an event holds.

What is not here can fail on some message, which would stop the stream, or has not been tried:
tests/spark/test_functions.py calls each of these with every kind of value, the nasty ones first.

A kind is a letter: s string, n number, t time (timestamp or date), d date where it is known to be one, i interval,
b boolean, x binary, and S, N, T, B arrays of these; `_` is null. A literal has a kind of its own where that matters: q
a string, l a number above 0, z zero, m one below 0. A signature says what each argument may be: `sx` string or binary,
`n?` none or a number, `s*` any number of strings, `|` between two signatures. k, w and c are numbers that Spark would
cast to a narrower type (see NARROW), `a` is any array, `.` anything. Strings are never taken for numbers, times or
booleans: Spark would cast them too, and a cast that was not asked for fails on the first string that is none.
"""

import re
from typing import NamedTuple

NARROW = {"k": "INT", "w": "BIGINT", "c": "DECIMAL(16,6)"}
_ALSO = {"s": "sq_", "t": "td_", "i": "i_", "b": "b_", "x": "x_", "a": "SNTB_", ".": "sqnlzmtdibx_SNTB"}
_ALSO |= dict.fromkeys(("n", *NARROW), "nlzm_")


class Function(NamedTuple):
    """What a function gives, as a kind (`1`: that of its first argument, `e`: that of its elements), and takes."""

    gives: str
    takes: str

    def accepts(self, kinds: str) -> bool:
        """Whether it takes arguments of these kinds, a letter each."""
        return any(re.fullmatch(_pattern(signature), kinds) for signature in self.takes.split("|"))

    def narrow(self, position: int) -> str | None:
        """The type that an argument must be cast to if it is a number; None: as it is."""
        taken = self.takes.split()[position : position + 1]
        return next((NARROW[kind] for part in taken for kind in part if kind in NARROW), None)


def _pattern(signature: str) -> str:
    parts = (re.fullmatch(r"(.+?)([?*]?)", part) for part in signature.split())
    return "".join(f"[{''.join(_ALSO.get(kind, kind) for kind in found[1])}]{found[2]}" for found in parts if found)


_LISTED = (
    ("s", "s", "initcap lcase lower make_valid_utf8 md5 quote sha sha1 soundex ucase upper url_encode"),
    ("s", "s", "try_url_decode try_validate_utf8"),
    ("s", "s s?", "btrim ltrim rtrim trim"),
    ("s", "s s", "get_json_object"),
    ("s", "s s s?", "replace try_parse_url"),
    ("s", "s s s", "translate"),
    ("s", "s s k k?", "overlay"),
    ("s", "s s lm", "split_part"),
    ("s", "s s lzm", "substring_index"),
    ("s", "s k", "left right"),
    ("s", "s k k?", "substr substring"),
    ("s", "s lz s?", "lpad rpad"),
    ("s", "s lz", "repeat"),
    ("s", "s q", "regexp_substr"),
    ("s", "s q q", "regexp_replace"),
    ("s", "s q lz?", "regexp_extract"),
    ("s", "swx", "hex"),
    ("s", "sx", "base64"),
    ("s", "sx lz", "sha2"),
    ("s", "sntb*", "concat"),
    ("s", "s sntbSNTB*", "concat_ws"),
    ("s", "w", "bin char chr"),
    ("s", "n lz", "format_number"),
    ("s", "w q?", "from_unixtime"),
    ("s", "t", "dayname monthname"),
    ("s", "t q", "date_format to_char to_varchar"),
    ("s", "S s s?", "array_join"),
    ("n", "", "e pi"),
    ("n", ". .*", "hash xxhash64"),
    ("n", "s", "ascii json_array_length"),
    ("n", "sx", "bit_length char_length character_length crc32 len length octet_length"),
    ("n", "s s", "find_in_set instr"),
    ("n", "s s k?", "levenshtein locate position"),
    ("n", "s q", "regexp_count regexp_instr try_to_number"),
    ("n", "n", "acos asin atan bit_count cbrt cos cosh degrees exp expm1 ln log10 log1p log2 positive radians"),
    ("n", "n", "rint sign signum sin sinh sqrt tan tanh zeroifnull nullifzero"),
    ("n", "n", "ceil ceiling floor"),
    ("n", "k", "factorial"),
    ("n", "n lz?", "bround round"),
    ("n", "n n?", "log"),
    ("n", "n n", "atan2 hypot nanvl pow power"),
    ("n", "t", "day dayofmonth dayofweek dayofyear hour minute month quarter second weekday weekofyear year"),
    ("n", "t", "to_unix_timestamp unix_date unix_micros unix_millis unix_seconds unix_timestamp"),
    ("n", "t t", "date_diff datediff months_between"),
    ("n", "q t", "date_part datepart"),
    ("n", "a", "array_size cardinality size"),
    ("n", "S s|N n|T t|B b", "array_position"),
    ("d", "t n", "date_add date_sub"),
    ("d", "t lzm", "add_months"),
    ("d", "t", "last_day"),
    ("d", "t q", "next_day"),
    ("t", "t q", "from_utc_timestamp to_utc_timestamp"),
    ("t", "s t", "date_trunc"),
    ("d", "t s", "trunc"),
    ("d", "k", "date_from_unix_date"),
    ("t", "n", "timestamp_micros"),
    ("d", "st q?", "try_to_date"),
    ("t", "st q?", "try_to_timestamp"),
    ("t", "k k k k k c q?", "try_make_timestamp try_make_timestamp_ltz"),
    ("b", ".", "isnotnull isnull"),
    ("b", "n", "isnan"),
    ("b", "s", "is_valid_utf8 luhn_check"),
    ("b", "s s", "contains endswith startswith"),
    ("b", "s q", "ilike like regexp regexp_like rlike"),
    ("b", "S s|N n|T t|B b", "array_contains"),
    ("x", "s", "unhex"),
    ("x", "s q?", "try_to_binary"),
    ("x", "x sx s? s? sx?", "try_aes_decrypt"),
    ("S", "s q k?", "split"),
    ("S", "s q lz?", "regexp_extract_all"),
    ("1", "sa", "reverse"),
    ("1", "a", "array_compact array_distinct array_sort sort_array"),
    ("1", "a lm lz", "slice"),
    ("e", "a", "array_max array_min"),
    ("e", "a k", "get"),
    ("e", "a lm", "try_element_at"),
)  # fmt: skip
FUNCTIONS = {name: Function(gives, takes) for gives, takes, names in _LISTED for name in names.split()}

# What gives null where the function of Spark gives an error.
TWINS = {
    name: f"try_{name}"
    for name in (
        "add", "aes_decrypt", "divide", "element_at", "make_timestamp", "make_timestamp_ltz", "mod", "multiply",
        "parse_url", "subtract", "to_binary", "to_date", "to_number", "to_timestamp", "url_decode", "validate_utf8",
    )
}  # fmt: skip

# What to use in place of functions that have no such twin.
INSTEAD = {
    "assert_true": "a check of the pipeline",
    "div": "cast(a / b as bigint)",
    "make_date": "make_timestamp, or cast(text as date)",
    "pmod": "mod(a, b)",
    "raise_error": "a check of the pipeline",
    "timestamp_millis": "timestamp_micros(1000 * …)",
    "timestamp_seconds": "timestamp_micros(1000000 * …)",
    "unbase64": "to_binary(text, 'base64')",
}

# The operators, by the kinds of their operands: what they give.
OPERATORS = {
    "try_add": {"nn": "n", "ti": "t", "it": "t", "tn": "t", "nt": "t", "ii": "i"},
    "try_subtract": {"nn": "n", "ti": "t", "tn": "t", "tt": "i", "ii": "i"},
    "try_multiply": {"nn": "n", "in": "i", "ni": "i"},
    "try_divide": {"nn": "n", "in": "i"},
    "try_mod": {"nn": "n"},
}
