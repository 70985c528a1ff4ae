"""Arrays: a formula about an array is its own automaton.

The state is the formula about the items still to come. Reading an item shifts the positions, counts down the bounds and
asks the item's value what the formula wants to know of it; no bound is ever unrolled into copies.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..schema.algebra import FALSE, TRUE, And, Contains, Expr, Item, Items, NumItems, Or, Unique
from .outcomes import NUMBERS, holds, outcomes, rebuild
from .unique import enough_values, find_unique, requires_difference, seen_before, viable_values, with_seen
from .witnesses import few

if TYPE_CHECKING:
    from .values import Values


class ArrayState:
    """Between two items. Interned per :class:`.Values`, so that identity is equality."""

    __slots__ = ("_next", "formula", "number", "values")

    def __init__(self, values: Values, formula: Expr) -> None:
        self.values, self.formula = values, formula
        self.number = next(NUMBERS)
        self._next: list[tuple[Expr, ArrayState]] | None = None

    def closable(self) -> bool:
        """Whether the array may end here."""
        return rebuild(self.values, self.formula, _at_end) is TRUE

    def inhabited(self) -> bool:
        """Whether some array goes on from here to its end."""
        return self.values.decide((ArrayState, self.formula), self._inhabited)

    def _inhabited(self) -> bool:
        if self.closable():
            return True
        plain = self._plain()
        return any(True for _ in self._alternatives()) if plain is None else plain

    def _plain(self) -> bool | None:
        """The answer for a conjunction of positions and bounds, without counting the items up; None for others."""
        parts = self.formula.parts if type(self.formula) is And else (self.formula,)
        if any(type(p) not in (Item, Items, NumItems, Unique) for p in parts):
            return None
        low = max([p.low for p in parts if type(p) is NumItems], default=0)
        high = min([p.high for p in parts if type(p) is NumItems and p.high is not None], default=low)
        if high < low:
            return False
        places = [p.index for p in parts if type(p) is Item] + [p.start for p in parts if type(p) is Items]
        alike_from = 1 + max(places, default=0)
        items = [self.values.algebra.all(_about(parts, i)) for i in range(min(low, alike_from))]
        if not all(self.values.inhabited(item) for item in items):
            return False
        unique = find_unique(self.formula)
        return unique is None or low == 0 or self._can_differ(unique, items, low)

    def _can_differ(self, unique: Unique, items: list[Expr], number: int) -> bool:
        """Whether ``number`` items can differ; those after the last of ``items`` are asked the same as it."""
        a = self.values.algebra
        fresh = a.negate(seen_before(a, unique))
        last = a.all([items[-1], fresh])
        if few(self.values, last, number - 1) is None:
            number = len(items)  # there are enough for all of them alike
        places = [a.all([item, fresh]) for item in items]
        return enough_values(self.values, places + [last] * (number - len(items)))

    def next_items(self) -> list[tuple[Expr, ArrayState]]:
        """What an item here must satisfy, and the state after it: one pair for each alternative."""
        if self._next is not None:
            return self._next
        needed = not self.closable()
        found, firm = self.values.firmly(lambda: self.values.gather(self._alternatives, needed))
        if firm:
            self._next = found
        return found

    def _alternatives(self) -> Iterator[tuple[Expr, ArrayState]]:
        for value, rest in outcomes(self.values, rebuild(self.values, self.formula, self._after_item)):
            state = array_state(self.values, rest)
            if state.remembers:
                value = viable_values(state, value)
                if self.values.inhabited(value):
                    yield value, state
            elif self.values.viable(state, state.inhabited):
                yield value, state

    @property
    def remembers(self) -> bool:
        """Whether what may come depends on the values of the items read, see :meth:`with_seen`."""
        return find_unique(self.formula) is not None

    def with_seen(self, item: str) -> ArrayState:
        """The state once the value of the item before it is known, by its canonical text."""
        return array_state(self.values, with_seen(self.values, self.formula, item)) if self.remembers else self

    def _after_item(self, atom: Expr) -> Expr:
        a = self.values.algebra
        match atom:
            case Item():
                return holds(self.values, atom.value) if atom.index == 0 else a.atom(Item, atom.index - 1, atom.value)
            case Items():
                if atom.start > 0:
                    return a.atom(Items, atom.start - 1, atom.value)
                return a.all([holds(self.values, atom.value), atom])
            case NumItems():
                high = None if atom.high is None else atom.high - 1
                return FALSE if high is not None and high < 0 else a.atom(NumItems, max(atom.low - 1, 0), high)
            case Contains():
                return self._after_contained(atom)
            case Unique():
                return a.all([holds(self.values, a.negate(seen_before(a, atom))), atom])
        return atom

    def _after_contained(self, atom: Contains) -> Expr:
        a = self.values.algebra
        if atom.start > 0:
            return a.atom(Contains, atom.start - 1, atom.value, atom.low, atom.high)
        found = holds(self.values, atom.value)
        if atom.high is None:  # more of them do no harm, so that the two cases may overlap
            counted = TRUE if atom.low <= 1 else a.atom(Contains, 0, atom.value, atom.low - 1, None)
            return a.any([a.all([found, counted]), a.all([a.negate(found), atom])])
        counted = FALSE if atom.high == 0 else a.atom(Contains, 0, atom.value, max(atom.low - 1, 0), atom.high - 1)
        return a.any([a.all([found, counted]), a.all([a.negate(found), atom])])

    def plenty(self) -> bool:
        """Whether another item can come whatever the one before it is; False where that is not plain to see."""
        if not self.closable() or not requires_difference(self.formula):
            return False
        return any(after.closable() and few(self.values, value, 1) is None for value, after in self.next_items())


def _about(parts: tuple[Expr, ...], index: int) -> list[Expr]:
    return [p.value for p in parts if (type(p) is Item and p.index == index) or (type(p) is Items and p.start <= index)]


def _at_end(atom: Expr) -> Expr:
    if type(atom) is NumItems or type(atom) is Contains:
        return FALSE if atom.low > 0 else TRUE
    return TRUE


def array_state(values: Values, formula: Expr) -> ArrayState:
    """The one state for ``formula``, which speaks about arrays only."""
    key = ("array", id(formula))
    state = values.interned.get(key)
    if state is None:
        state = values.interned.setdefault(key, ArrayState(values, formula))
    assert isinstance(state, ArrayState)
    return state


def array_states(values: Values, formula: Expr) -> list[ArrayState]:
    """The states before the first item: one for each branch of a choice."""
    if formula is FALSE:
        return []
    parts = formula.parts if type(formula) is Or else (formula,)
    return [array_state(values, p) for p in parts]
