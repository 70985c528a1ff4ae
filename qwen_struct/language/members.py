"""One case of a formula about objects: its names, what it asks of each, and what one member leaves of its formula."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import TYPE_CHECKING

from ..errors import SchemaBudgetError
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
)
from .outcomes import holds, rebuild
from .terms import ANY, Term, accepts, complement, intersect, literals

if TYPE_CHECKING:
    from .objects import ObjectState
    from .values import Values

_MAX_CLASSES = 512  # of undeclared names


class ObjectSpec:
    """A conjunction of atoms about an object, and ``rest`` for the formulas among its parts.

    What a part of ``rest`` depends on is a bit mask: the declared names by number, and above them the bit ``others``
    for all names that are not declared.
    """

    __slots__ = (
        "_changed", "_dependence", "_inhabited", "_matching", "_undeclared", "_undeclared_come", "_values", "all_names",
        "high", "index", "low", "names", "others", "patterns", "properties", "required", "required_mask", "rest",
        "states", "values",
    )  # fmt: skip

    def __init__(self, values: Values, parts: list[Expr]) -> None:
        self.values = values
        self.properties: dict[str, Expr] = {}
        patterns: list[tuple[KeySet, Expr]] = []
        self.low, self.high = 0, None
        required: dict[str, None] = {}
        rest: list[Expr] = []
        named: dict[str, None] = {}
        only_required: dict[str, None] = {}
        for part in parts:
            _mention(part, named, only_required)
            match part:
                case Property():
                    before = self.properties.get(part.name, TRUE)
                    self.properties[part.name] = values.algebra.all([before, part.value])
                case Properties():
                    patterns.append((part.names, part.value))
                case Required():
                    required[part.name] = None
                case NumProperties():
                    self.low = max(self.low, part.low)
                    if part.high is not None:
                        self.high = part.high if self.high is None else min(self.high, part.high)
                case _:
                    rest.append(part)
        self.patterns = tuple(patterns)
        self.names: tuple[str, ...] = tuple({**named, **only_required})
        self.index = {name: i for i, name in enumerate(self.names)}
        self.all_names = (1 << len(self.names)) - 1
        self.others = 1 << len(self.names)
        self.required = tuple(sorted([self.index[name] for name in required]))
        self.required_mask = mask_of(self.required)
        self._values: list[Expr | None] = [None] * len(self.names)
        self._inhabited: int | None = None
        self._undeclared: tuple[UndeclaredNames, ...] | None = None
        self._undeclared_come: bool | None = None
        self.states: dict[tuple, ObjectState] = {}  # see objects.py
        self._matching: dict[KeySet, int] = {}
        self._dependence: dict[Expr, int] = {}
        self._changed: dict[Hashable, dict[Expr, Expr]] = {}  # what a member or the end makes of formulas
        self.rest = rebuild(values, values.algebra.all(rest), _without_vacuous)

    # What is asked of a member. ---------------------------------------------------------------------------------

    def matches(self, keys: KeySet, name: str) -> bool:
        """Whether ``name`` is in ``keys``."""
        inside = (
            name in keys.names
            or any(accepts(self.values.pattern_term(p), name) for p in keys.patterns)
            or any(accepts(self.values.string_term(self.values.restrict(f, STRING)), name) for f in keys.satisfying)
        )
        return inside != keys.complement

    def _matching_names(self, keys: KeySet) -> int:
        """The declared names in ``keys``, as bits."""
        found = self._matching.get(keys)
        if found is None:
            if keys.patterns or keys.satisfying:
                found = mask_of([i for i, name in enumerate(self.names) if self.matches(keys, name)])
            else:
                found = mask_of([self.index[name] for name in keys.names if name in self.index])
                found = self.all_names & ~found if keys.complement else found
            self._matching[keys] = found
        return found

    def value(self, i: int) -> Expr:
        """What the conjunction asks of the value of declared member ``i``."""
        found = self._values[i]
        if found is None:
            more = [value for keys, value in self.patterns if self._matching_names(keys) >> i & 1]
            name = self.names[i]
            found = self._values[i] = self.values.algebra.all([self.properties.get(name, TRUE), *more])
        return found

    def required_inhabited(self) -> bool:
        """Whether every required member can have a value."""
        ask = self.values.inhabited
        return self.values.decide(("required", self), lambda: all(ask(self.value(i)) for i in self.required))

    @property
    def inhabited_names(self) -> int:
        """The declared names whose values are known to exist, as bits; none where that takes too long to tell."""
        if self._inhabited is None:
            found, firm = self.values.firmly(self._ask_all)
            if not firm:
                return found
            self._inhabited = found
        return self._inhabited

    def _ask_all(self) -> int:
        ask = self.values.inhabited
        try:
            return mask_of([i for i in range(len(self.names)) if ask(self.value(i))])
        except SchemaBudgetError:
            return 0

    @property
    def undeclared(self) -> tuple[UndeclaredNames, ...]:
        """The names that are not declared, by what the formula asks of their values; empty classes left out."""
        found = self._undeclared
        if found is None:
            found = self._undeclared = tuple(self._find_undeclared())
        return found

    def _find_undeclared(self) -> list[UndeclaredNames]:
        values, names = self.values, set(self.names)
        classes = [UndeclaredNames(beside(self.names), TRUE, frozenset())]
        for keys, value in [*self.patterns, *((k, TRUE) for k in dict.fromkeys(_key_sets(self.rest)))]:
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
            if len(classes) > _MAX_CLASSES:
                raise SchemaBudgetError(f"patterns for names overlap in more than {_MAX_CLASSES} ways; simplify them")
        return classes

    @property
    def undeclared_come(self) -> bool:
        """Whether of each class there are names without end, whose values exist; False where that is not known."""
        if self._undeclared_come is not None:
            return self._undeclared_come
        come, firm = self.values.firmly(lambda: all(self._comes(names) for names in self.undeclared))
        if firm:
            self._undeclared_come = come
        return come

    def _comes(self, names: UndeclaredNames) -> bool:
        values = self.values
        endless = names.names.cofinite or values.surely_infinite(names.names)
        return endless and values.viable(names.value, lambda: values.inhabited(names.value))

    # What a member leaves of the formula. -----------------------------------------------------------------------

    def depends_on(self, formula: Expr) -> int:
        """What may change ``formula``, see the class."""
        if formula is TRUE:
            return 0
        found = self._dependence.get(formula)
        if found is None:
            found = self._dependence[formula] = self._depends_on(formula)
        return found

    def _depends_on(self, formula: Expr) -> int:
        match formula:
            case And() | Or() | One():
                mask = 0
                for part in formula.parts:
                    mask |= self.depends_on(part)
                return mask
            case Not():
                return self.depends_on(formula.part)
            case Property() | Required():
                return 1 << self.index[formula.name]
            case Properties() | SomeProperty():
                return self._matching_names(formula.names) | self.others
            case NumProperties():
                return self.all_names | self.others
        return 0

    def after_declared(self, rest: Expr, i: int, absent: int) -> Expr:
        """``rest`` after declared member ``i``, when the names in ``absent`` can no longer come."""
        touched = 1 << i | absent
        matches = lambda keys: bool(self._matching_names(keys) >> i & 1)  # noqa: E731
        return self._after(rest, touched, self.names[i], matches, absent, i)

    def after_undeclared(self, rest: Expr, keys: frozenset[KeySet], absent: int) -> Expr:
        """The same after a name that no part declares, which is in ``keys``."""
        return self._after(rest, absent | self.others, None, keys.__contains__, absent, keys)

    def _memo(self, change: Hashable) -> dict[Expr, Expr]:
        return self._changed.setdefault(change, {})

    def _after(
        self,
        rest: Expr,
        touched: int,
        name: str | None,
        contains: Callable[[KeySet], bool],
        absent: int,
        remembered: Hashable,
    ) -> Expr:
        if not self.depends_on(rest) & touched:
            return rest
        change = _after_member(self.values, name, contains, lambda other: bool(absent >> self.index[other] & 1))
        memo = None if absent else self._memo(remembered)
        return rebuild(self.values, rest, change, lambda part: not self.depends_on(part) & touched, memo)

    def without(self, rest: Expr, absent: int) -> Expr:
        """``rest`` when the names in ``absent`` can no longer come."""
        if rest is TRUE:
            return TRUE

        def change(atom: Expr) -> Expr:
            if isinstance(atom, Property | Required) and absent >> self.index[atom.name] & 1:
                return TRUE if type(atom) is Property else FALSE
            return atom

        memo = self._memo(("without", absent))
        return rebuild(self.values, rest, change, lambda part: not self.depends_on(part) & absent, memo)

    def holds_at_end(self, rest: Expr) -> bool:
        """Whether ``rest`` holds if no member follows."""
        return rest is TRUE or rebuild(self.values, rest, _at_end, memo=self._memo("at end")) is TRUE

    def most_draws(self, rest: Expr) -> int:
        """How many undeclared members can each change ``rest`` at most, as a search sees them."""
        match rest:
            case And() | Or() | One():
                return sum(self.most_draws(part) for part in rest.parts)
            case Not():
                return self.most_draws(rest.part)
            case Properties() | SomeProperty():
                return 1
            case NumProperties():
                return rest.low + (rest.high or 0) + 1
        return 0


class UndeclaredNames:
    """Names alike to the formula: a language, what their values must satisfy, and the key sets that they are in."""

    __slots__ = ("keys", "names", "value")

    def __init__(self, names: Term, value: Expr, keys: frozenset[KeySet]) -> None:
        self.names, self.value, self.keys = names, value, keys


def beside(names: Sequence[str]) -> Term:
    """All names but ``names``."""
    return complement(literals(set(names))) if names else ANY


def mask_of(indices: Sequence[int]) -> int:
    """The bits ``indices``."""
    if not indices:
        return 0
    bits = bytearray(max(indices) // 8 + 1)
    for i in indices:
        bits[i >> 3] |= 1 << (i & 7)
    return int.from_bytes(bits, "little")


def indices_of(mask: int) -> Iterator[int]:
    """The bits of ``mask`` that are set, ascending."""
    text = bin(mask)[:1:-1]
    at = text.find("1")
    while at >= 0:
        yield at
        at = text.find("1", at + 1)


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


def _without_vacuous(atom: Expr) -> Expr:
    return TRUE if type(atom) is Property and atom.value is TRUE else atom


def _after_member(
    values: Values, name: str | None, contains: Callable[[KeySet], bool], absent: Callable[[str], bool]
) -> Callable[[Expr], Expr]:
    """How each atom of a formula about an object changes when the member ``name`` has been read."""
    a = values.algebra

    def change(atom: Expr) -> Expr:
        match atom:
            case Property():
                if atom.name == name:
                    return holds(values, atom.value)
                return TRUE if absent(atom.name) else atom
            case Required():
                if atom.name == name:
                    return TRUE
                return FALSE if absent(atom.name) else atom
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
