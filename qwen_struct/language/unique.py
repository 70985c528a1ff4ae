"""Items that must differ: what has been seen is part of the state, and what the next item may be depends on it.

Values count, not spellings. An item is barred when it equals one before it, and also when it would leave the items
still to come without enough different values; that is possible only where few values are left, which are then
named one by one.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import TYPE_CHECKING, Any

from ..errors import SchemaBudgetError
from ..schema.algebra import (
    FALSE,
    TRUE,
    Algebra,
    And,
    Contains,
    Expr,
    Item,
    Items,
    Not,
    NumItems,
    One,
    Or,
    Unique,
)
from .outcomes import rebuild
from .witnesses import canonical, few, read, some

if TYPE_CHECKING:
    from .arrays import ArrayState
    from .values import Values

_MAX_KINDS = 4  # formulas about items to come whose combinations are tried one by one
_MAX_LISTED = 32  # values that are tried one by one


def find_unique(formula: Expr) -> Unique | None:
    """The atom of ``formula`` that asks for different items; there is at most one, since all have seen the same."""
    if "unique" not in formula.memo:
        formula.memo["unique"] = _find(formula)
    return formula.memo["unique"]


def _find(formula: Expr) -> Unique | None:
    match formula:
        case Unique():
            return formula
        case And() | Or() | One():
            return next((found for p in formula.parts if (found := find_unique(p)) is not None), None)
        case Not():
            return find_unique(formula.part)
    return None


def requires_difference(formula: Expr) -> bool:
    """Whether different items are asked for in any case, and not as one of several ways to satisfy ``formula``."""
    return any(type(p) is Unique for p in (formula.parts if type(formula) is And else (formula,)))


def with_seen(values: Values, formula: Expr, item: str) -> Expr:
    """``formula`` once an item, given by its canonical text, has been read."""
    a = values.algebra
    return rebuild(values, formula, lambda p: a.atom(Unique, p.seen | {item}) if type(p) is Unique else p)


def seen_before(algebra: Algebra, unique: Unique) -> Expr:
    """Holds of the values that equal one seen."""
    found = unique.memo.get("seen")
    if found is None:
        found = unique.memo["seen"] = algebra.among(map(read, sorted(unique.seen)))
    return found


def enough_values(values: Values, places: list[Expr]) -> bool:
    """Whether different values can be chosen for all ``places``, one for each."""
    choices = []
    for place in places:
        listed = few(values, place, len(places) - 1)  # with as many as there are places, one is always left
        if listed is not None:
            choices.append([canonical(value) for value in listed])
    taken: dict[str, int] = {}

    def assign(i: int, tried: set[str]) -> bool:  # an augmenting path of the bipartite matching
        for value in [v for v in choices[i] if v not in taken] or choices[i]:
            if value not in tried:
                tried.add(value)
                if value not in taken or assign(taken[value], tried):
                    taken[value] = i
                    return True
        return False

    return all(assign(i, set()) for i in range(len(choices)))


def viable_values(state: ArrayState, value: Expr) -> Expr:
    """What of ``value`` an item may be so that the array can go on from ``state`` to its end; FALSE if nothing."""
    formula = state.formula
    if not requires_difference(formula):
        return _by_kinds(state, value)
    if state.closable():
        return value
    a, values = state.values.algebra, state.values
    parts = formula.parts if type(formula) is And else (formula,)
    needed = sum(p.low for p in parts if isinstance(p, NumItems | Contains))
    listed = few(values, value, needed)
    if listed is not None:
        dead = _dead(state, listed)
        return a.all([value, _without(a, dead)]) if len(dead) < len(listed) else FALSE
    if not state.inhabited():
        return FALSE
    critical = [v for kind in _kinds(formula) for v in few(values, a.all([kind, value]), needed) or ()]
    return a.all([value, _without(a, _dead(state, critical))])


def _leads_on(state: ArrayState, value: Any) -> bool:
    return state.with_seen(canonical(value)).inhabited()


def _dead(state: ArrayState, listed: list[Any]) -> list[Any]:
    return [v for v in listed if not _leads_on(state, v)]


def _without(a: Algebra, dead: list[Any]) -> Expr:
    return a.negate(a.among(dead)) if dead else TRUE


def _kinds(formula: Expr) -> list[Expr]:
    """What ``formula`` asks of items to come, each once."""
    found: dict[Expr, None] = {}
    _add_kinds(formula, found)
    return list(found)


def _add_kinds(formula: Expr, found: dict[Expr, None]) -> None:
    match formula:
        case Item() | Items() | Contains():
            found[formula.value] = None
        case And() | Or() | One():
            for part in formula.parts:
                _add_kinds(part, found)
        case Not():
            _add_kinds(formula.part, found)


def _by_kinds(state: ArrayState, value: Expr) -> Expr:
    """The same where two equal items may be wanted: the value matters to the rest by what it satisfies there."""
    values, a = state.values, state.values.algebra
    listed = few(values, value, _MAX_LISTED)
    if listed is not None:
        return a.all([value, a.among(_alive(state, listed))])
    kinds = _kinds(state.formula)
    if len(kinds) > _MAX_KINDS:
        raise SchemaBudgetError("uniqueItems under not or oneOf, beside too many other requirements of the items")
    return a.any(p for c in _classes(a, kinds) for p in _alive_in_class(state, c, a.all([c, value])))


def _classes(a: Algebra, kinds: list[Expr]) -> Iterator[Expr]:
    for choice in product((True, False), repeat=len(kinds)):
        yield a.all(k if yes else a.negate(k) for k, yes in zip(kinds, choice, strict=True))


def _alive(state: ArrayState, listed: list[Any]) -> list[Any]:
    return [v for v in listed if _leads_on(state, v)]


def _alive_in_class(state: ArrayState, alike: Expr, part: Expr) -> Iterator[Expr]:
    """What of ``part`` leads on, all of it ``alike``: to the rest it matters only whether a value has been seen."""
    values, a = state.values, state.values.algebra
    if not values.inhabited(part):
        return
    listed = few(values, part, _MAX_LISTED)
    if listed is not None:
        yield a.all([part, a.among(_alive(state, listed))])
        return
    unique = find_unique(state.formula)
    assert unique is not None
    if not values.disjoint(alike, seen_before(a, unique)):  # one more of the kind changes nothing
        if state.inhabited():
            yield part
    elif _leads_on(state, some(values, part)):
        yield part
