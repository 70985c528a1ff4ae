"""Formulas about containers, read one member at a time.

After a member, a formula about the container has become one about the remaining members, in which ``Holds`` marks what
depends on the member's value. :func:`outcomes` resolves these questions into alternatives: a formula for the value,
and what is left to ask of the rest of the container. Together the alternatives cover every value once or, where that
costs nothing, more than once.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..schema.algebra import FALSE, TRUE, And, Expr, Holds, Not, One, Or

if TYPE_CHECKING:
    from collections.abc import Callable

    from .values import Values

Outcome = tuple[Expr, Expr]  # (what the value must satisfy, what is left for the rest)


def rebuild(values: Values, formula: Expr, leaf: Callable[[Expr], Expr]) -> Expr:
    """``formula`` with every node that is not a connective replaced by ``leaf(node)``."""
    a = values.algebra
    match formula:
        case And():
            return a.all([rebuild(values, p, leaf) for p in formula.parts])
        case Or():
            return a.any([rebuild(values, p, leaf) for p in formula.parts])
        case One():
            return a.one([rebuild(values, p, leaf) for p in formula.parts])
        case Not():
            return a.negate(rebuild(values, formula.part, leaf))
    return formula if formula is TRUE or formula is FALSE else leaf(formula)


def holds(values: Values, value: Expr) -> Expr:
    """The question whether the member or item now being read satisfies ``value``."""
    return value if value is TRUE or value is FALSE else values.algebra.atom(Holds, value)


def outcomes(values: Values, formula: Expr, given: Expr = TRUE) -> list[Outcome]:
    """The alternatives of ``formula``, a container's after one member whose value satisfies ``given`` at least.

    Those that no value can take are left out.
    """
    a = values.algebra
    by_rest: dict[Expr, list[Expr]] = {}
    for value, rest in _split(values, formula, given):
        by_rest.setdefault(rest, []).append(value)
    return [(a.any(found), rest) for rest, found in by_rest.items()]


def _split(values: Values, formula: Expr, given: Expr) -> Iterator[Outcome]:
    a = values.algebra
    if type(formula) is Holds:
        given, formula = a.all([given, formula.value]), TRUE
    elif type(formula) is And:
        asked = [p.value for p in formula.parts if type(p) is Holds]
        if asked:
            given, formula = a.all([given, *asked]), a.all([p for p in formula.parts if type(p) is not Holds])
    if formula is FALSE or not values.inhabited(given):
        return
    question = _question(formula)
    if question is None:
        yield given, formula
        return
    for answer in (TRUE, FALSE):
        condition = question.value if answer is TRUE else a.negate(question.value)
        decided = rebuild(values, formula, lambda leaf, answer=answer: answer if leaf is question else leaf)  # type: ignore[misc]
        if decided is not FALSE:
            yield from _split(values, decided, _narrow(values, given, condition))


def _narrow(values: Values, given: Expr, condition: Expr) -> Expr:
    """``given`` and ``condition``; the latter is left out where it follows, which keeps formulas small."""
    a = values.algebra
    both = a.all([given, condition])
    if both is given or values.disjoint(given, a.negate(condition)):
        return given
    return both


def _question(formula: Expr) -> Holds | None:
    match formula:
        case Holds():
            return formula
        case And() | Or() | One():
            return next((q for p in formula.parts if (q := _question(p)) is not None), None)
        case Not():
            return _question(formula.part)
    return None
