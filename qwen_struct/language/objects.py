"""Objects: which member may come next, what its value must satisfy, and whether the object may end.

A formula about objects is cut into cases, conjunctions of atoms (:class:`ObjectSpec`); what does not split cheaply
stays a formula and is resolved member by member (:mod:`.outcomes`). Declared names come in the schema's order, then
names that only patterns or additionalProperties speak of; with ``any_order`` all of them come as they like.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator
from functools import cached_property
from itertools import product
from typing import TYPE_CHECKING

from ..schema.algebra import (
    FALSE,
    STRING,
    TRUE,
    And,
    Expr,
    KeySet,
    Not,
    NumProperties,
    One,
    Or,
    Properties,
    Property,
    Required,
    SomeProperty,
)  # fmt: skip
from .decide import is_infinite, shortest, words
from .ecma import parse_pattern
from .outcomes import holds, outcomes, rebuild
from .terms import ANY, Term, accepts, complement, intersect, literals

if TYPE_CHECKING:
    from .values import Values

_MAX_CASES = 64  # a choice with more branches is kept as a formula instead of one case a branch
_MAX_PRODUCT = 8  # and so are several choices beside each other, with more combinations than this
Successor = tuple[Expr, "ObjectState"]  # (what the member's value must satisfy, the state after it)


class ObjectSpec:
    """One case of a formula about objects: a conjunction of atoms, and ``rest`` for what is no conjunction."""

    def __init__(self, values: Values, parts: list[Expr]) -> None:
        self.values = values
        self.properties: dict[str, list[Expr]] = {}
        self.patterns: list[tuple[KeySet, Expr]] = []
        self.some: list[tuple[KeySet, Expr]] = []
        self.low, self.high = 0, None
        required: dict[str, None] = {}
        rest: list[Expr] = []
        named: dict[str, None] = {}
        only_required: dict[str, None] = {}
        for part in parts:
            _mention(part, named, only_required)
            match part:
                case Property():
                    self.properties.setdefault(part.name, []).append(part.value)
                case Properties():
                    self.patterns.append((part.names, part.value))
                case SomeProperty():
                    self.some.append((part.names, part.value))
                case Required():
                    required[part.name] = None
                case NumProperties():
                    self.low = max(self.low, part.low)
                    if part.high is not None:
                        self.high = part.high if self.high is None else min(self.high, part.high)
                case _:
                    rest.append(part)
        self.rest = values.algebra.all(rest)
        self.names: tuple[str, ...] = tuple({**named, **only_required})
        self.index = {name: i for i, name in enumerate(self.names)}
        self.required = sorted(self.index[name] for name in required)
        self.required_mask = sum(1 << i for i in self.required)
        self._values: list[Expr | None] = [None] * len(self.names)

    def matches(self, keys: KeySet, name: str) -> bool:
        """Whether ``name`` is in ``keys``."""
        inside = (
            name in keys.names
            or any(accepts(parse_pattern(p), name) for p in keys.patterns)
            or any(accepts(self.values.string_term(self.values.restrict(f, STRING)), name) for f in keys.satisfying)
        )
        return inside != keys.complement

    def value(self, i: int) -> Expr:
        """What the conjunction asks of the value of declared member ``i``."""
        found = self._values[i]
        if found is None:
            name = self.names[i]
            more = [value for keys, value in self.patterns if self.matches(keys, name)]
            found = self._values[i] = self.values.algebra.all([*self.properties.get(name, ()), *more])
        return found

    def required_inhabited(self) -> bool:
        """Whether every required member can have a value."""
        ask = self.values.inhabited
        return self.values.decide(("required", self), lambda: all(ask(self.value(i)) for i in self.required))

    @cached_property
    def undeclared(self) -> list[UndeclaredNames]:
        """The names that are not declared, by what the formula asks of their values; empty classes left out."""
        values, names = self.values, set(self.names)
        everything = complement(literals(names)) if names else ANY
        classes = [UndeclaredNames(everything, TRUE, frozenset())]
        for keys, value in [
            *self.patterns,
            *((k, TRUE) for k, _ in self.some),
            *((k, TRUE) for k in _key_sets(self.rest)),
        ]:
            plain = keys.complement and not keys.patterns and not keys.satisfying and keys.names <= names
            split = []
            for c in classes:
                inside = c.names if plain else intersect(c.names, values.key_term(keys))
                outside = None if plain else intersect(c.names, complement(values.key_term(keys)))
                if value is not FALSE and not values.empty(inside):
                    split.append(UndeclaredNames(inside, values.algebra.all([c.value, value]), c.keys | {keys}))
                if outside is not None and not values.empty(outside):
                    split.append(UndeclaredNames(outside, c.value, c.keys))
            classes = split
        return classes


class UndeclaredNames:
    """Names alike to the formula: a language, what their values must satisfy, and the key sets that they are in."""

    __slots__ = ("keys", "names", "value")

    def __init__(self, names: Term, value: Expr, keys: frozenset[KeySet]) -> None:
        self.names, self.value, self.keys = names, value, keys


class ObjectState:
    """Between two members. Interned per :class:`.Values`, so that identity is equality.

    ``done`` is the next declared position, or a bit mask of those present when members come in any order.
    """

    __slots__ = ("_declared", "_undeclared", "count", "done", "extra", "pending", "rest", "seen", "spec", "values")

    def __init__(self, spec: ObjectSpec, key: tuple) -> None:
        self.spec, self.values = spec, spec.values
        self.done, self.extra, self.count, self.pending, self.rest, self.seen = key
        self._declared: dict[int, list[Successor]] = {}
        self._undeclared: dict[tuple[int, str | None], list[Successor]] = {}

    def _state(self, done: int, extra: bool, pending: frozenset[int], rest: Expr, seen: frozenset[str]) -> ObjectState:
        return object_state(self.spec, (done, extra, self._counted(), pending, rest, seen))

    def _counted(self) -> int:
        cap = self.spec.low if self.spec.high is None else self.spec.high
        return min(self.count + 1, cap)

    # What may come. ---------------------------------------------------------------------------------------------

    def closable(self) -> bool:
        """Whether the object may end here."""
        return (
            not self._required_left()
            and self.count >= self.spec.low
            and not self.pending
            and rebuild(self.values, self.rest, _at_end) is TRUE
        )

    def _required_left(self) -> bool:
        if self.values.any_order:
            return self.spec.required_mask & ~self.done != 0
        return bool(self.spec.required) and self.spec.required[-1] >= self.done

    def _full(self) -> bool:
        return self.spec.high is not None and self.count >= self.spec.high

    def candidates(self) -> range | list[int]:
        """The declared members that the order lets come next; :meth:`declared` tells which of them can."""
        if self._full():
            return range(0)
        if self.values.any_order:
            return [i for i in range(len(self.spec.names)) if not self.done >> i & 1]
        if self.extra:
            return range(0)
        at = bisect_left(self.spec.required, self.done)
        end = self.spec.required[at] + 1 if at < len(self.spec.required) else len(self.spec.names)
        return range(self.done, end)

    def declared(self, i: int) -> list[Successor]:
        """The alternatives for the declared member ``i``; none when it cannot come."""
        known = self._declared.get(i)
        if known is not None:
            return known
        done = self.done | 1 << i if self.values.any_order else i + 1
        name = self.spec.names[i]
        found, firm = self.values.firmly(
            lambda: list(self._after(name, None, self.spec.value(i), done, self.extra, self.seen))
        )
        if firm:
            self._declared[i] = found
        return found

    def undeclared(self) -> list[tuple[int, Term]]:
        """The classes of undeclared names that can come next, as (class, its names without those seen)."""
        if self._full() or (not self.values.any_order and self._required_left()):
            return []
        found = []
        for c, names in enumerate(self.spec.undeclared):
            term = intersect(names.names, complement(literals(self.seen))) if self.seen else names.names
            if not self.values.empty(term) and self.undeclared_next(c, None):
                found.append((c, term))
        return found

    def undeclared_next(self, c: int, name: str | None) -> list[Successor]:
        """The alternatives after an undeclared name of class ``c``; it is remembered as seen unless None."""
        known = self._undeclared.get((c, name))
        if known is not None:
            return known
        names = self.spec.undeclared[c]
        seen = self.seen if name is None else self.seen | {name}
        extra = not self.values.any_order
        found, firm = self.values.firmly(
            lambda: list(self._after(None, names.keys, names.value, self.done, extra, seen))
        )
        if firm:
            self._undeclared[c, name] = found
        return found

    def _after(
        self,
        name: str | None,
        keys: frozenset[KeySet] | None,
        value: Expr,
        done: int,
        extra: bool,
        seen: frozenset[str],
    ) -> Iterator[Successor]:
        a = self.values.algebra

        def contains(key_set: KeySet) -> bool:
            return key_set in keys if keys is not None else self.spec.matches(key_set, name or "")

        asked = [self.rest]
        if self.rest is not TRUE:
            skipped = self._skipped(name)
            asked = [rebuild(self.values, self.rest, _after_member(self.values, name, contains, skipped))]
        for i in self.pending:  # SomeProperty: either this member is the one, or it is still to come
            wanted_keys, wanted = self.spec.some[i]
            if contains(wanted_keys):
                asked.append(a.any([holds(self.values, wanted), a.atom(_Pending, i)]))
            else:
                asked.append(a.atom(_Pending, i))
        for condition, left in outcomes(self.values, a.all(asked), value):
            parts = left.parts if type(left) is And else (left,)
            pending = frozenset(p.key[1] for p in parts if type(p) is _Pending)
            rest = a.all([p for p in parts if type(p) is not _Pending])
            state = self._state(done, extra, pending, rest, seen)
            if state.inhabited():
                yield condition, state

    def _skipped(self, name: str | None) -> Callable[[str], bool]:
        """Which declared names can no longer come after ``name`` (None: an undeclared one): the order passed them."""
        if self.values.any_order:
            return lambda other: False
        index = self.spec.index
        end = len(self.spec.names) if name is None else index[name]
        return lambda other: self.done <= index[other] < end

    # Whether an object goes on from here to its end. -----------------------------------------------------------

    def inhabited(self) -> bool:
        """Whether some object goes on from here to its end."""
        if self.rest is TRUE and not self.pending and self.spec.low == 0 and self.spec.high is None:
            return self.spec.required_inhabited()
        return self.values.decide(self, self._inhabited)

    def _inhabited(self) -> bool:
        if self.closable():
            return True
        if self.rest is TRUE and not self.pending:
            return self._can_be_counted()
        if any(self.declared(i) for i in self.candidates()):
            return True
        # One more name of an infinite class leaves as many: the state is the same again, and the search ends.
        return any(
            self.undeclared_next(c, None if is_infinite(term) else shortest(term)) for c, term in self.undeclared()
        )

    def _can_be_counted(self) -> bool:
        """For a plain conjunction: whether enough members can come, and not too many must."""
        spec, inhabited = self.spec, self.values.inhabited
        left = [i for i in range(len(spec.names)) if self._open(i)]
        must = [i for i in spec.required if self._open(i)]
        if not spec.required_inhabited():
            return False
        if spec.high is not None and max(spec.low, self.count + len(must)) > spec.high:
            return False
        missing = spec.low - self.count - len(must)
        for i in left:
            if missing <= 0:
                return True
            missing -= i not in must and inhabited(spec.value(i))
        if missing <= 0:
            return True
        for names in spec.undeclared:
            if not inhabited(names.value):
                continue
            if is_infinite(names.names):
                return True
            some = words(intersect(names.names, complement(literals(self.seen))), missing + 1)
            missing -= missing if some is None else len(some)
        return missing <= 0

    def _open(self, i: int) -> bool:
        if self.values.any_order:
            return not self.done >> i & 1
        return not self.extra and i >= self.done


class _Pending(Expr):
    """Number ``i`` of the spec's SomeProperty atoms is still to be met."""

    __slots__ = ()


def object_state(spec: ObjectSpec, key: tuple) -> ObjectState:
    """The one state of ``spec`` with that key."""
    full = (ObjectState, id(spec), key)
    state = spec.values.interned.get(full)
    if state is None:
        state = spec.values.interned.setdefault(full, ObjectState(spec, key))
    assert isinstance(state, ObjectState)
    return state


def object_states(values: Values, formula: Expr) -> list[ObjectState]:
    """The states before the first member: one for each case of ``formula``, which speaks about objects only."""
    key = (object_states, formula)
    found = values.interned.get(key)
    if found is None:
        specs = [ObjectSpec(values, parts) for parts in _cases(values, formula)]
        found = [object_state(s, (0, False, 0, frozenset(range(len(s.some))), s.rest, frozenset())) for s in specs]
        values.interned[key] = found
    assert isinstance(found, list)
    return found


# Formulas about objects as cases. -------------------------------------------------------------------------------


def _cases(values: Values, formula: Expr) -> list[list[Expr]]:
    """``formula`` as a disjunction of lists of parts, each list a conjunction."""
    if formula is TRUE:
        return [[]]
    if formula is FALSE:
        return []
    if type(formula) is And:
        split = [_cases(values, p) for p in formula.parts]
        total = 1
        for i, cases in enumerate(split):
            if total * len(cases) > (_MAX_CASES if total == 1 else max(total, _MAX_PRODUCT)):
                split[i] = [[formula.parts[i]]]
            else:
                total *= len(cases)
        return [[part for case in choice for part in case] for choice in product(*split)]
    if type(formula) is Or:
        return [case for p in formula.parts for case in _cases(values, p)]
    if type(formula) is One:
        return _one_cases(values, formula)
    if type(formula) is Not:
        opened = _push_negation(values, formula.part)
        return [[formula]] if opened is None else _cases(values, opened)
    return [[formula]]


def _one_cases(values: Values, formula: One) -> list[list[Expr]]:
    a, found = values.algebra, []
    for i, part in enumerate(formula.parts):
        others = [p for j, p in enumerate(formula.parts) if j != i and not values.disjoint(part, p)]
        found += _cases(values, a.all([part, *map(a.negate, others)]))
    return found


def _push_negation(values: Values, part: Expr) -> Expr | None:
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


def _mention(formula: Expr, named: dict[str, None], required: dict[str, None]) -> None:
    """Adds the names that ``formula`` declares and those that it requires, each in order of appearance."""
    match formula:
        case Property():
            named[formula.name] = None
        case Required():
            required[formula.name] = None
        case And() | Or() | One():
            for part in formula.parts:
                _mention(part, named, required)
        case Not():
            _mention(formula.part, named, required)


def _key_sets(formula: Expr) -> Iterator[KeySet]:
    match formula:
        case Properties() | SomeProperty():
            yield formula.names
        case And() | Or() | One():
            for part in formula.parts:
                yield from _key_sets(part)
        case Not():
            yield from _key_sets(formula.part)


def _after_member(
    values: Values, name: str | None, contains: Callable[[KeySet], bool], skipped: Callable[[str], bool]
) -> Callable[[Expr], Expr]:
    """How each atom of a formula about an object changes when the member ``name`` has been read."""
    a = values.algebra

    def change(atom: Expr) -> Expr:
        match atom:
            case Property():
                if atom.name == name:
                    return holds(values, atom.value)
                return TRUE if skipped(atom.name) else atom
            case Required():
                if atom.name == name:
                    return TRUE
                return FALSE if skipped(atom.name) else atom
            case Properties() if contains(atom.names):
                return a.all([holds(values, atom.value), atom])
            case SomeProperty() if contains(atom.names):
                return a.any([holds(values, atom.value), atom])
            case NumProperties():
                high = None if atom.high is None else atom.high - 1
                return FALSE if high is not None and high < 0 else a.atom(NumProperties, max(atom.low - 1, 0), high)
        return atom

    return change


def _at_end(atom: Expr) -> Expr:
    if type(atom) is NumProperties:
        return FALSE if atom.low > 0 else TRUE
    return FALSE if type(atom) in (Required, SomeProperty) else TRUE
