"""Formulas about objects as cases: conjunctions of atoms, where splitting is cheap.

A choice becomes one case a branch. What would multiply too much, or cannot be a conjunction without a negated choice
in it, stays a formula among the parts of a case and is resolved member by member.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

from ..schema.algebra import (
    FALSE,
    OBJECT,
    STRING,
    TRUE,
    And,
    Expr,
    Not,
    NumProperties,
    One,
    Or,
    Properties,
    Property,
    Required,
    SomeProperty,
    StringIn,
    Types,
)

if TYPE_CHECKING:
    from .values import Values

_MAX_CASES = 64  # a choice with more branches is kept as a formula instead of one case a branch
_MAX_PRODUCT = 8  # and so are several choices beside each other, with more combinations than this


def cases(values: Values, formula: Expr) -> list[list[Expr]]:
    """``formula`` as a disjunction of lists of parts, each list a conjunction."""
    if formula is TRUE:
        return [[]]
    if formula is FALSE:
        return []
    if type(formula) is And:
        split = [cases(values, p) for p in formula.parts]
        total = 1
        for i, found in enumerate(split):
            if total * len(found) > (_MAX_CASES if total == 1 else max(total, _MAX_PRODUCT)):
                split[i] = [[formula.parts[i]]]
            else:
                total *= len(found)
        return [[part for case in choice for part in case] for choice in product(*split)]
    if type(formula) is Or:
        return [case for p in formula.parts for case in cases(values, p)]
    if type(formula) is One:
        return _one_cases(values, formula)
    if type(formula) is Not:
        opened = push_negation(values, formula.part)
        return [[formula]] if opened is None else cases(values, opened)
    return [[formula]]


def _one_cases(values: Values, formula: One) -> list[list[Expr]]:
    a, parts = values.algebra, formula.parts
    is_object = a.atom(Types, OBJECT)
    meeting: list[list[int]] = [[] for _ in parts]  # for each branch, those that hold of some object together with it
    tags = [_tags(part) for part in parts]
    for i, part in enumerate(parts):
        for j in range(i):
            if not _tagged_apart(tags[i], tags[j]) and not values.disjoint(a.all([is_object, part]), parts[j]):
                meeting[i].append(j)
                meeting[j].append(i)
    found = []
    for part, others in zip(parts, meeting, strict=True):
        found += cases(values, a.all([part, *(a.negate(parts[j]) for j in sorted(others))]))
    return found


def _tags(part: Expr) -> dict[str, frozenset[str]]:
    """The members that must be there and be one of some words, and these words."""
    atoms = part.parts if type(part) is And else (part,)
    required = {atom.name for atom in atoms if type(atom) is Required}
    found = {}
    for atom in atoms:
        if type(atom) is Property and atom.name in required and type(atom.value) is And:
            listed = [p.words for p in atom.value.parts if type(p) is StringIn]
            if listed and any(type(p) is Types and p.mask == STRING for p in atom.value.parts):
                found[atom.name] = frozenset(listed[0])
    return found


def _tagged_apart(left: dict[str, frozenset[str]], right: dict[str, frozenset[str]]) -> bool:
    return any(name in right and words.isdisjoint(right[name]) for name, words in left.items())


def push_negation(values: Values, part: Expr) -> Expr | None:
    """The negation of ``part`` without a Not in front; None where a formula does better than many cases."""
    a = values.algebra
    match part:
        case Property():
            return a.all([a.atom(Required, part.name), a.atom(Property, part.name, a.negate(part.value))])
        case Required():
            return a.atom(Property, part.name, FALSE)
        case Properties():
            return a.atom(SomeProperty, part.names, a.negate(part.value))
        case SomeProperty():
            return a.atom(Properties, part.names, a.negate(part.value))
        case NumProperties():
            below = a.atom(NumProperties, 0, part.low - 1) if part.low > 0 else FALSE
            above = a.atom(NumProperties, part.high + 1, None) if part.high is not None else FALSE
            return a.any([below, above])
        case Or():
            return a.all([a.negate(p) for p in part.parts])
        case And() if len(part.parts) <= 2:
            return a.any([a.negate(p) for p in part.parts])
    return None
