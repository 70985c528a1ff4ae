"""Formulas about containers, read one member at a time.

After a member, a formula about the container has become one about the remaining members, in which ``Holds`` marks what
depends on the member's value. :func:`outcomes` resolves these questions into alternatives: a formula for the value,
and what is left to ask of the rest of the container. Together the alternatives cover every value once or, where that
costs nothing, more than once.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import TYPE_CHECKING

from ..schema.algebra import FALSE, TRUE, And, Expr, Holds, Not, One, Or

if TYPE_CHECKING:
    from collections.abc import Callable

    from .values import Values

_NO_QUESTIONS: dict[Holds, None] = {}
NUMBERS = count()  # for the states of arrays and objects, never used again
Outcome = tuple[Expr, Expr]  # (what the value must satisfy, what is left for the rest)


def rebuild(
    values: Values,
    formula: Expr,
    leaf: Callable[[Expr], Expr],
    keep: Callable[[Expr], bool] = lambda part: False,
    memo: dict[Expr, Expr] | None = None,
) -> Expr:
    """``formula`` with every node that is not a connective replaced by ``leaf(node)``; parts to ``keep`` stay.

    ``memo`` remembers what became of the connectives, for further calls with the same ``leaf``.
    """
    if formula is TRUE or formula is FALSE or keep(formula):
        return formula
    if type(formula) not in (And, Or, One, Not):
        return leaf(formula)
    known = memo.get(formula) if memo is not None else None
    if known is None:
        known = _rebuild(values, formula, leaf, keep, memo)
        if memo is not None:
            memo[formula] = known
    return known


def _rebuild(
    values: Values, formula: Expr, leaf: Callable[[Expr], Expr], keep: Callable[[Expr], bool], memo: dict | None
) -> Expr:
    a = values.algebra
    if type(formula) is Not:
        return a.negate(rebuild(values, formula.part, leaf, keep, memo))
    parts = [rebuild(values, p, leaf, keep, memo) for p in formula.parts]  # type: ignore[attr-defined]
    if type(formula) is And:
        return a.all(parts)
    return a.any(parts) if type(formula) is Or else a.one(parts)


def holds(values: Values, value: Expr) -> Expr:
    """The question whether the member or item now being read satisfies ``value``."""
    return value if value is TRUE or value is FALSE else values.algebra.atom(Holds, value)


def outcomes(values: Values, formula: Expr, given: Expr = TRUE) -> list[Outcome]:
    """The alternatives of ``formula``, a container's after one member whose value satisfies ``given`` at least.

    Those that no value can take are left out.
    """
    a = values.algebra
    by_rest: dict[Expr, list[Expr]] = {}
    for value, rest in branches(values, formula, given, narrow=True):
        by_rest.setdefault(rest, []).append(value)
    return [(a.any(found), rest) for rest, found in by_rest.items()]


def branches(values: Values, formula: Expr, given: Expr = TRUE, narrow: bool = False) -> Iterator[Outcome]:
    """The same one by one; the same rest may come more than once. ``narrow``: keep what values must satisfy small."""
    a = values.algebra
    if type(formula) is Holds:
        given, formula = a.all([given, formula.value]), TRUE
    elif type(formula) is And:
        asked = [p.value for p in formula.parts if type(p) is Holds]
        if asked:
            given, formula = a.all([given, *asked]), a.all([p for p in formula.parts if type(p) is not Holds])
    values.spend(size(formula))
    if formula is FALSE or not values.viable(given, lambda: values.inhabited(given)):
        return
    question = next(iter(_questions(formula)), None)
    if question is None:
        yield given, formula
        return
    for answer in (TRUE, FALSE):
        condition = question.value if answer is TRUE else a.negate(question.value)
        decided = _answered(values, formula, question, answer)
        if decided is not FALSE:
            both = _narrow(values, given, condition) if narrow else a.all([given, condition])
            yield from branches(values, decided, both, narrow)


def size(formula: Expr) -> int:
    """What working on ``formula`` once counts as, in steps of fuel."""
    return 1 + len(formula.parts) // 8 if type(formula) in (And, Or, One) else 1  # type: ignore[attr-defined]


def _answered(values: Values, formula: Expr, question: Holds, answer: Expr) -> Expr:
    return rebuild(
        values,
        formula,
        lambda leaf: answer if leaf is question else leaf,
        lambda part: question not in _questions(part),
        question.memo.setdefault(answer, {}),
    )


def _narrow(values: Values, given: Expr, condition: Expr) -> Expr:
    """``given`` and ``condition``; the latter is left out where it follows, which keeps formulas small."""
    a = values.algebra
    both = a.all([given, condition])
    if both is given or values.disjoint(given, a.negate(condition)):
        return given
    return both


def _questions(formula: Expr) -> dict[Holds, None]:
    """The open questions in ``formula``, in order."""
    found = formula.memo.get("questions")
    if found == 0:  # most have none, and a number is nothing that the garbage collector follows
        return _NO_QUESTIONS
    if found is None:
        match formula:
            case Holds():
                found = {formula: None}
            case And() | Or() | One():
                found = {}
                for part in formula.parts:
                    found.update(_questions(part))
            case Not():
                found = _questions(formula.part)
            case _:
                found = {}
        formula.memo["questions"] = found or 0
    return found
