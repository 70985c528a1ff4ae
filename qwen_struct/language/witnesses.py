"""Values listed: which values satisfy a formula, where they are few enough to be named one by one.

Wanted where items must differ: a choice of one item then takes it away from the others, which matters only where
few are left to choose from.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ..errors import SchemaBudgetError
from ..schema.algebra import ARRAY, FALSE, FALSE_, NULL, NUMBER, OBJECT, STRING, TRUE_, And, Expr, Not, NumberIn, Or
from .decide import FuelExhausted, shortest, words
from .ecma import parse_pattern
from .numbers import holds as number_holds
from .numbers import number_term
from .terms import Term, intersect

if TYPE_CHECKING:
    from .arrays import ArrayState
    from .objects import ObjectState
    from .values import Values

_MAX_SIZE = 1 << 12  # members and items of a listed value; larger ones mean that the search gets nowhere
_MAX_STEPS = 50_000
_ASKED_AT_ONCE = 64  # values, so that few questions are asked while items are read
_OPEN = object()
_WORDS: tuple[tuple[int, Any], ...] = ((NULL, None), (FALSE_, False), (TRUE_, True))
_ONE_SPELLING = r"^(0|-?[1-9][0-9]*|-?(0|[1-9][0-9]*)\.[0-9]*[1-9])$"  # of each number without an exponent


def canonical(value: Any) -> str:
    """One text for all spellings of a JSON value: members sorted, numbers as short as their value allows."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(k)}:{canonical(value[k])}" for k in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    if isinstance(value, str) or value is None or isinstance(value, bool):
        return json.dumps(value)
    number = Decimal(value).normalize()
    return "0" if not number else str(number)


def read(text: str | bytes | bytearray) -> Any:
    """The value of a JSON text, its numbers as Decimals."""
    return json.loads(text, parse_float=Decimal, parse_int=Decimal)


def few(values: Values, formula: Expr, limit: int) -> list[Any] | None:
    """All values that satisfy ``formula``, or None when there are more than ``limit`` of them.

    Raises: SchemaBudgetError when that cannot be told within a bounded search.
    """
    if limit == 0:
        return None if values.inhabited(formula) else []
    values = _in_order(values)
    key = ("few", limit)
    known = formula.memo.get(key, formula)
    if known is _OPEN:  # a value holds another that satisfies the same: there is no end of them
        return None
    if known is not formula:
        return known
    if _many_others(values, formula, limit):
        return None
    formula.memo[key] = _OPEN
    try:
        found, firm = values.firmly(lambda: values.strictly(lambda: _few(values, formula, limit)))
    finally:
        del formula.memo[key]
    if firm:
        formula.memo[key] = found
    return found


def _many_others(values: Values, formula: Expr, limit: int) -> bool:
    """Whether ``formula`` is one with some values left out, and that has more than them and ``limit``.

    Each item that must differ from those before it asks about the same formula with one more left out.
    """
    parts = formula.parts if type(formula) is And else (formula,)
    left_out = [p for p in parts if type(p) is Not and "listed" in p.part.memo]
    if not left_out:
        return False
    whole = values.algebra.all([p for p in parts if p not in left_out])
    wanted = limit + sum([p.part.memo["listed"] for p in left_out])
    try:
        return few(values, whole, max(_ASKED_AT_ONCE, 1 << (wanted - 1).bit_length())) is None
    except SchemaBudgetError:
        return False


def some(values: Values, formula: Expr) -> Any:
    """A value that satisfies ``formula``, of which there is one."""
    size = 2
    while size <= _MAX_SIZE:
        lister = _Lister(_in_order(values), limit=None)
        for value in lister.values_of(formula, size):
            return value
        size *= 4
    raise SchemaBudgetError("no example of an item was found; simplify the items' schema")


def _in_order(values: Values) -> Values:
    """The same with members in the schema's order, in which each value comes once."""
    if not values.any_order:
        return values
    found = values.interned.get(_in_order)
    if found is None:
        found = values.interned.setdefault(_in_order, type(values)(values.algebra))
    return found  # type: ignore[return-value]


def _few(values: Values, formula: Expr, limit: int) -> list[Any] | None:
    size = 2
    while size <= _MAX_SIZE:
        lister, found = _Lister(values, limit), dict[str, Any]()
        try:
            for value in lister.values_of(formula, size):
                found.setdefault(canonical(value), value)
                if len(found) > limit:
                    return None
        except _Many:
            return None
        except FuelExhausted as error:
            raise SchemaBudgetError("the items' values could not be counted; simplify the items' schema") from error
        if not lister.cut:
            return list(found.values())
        size *= 4
    raise SchemaBudgetError("the items' values could not be counted; simplify the items' schema")


class _Many(Exception):
    """There are more values than were asked for."""


class _Lister:
    """Lists values of at most some size. ``cut`` is set where that left some out.

    ``limit`` None: one example of each string and number is enough.
    """

    def __init__(self, values: Values, limit: int | None) -> None:
        self.values, self.limit = values, limit
        self.cut = False
        self.steps = 0

    def values_of(self, formula: Expr, size: int) -> Iterator[Any]:
        """The values of ``formula``, some of them more than once.

        Raises: _Many where there are more than ``limit`` without listing them.
        """
        self.steps += 1
        if self.steps > _MAX_STEPS:
            raise FuelExhausted
        values = self.values
        for kind, word in _WORDS:
            if values.has_value(formula, kind):
                yield word
        if values.has_value(formula, STRING):
            yield from self._strings(formula)
        if values.has_value(formula, NUMBER):
            yield from self._numbers(values.restrict(formula, NUMBER))
        for array in values.array_states(values.restrict(formula, ARRAY)):
            yield from self._arrays(array, [], size - 1)
        for object_ in values.object_states(values.restrict(formula, OBJECT)):
            yield from self._objects(object_, {}, size - 1)

    def _strings(self, formula: Expr) -> Iterator[str]:
        yield from self._listed(self.values.string_term(self.values.restrict(formula, STRING)))

    def _listed(self, term: Term) -> Iterator[str]:
        if self.limit is None:
            yield shortest(term)
            return
        found = words(term, self.limit)
        if found is None:
            raise _Many
        yield from found

    def _numbers(self, formula: Expr) -> Iterator[Decimal]:
        parts = formula.parts if type(formula) is And else (formula,)
        if formula is FALSE:
            return
        if type(formula) is Or:
            for part in formula.parts:
                yield from self._numbers(part)
            return
        listed = next((p for p in parts if type(p) is NumberIn), None)
        if listed is not None:
            yield from (number for number, _ in listed.numbers if number_holds(formula, number))
            return
        term = intersect(number_term(formula), parse_pattern(_ONE_SPELLING))
        if not self.values.empty(term):
            yield from map(Decimal, self._listed(term))

    def _parts(self, formula: Expr, size: int) -> Iterable[Any]:
        """The values of an item or member."""
        if self.limit is None:
            return self.values_of(formula, size)
        found = few(self.values, formula, self.limit)
        if found is None:
            raise _Many
        return found

    def _arrays(self, state: ArrayState, items: list, size: int) -> Iterator[list]:
        if state.closable():
            yield list(items)
        following = [(self._parts(value, size), after) for value, after in state.next_items()]
        if following and size <= 0:
            self.cut = True
            return
        for found, after in following:
            for item in found:
                yield from self._arrays(after.with_seen(canonical(item)), [*items, item], size - _size(item))

    def _objects(self, state: ObjectState, members: dict, size: int) -> Iterator[dict]:
        if state.closable():
            yield dict(members)
        following = [(state.spec.names[i], state.declared(i)) for i in state.candidates()]
        for c, term in state.undeclared():
            following += [(name, state.undeclared_next(c, name)) for name in self._listed(term)]
        listed = [(n, self._parts(value, size), after) for n, pairs in following for value, after in pairs]
        if listed and size <= 0:
            self.cut = True
            return
        for name, found, after in listed:
            for member in found:
                yield from self._objects(after, {**members, name: member}, size - _size(member))


def _size(value: Any) -> int:
    if isinstance(value, list):
        return 1 + sum(map(_size, value))
    if isinstance(value, dict):
        return 1 + sum(map(_size, value.values()))
    return 1
