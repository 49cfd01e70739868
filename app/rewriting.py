"""Writes an expression anew, so that it is null where Spark would fail; what could fail all the same is an error here.

Only what this module knows is written, so a text that is accepted means to Spark what its parser took it for. Texts are
copied as they stand, and every operation gets parentheses.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import singledispatchmethod
from typing import Any, ClassVar

from sqlglot import expressions as sql
from sqlglot.dialects.spark import Spark
from sqlglot.parsers.spark import SparkParser

from app.calls import Part, call, cast, conditions, negative, operation, require, unified

INFIX = {
    sql.Add: "try_add",
    sql.Sub: "try_subtract",
    sql.Mul: "try_multiply",
    sql.Div: "try_divide",
    sql.Mod: "try_mod",
}
COMPARISONS = {
    sql.EQ: "=", sql.NEQ: "<>", sql.GT: ">", sql.GTE: ">=", sql.LT: "<", sql.LTE: "<=", sql.NullSafeEQ: "<=>",
}  # fmt: skip
MATCHES = {sql.Like: "LIKE", sql.ILike: "ILIKE", sql.RegexpLike: "RLIKE"}
# What binds tighter stands later. Spark and sqlglot do not agree on comparisons in a row, nor on `||` beside `+`.
PREDICATES = (*COMPARISONS, *MATCHES, sql.NullSafeNEQ, sql.Is, sql.In, sql.Between)
TIERS = (
    (sql.Or,), (sql.And,), (sql.Not,), PREDICATES, (sql.Add, sql.Sub, sql.DPipe), (sql.Mul, sql.Div, sql.Mod),
    (sql.Neg,), (sql.Expr,),
)  # fmt: skip
OPERATORS = tuple(kind for tier in TIERS[:-1] for kind in tier)
OPERANDS = ("this", "expression", "low", "high")
ARGUMENTS = {*OPERANDS, "expressions", "ifs", "default", "to", "unit", "is_string", "quoted", "negate", "typed", "safe"}
LAMBDAS = {"exists": "b", "filter": "1", "forall": "b", "transform": "A"}  # what they give


class Verbatim(Spark):
    """Spark SQL with every function as it is written, where sqlglot would translate many."""

    class Parser(SparkParser):
        FUNCTIONS: ClassVar[dict[str, Any]] = {}
        NO_PAREN_FUNCTIONS: ClassVar[dict[Any, Any]] = {}
        FUNCTION_PARSERS: ClassVar = {name: SparkParser.FUNCTION_PARSERS[name] for name in ("CAST", "TRY_CAST")}
        NO_PAREN_FUNCTION_PARSERS: ClassVar = {"CASE": SparkParser.NO_PAREN_FUNCTION_PARSERS["CASE"]}


class Rewriting:
    """Writes the nodes of one text. `kinds`: of the columns, and of the variables of a lambda, by name."""

    def __init__(self, text: str, kinds: Mapping[str, str]) -> None:
        self.text = text
        self.kinds = kinds

    def write(self, node: sql.Expr) -> Part:
        """A node of the syntax tree that `Verbatim` gives, and all below it.

        Raises:
            ValueError: it could fail on some message, or is not understood; the message says what to write instead.
        """
        if {name for name, value in node.args.items() if value} - ARGUMENTS:
            raise _not_understood(node)
        for name in OPERANDS if isinstance(node, OPERATORS) else ():
            operand = node.args.get(name)
            needed = _tier(node) + (name != "this" or isinstance(node, PREDICATES))
            if operand is not None and _tier(operand) < needed:
                raise ValueError(f"{_source(node)} can be read in two ways; use parentheses")
        return self._write(node)

    @singledispatchmethod
    def _write(self, node: sql.Expr) -> Part:
        raise _not_understood(node)

    @_write.register
    def _(self, node: sql.Paren) -> Part:
        return self.write(node.this)

    @_write.register
    def _(self, node: sql.Literal | sql.RawString) -> Part:
        if node.is_number:
            return Part(node.name, "l" if float(node.name) else "z")
        return Part(self._slice(node), "q")

    @_write.register
    def _(self, node: sql.Column | sql.Identifier) -> Part:
        if node.name not in self.kinds:
            raise ValueError(f"{_source(node)} is not a column")
        return Part(f"`{node.name}`", self.kinds[node.name])

    @_write.register
    def _(self, node: sql.Null | sql.Boolean) -> Part:
        return Part(node.sql(), "_" if isinstance(node, sql.Null) else "b")

    @_write.register
    def _(self, node: sql.Interval) -> Part:
        value, unit = node.this, node.args.get("unit")
        found = re.fullmatch(r"(?i)(second|minute|hour|day|week|month|year)s?", str(unit))
        if not found or not isinstance(value, sql.Literal) or not re.fullmatch(r"-?\d+(\.\d+)?", value.name):
            raise ValueError(f"{_source(node)} is not understood; write a number and a unit: interval 1 day")
        return Part(f"INTERVAL '{value.name}' {found[1].upper()}", "i")

    @_write.register
    def _(self, node: sql.Cast) -> Part:
        kind, value = node.to.sql(dialect="spark"), node.this
        if found := isinstance(value, sql.Literal) and re.fullmatch(r"[\d.]+[A-Za-z]", self._slice(value)):
            return Part(found[0], "l")  # a number such as 1L
        if kind in ("DATE", "TIMESTAMP") and isinstance(value, sql.Literal):
            try:
                datetime.fromisoformat(value.name)
            except ValueError:
                raise ValueError(
                    f"{value.name!r} is no {kind.lower()}; write '2026-01-31' or '2026-01-31 12:00:00'"
                ) from None
        return cast(self.write(value), kind)

    @_write.register
    def _(self, node: sql.Case) -> Part:
        subject = [self.write(node.this)] if node.this else []
        tests = [self.write(branch.this) for branch in node.args["ifs"]]
        results = [self.write(branch.args["true"]) for branch in node.args["ifs"]]
        if subject:
            unified([*subject, *tests])
        else:
            conditions(*tests)
        branches = [f"WHEN {when.text} THEN {then.text}" for when, then in zip(tests, results, strict=True)]
        if node.args.get("default"):
            results.append(self.write(node.args["default"]))
            branches.append(f"ELSE {results[-1].text}")
        return Part(f"CASE {' '.join([*(part.text for part in subject), *branches])} END", unified(results))

    @_write.register
    def _(self, node: sql.And | sql.Or) -> Part:
        parts = self._all([node.left, node.right])
        conditions(*parts)
        return Part(f"({parts[0].text} {node.key.upper()} {parts[1].text})", "b")

    @_write.register
    def _(self, node: sql.Not) -> Part:
        part = self.write(node.this)
        conditions(part)
        return Part(f"(NOT {part.text})", "b")

    @_write.register
    def _(self, node: sql.EQ | sql.NEQ | sql.GT | sql.GTE | sql.LT | sql.LTE | sql.NullSafeEQ) -> Part:
        parts = self._all([node.left, node.right])
        unified(parts)
        return Part(f"({parts[0].text} {COMPARISONS[type(node)]} {parts[1].text})", "b")

    @_write.register
    def _(self, node: sql.NullSafeNEQ) -> Part:
        return self._write(sql.Not(this=sql.NullSafeEQ(this=node.left, expression=node.right)))

    @_write.register
    def _(self, node: sql.Is) -> Part:
        part, what = self.write(node.this), node.expression
        if isinstance(what, sql.Boolean):
            conditions(part)
        elif not isinstance(what, sql.Null):
            raise _not_understood(node)
        return Part(f"({part.text} IS {self.write(what).text})", "b")

    @_write.register
    def _(self, node: sql.In) -> Part:
        parts = self._all([node.this, *node.expressions])
        unified(parts)
        return _unless(node, f"{parts[0].text} IN ({', '.join(part.text for part in parts[1:])})")

    @_write.register
    def _(self, node: sql.Between) -> Part:
        parts = self._all([node.this, node.args["low"], node.args["high"]])
        unified(parts)
        return _unless(node, f"{parts[0].text} BETWEEN {parts[1].text} AND {parts[2].text}")

    @_write.register
    def _(self, node: sql.Like | sql.ILike | sql.RegexpLike) -> Part:
        value, pattern = self._all([node.this, node.expression])
        require("rlike", [value, pattern])
        return _unless(node, f"{value.text} {MATCHES[type(node)]} {pattern.text}")

    @_write.register
    def _(self, node: sql.Add | sql.Sub | sql.Mul | sql.Div | sql.Mod) -> Part:
        return operation(INFIX[type(node)], self._all([node.left, node.right]))

    @_write.register
    def _(self, node: sql.Neg) -> Part:
        part = self.write(node.this)
        if part.kind in ("l", "z"):
            return Part(f"-{part.text}", "m" if part.kind == "l" else "z")
        return negative(part)

    @_write.register
    def _(self, node: sql.DPipe | sql.IntDiv) -> Part:
        return call("concat" if isinstance(node, sql.DPipe) else "div", self._all([node.left, node.right]))

    @_write.register
    def _(self, node: sql.Bracket) -> Part:
        return call("get", self._all([node.this, *node.expressions]))

    @_write.register
    def _(self, node: sql.Anonymous) -> Part:
        name = node.name.lower()
        return self._lambda(node, name) if name in LAMBDAS else call(name, self._all(node.expressions))

    def _lambda(self, node: sql.Anonymous, name: str) -> Part:
        array, function = [*node.expressions, None, None][:2]
        if array is None or not isinstance(function, sql.Lambda) or len(function.expressions) > 2:
            raise _not_understood(node)
        elements = self.write(array)
        require("size", [elements])
        names = [variable.name for variable in function.expressions]
        inner = Rewriting(self.text, {**self.kinds, **dict(zip(names, (elements.kind.lower(), "n"), strict=False))})
        body = inner.write(function.this)
        if name != "transform":
            conditions(body)
        gives = {"1": elements.kind, "A": body.base.upper()}.get(LAMBDAS[name], LAMBDAS[name])
        variables = ", ".join(f"`{variable}`" for variable in names)
        variables = variables if len(names) == 1 else f"({variables})"
        return Part(f"{name}({elements.text}, {variables} -> {body.text})", gives)

    def _slice(self, node: sql.Expr) -> str:
        """A literal as it stands in the text; what has no place there are the digits of a number such as 1.5BD."""
        return self.text[node.meta["start"] : node.meta["end"] + 1] if node.meta else f"'{node.name}'"

    def _all(self, nodes: Iterable[sql.Expr]) -> list[Part]:
        return [self.write(node) for node in nodes]


def _unless(node: sql.Expr, text: str) -> Part:
    """A predicate, or its opposite where the node says so."""
    return Part(f"(NOT ({text}))" if node.args.get("negate") else f"({text})", "b")


def _tier(node: sql.Expr) -> int:
    return next(number for number, tier in enumerate(TIERS) if isinstance(node, tier))


def _source(node: sql.Expr) -> str:
    return node.sql(dialect="spark", comments=False)


def _not_understood(node: sql.Expr) -> ValueError:
    return ValueError(f"{_source(node)} is not understood; write it another way")
