"""A boolean combination of atoms as a disjunction of conjunctions (cubes), where there are not too many of them."""

from __future__ import annotations

from collections.abc import Iterable

from ..schema.algebra import FALSE, TRUE, And, Expr, Not, One, Or

Cube = dict[Expr, bool]  # which atoms must hold (True) and which must not
_MAX_CUBES = 64


def cubes(formula: Expr, wanted: bool = True) -> list[Cube] | None:
    """``formula``, or its negation, as cubes any of which will do; None when there would be too many."""
    if type(formula) is Not:
        return cubes(formula.part, not wanted)
    if formula is TRUE or formula is FALSE:
        return [{}] if (formula is TRUE) == wanted else []
    if type(formula) is One:
        return _one(formula.parts, wanted)
    if type(formula) is And or type(formula) is Or:
        parts = [cubes(p, wanted) for p in formula.parts]
        return _all(parts) if (type(formula) is And) == wanted else _any(parts)
    return [{formula: wanted}]


def _one(parts: tuple[Expr, ...], wanted: bool) -> list[Cube] | None:
    """Exactly one of ``parts`` holds; or none does, or two of them do."""
    yes, no = [cubes(p) for p in parts], [cubes(p, False) for p in parts]
    numbers = range(len(parts))
    if wanted:
        return _any(_all([*no[:i], yes[i], *no[i + 1 :]]) for i in numbers)
    return _any([_all(no), *(_all([yes[i], yes[j]]) for i in numbers for j in range(i))])


def _any(parts: Iterable[list[Cube] | None]) -> list[Cube] | None:
    found: list[Cube] = []
    for part in parts:
        if part is None or len(found) + len(part) > _MAX_CUBES:
            return None
        found += part
    return found


def _all(parts: Iterable[list[Cube] | None]) -> list[Cube] | None:
    found: list[Cube] = [{}]
    for part in parts:
        if part is None or len(found) * len(part) > _MAX_CUBES:
            return None
        found = [{**a, **b} for a in found for b in part if all(a.get(atom, yes) == yes for atom, yes in b.items())]
    return found
