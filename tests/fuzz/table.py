"""The table of bad inputs: kinds of value, by type of the column, by the role that the column has.

Each type has a definition of its own, in which a column of that type has each role. A cell is the messages that have a
value of that kind there, beside good values; the oracle says what must become of them. Files have one definition with a
column of each type.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from tests.fuzz.definitions import KINDS
from tests.fuzz.plain import Alert, Definition, Field, Measure, Message, View

VALUES: dict[str, tuple[bytes, ...]] = {
    "missing": (),
    "null": (b"null",),
    "text": (b'"ada"', b'" "', b'""', b'"null"', b'"NaN"', b'"1d"', '"٣"'.encode(), b'"a|"', b'"?"'),
    "whole number": (b"7", b"-0", b'"7"', b'" +7 "'),
    "fraction": (b"1.5", b'"1.5"', b"1.10", b"-0.005"),
    "whole number with a point": (b"1213.0", b"1.213e3", b'"1213.0"'),
    "exponent": (b"1e3", b'"1E-3"', b"1e400", b'"1e00001"', b'"1e99999"'),
    "large number": (b"2147483648", b"9223372036854775808", b"9007199254740993", b"-99999999999"),
    "30 digits": (b"123456789012345678901234567890", b"12345678901234567890.1234567890", b"9" * 200),
    "boolean": (b"true", b"false", b'"T"', b'" no "'),
    "object": (b"{}", b'{"a": 1}', b'{"at": "2026-01-01"}'),
    "array": (b"[]", b"[1]", b'["a", {}]'),
    "zero byte": (rb'"a\u0000b"', rb'"\u0000"', rb'"7\u0000"'),
    "half a surrogate pair": (rb'"\ud83d"', rb'"7\ude00"', rb'"\ude00\ud83d"', rb'"?\\\ud83d"'),
    "whole surrogate pair": (rb'"\ud83d\ude00"',),
    "raw control character": (b'"a\x01"', b'"\n"', b'"\x1f7"'),
    "broken escape": (rb'"\x"', rb'"\u12"', rb'"\u12G4"'),
    "not UTF-8": (b'"\xff"', b'"\xed\xa0\x80"', b'"\xc0\xaf"'),
    "not JSON": (b"'ada'", b"NaN", b"-Infinity", b"+1", b"01", b".5", b"", b'"ada', b"7 /* seven */"),
    "1,024 bytes": (b'"%b"' % (b"x" * 1_024), b'"%b"' % ("é" * 512).encode()),
    "1,025 bytes": (b'"%b"' % (b"x" * 1_025), b'"x%b"' % ("é" * 512).encode()),
    "200,000 bytes": (b'"%b"' % (b"x" * 200_000), b'"%b"' % (rb"\u0001" * 40_000)),
    "date": (b'"2026-01-01"', b'"2026-1-1"', b'"2026-02-30"', b'"0001-01-01"', b'"9999-12-31"', b'"0000-12-31"'),
    "time": (
        b'"2026-01-01T12:00:00Z"', b'"2026-01-01 12:00:00.1234567+05:30"', b'"2026-01-01T24:00:00Z"', b'"12:30"',
    ),
    "first and last moment": (
        b'"0001-01-01T00:00:00Z"', b'"9999-12-31T23:59:59.999999Z"', b'"9999-12-31T23:59:59-01:00"',
        b'"10000-01-01T00:00:00Z"', b'"0001-01-01T00:00:00+01:00"',
    ),
    "twice": (b'"x", "%s": null', b'null, "%s": 7', b'{}, "%s": "ada"'),  # the name stands in the value
}  # fmt: skip
ROLES = ("key", "index", "measure", "latest", "top", "alert", "id", "event_time")
FILES = ("dropped", "history")
REQUIRED = ("key", "id", "event_time")
GOOD = {
    "string": "a",
    "int": "5",
    "bigint": "6",
    "boolean": "true",
    "date": "2026-01-02",
    "timestamp": "2026-01-02T03:04:05Z",
}
Cell = tuple[str, str, str]  # kind of value, type, role


def definition(kind: str) -> Definition:
    """Columns of one type in each role that they can have."""
    roles = [role for role in ROLES if possible(kind, role)]
    fields = [Field(f"as_{role}", kind, required=role in REQUIRED) for role in roles]
    if "event_time" not in roles:
        fields.append(Field("as_event_time", "timestamp"))
    number = kind in ("int", "bigint", "decimal(9,2)", "decimal(14,0)", "decimal(20,5)", "decimal(28,10)")
    measures = [Measure("count", "n"), *([Measure("sum", "total", ("as_measure",))] if number else [])]
    if kind != "boolean":
        measures += [Measure("min", "least", ("as_measure",)), Measure("max", "most", ("as_measure",))]
    return Definition(
        name="table",
        fields=(*fields, Field("client", "string"), Field("level", "int")),
        event_time="as_event_time",
        views=(
            View("keys", ("as_key",), (Measure("count", "n"),)),
            View("minutes", ("client",), tuple(measures), (60, 60)),
            View("slides", (), (Measure("count", "n"),), (7 * 86_400, 86_400)),
            View(
                "searched",
                ("client",),
                (Measure("latest", "latest", ("as_index",), "as_event_time"),),
                None,
                ("as_index",),
            ),
            View("newest", ("client",), (Measure("latest", "latest", ("as_latest",), "as_event_time"),)),
            View("best", (), (Measure("top", "best", ("as_top",), "as_event_time", 100),)),
        ),
        alerts=(Alert("alerts", ("client",), "level", 5, 2, 3, ("as_alert",)),),
        dedup="as_id" if kind != "boolean" else None,
    )


def wide() -> Definition:
    """A column of each type, for what comes in files."""
    fields = tuple(Field(f"c{number}", kind, required=False) for number, kind in enumerate(KINDS))
    shown = tuple(field.name for field in fields)
    return Definition(
        name="table",
        fields=(Field("client", "string"), Field("event_time", "timestamp"), *fields),
        event_time="event_time",
        views=(
            View("clients", ("client",), (Measure("latest", "latest", shown, "event_time"),)),
            View("best", (), (Measure("top", "best", shown, "event_time", 100),)),
        ),
    )


def possible(kind: str, role: str) -> bool:
    """Whether a column of a type can have a role."""
    return kind == "timestamp" or role != "event_time"


def cells(kind: str) -> Iterator[tuple[Cell, bytes]]:
    """The messages of a type's definition: each value in each role, alone and as an element among good ones."""
    for role in (role for role in ROLES if possible(kind, role)):
        for name, values in VALUES.items():
            for value in values or (None,):
                bad = _message(definition(kind), f"as_{role}", value)
                yield (name, kind, role), bad
                yield (name, kind, "element"), b"[%b, %b, %b]" % (_good(kind), bad, _good(kind))


def lines() -> Iterator[tuple[Cell, bytes]]:
    """The lines of files: each value in a column of each type. One with a newline would be two."""
    for field in wide().fields[2:]:
        for name, values in VALUES.items():
            for value in values or (None,):
                line = _message(wide(), field.name, value)
                if b"\n" not in line:
                    yield from (((name, field.kind, role), line) for role in FILES)


def messages(kind: str) -> list[Message]:
    """All messages of a type."""
    return [
        Message(0, offset, offset * 1_000_000, value.replace(b"#", _number(kind, offset).encode()))
        for offset, (_, value) in enumerate(cells(kind))
    ]


def _number(kind: str, offset: int) -> str:
    """An id of a type."""
    moment = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=offset)
    return {"date": moment.date().isoformat(), "timestamp": moment.isoformat()}.get(kind, str(offset))


def _good(kind: str) -> bytes:
    return _message(definition(kind), "", None)


def _message(of: Definition, role: str, value: bytes | None) -> bytes:
    members = [(field.name, _value(field)) for field in of.fields if field.name != role]
    if value is not None:
        members.append((role, value.replace(b"%s", role.encode())))
    return b"{" + b", ".join(b'"%b": %b' % (name.encode(), text) for name, text in members) + b"}"


def _value(field: Field) -> bytes:
    """A good value; for an id, #, which becomes one of the message's own."""
    if field.name == "level":
        return b"7"
    if field.name == "as_id" and field.kind != "boolean":
        return b'"#"'
    return b'"%b"' % GOOD.get(field.kind, "1.25").encode()
