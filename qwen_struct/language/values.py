"""Formulas about one JSON type: what is left of a formula when the type is known, and whether a value exists.

:class:`Values` holds what is learnt about the formulas of one schema. Strings and numbers become terms (regular
languages of their text), arrays and objects become the automata of :mod:`.arrays` and :mod:`.objects`. Whether some
value satisfies a formula is decided as a least fixpoint, so that a schema whose values would have to be infinite is
empty.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import TypeVar

from ..errors import SchemaBudgetError, UnresolvableReferenceError, UnsupportedSchemaError
from ..schema.algebra import (
    ANY_TYPE,
    ARRAY,
    FALSE,
    NUMBER,
    OBJECT,
    STRING,
    TRUE,
    TYPES,
    Algebra,
    And,
    Constant,
    Expr,
    Format,
    KeySet,
    Length,
    Not,
    One,
    Or,
    Pattern,
    Ref,
    StringIn,
    Types,
    type_of,
)  # fmt: skip
from .arrays import ArrayState, array_states
from .decide import DEFAULT_FUEL as TERM_FUEL
from .decide import FuelExhausted, Work, is_empty, is_infinite, words
from .ecma import PatternError, UnsupportedPatternError, parse_pattern
from .formats import format_term
from .numbers import fold, number_term
from .objects import ObjectState, object_states
from .plain import surely_inhabited
from .terms import ANY, EMPTY, Term, complement, length, literals, union

DEFAULT_FUEL = 200_000
_LITTLE = 1_000  # fuel for what is good to know
_TERM = 16  # steps that a state of a language of strings or numbers counts as while decoding
_GATHERED, _SHARE = 4, 16  # what part of the fuel all alternatives of a place get while decoding, and one of them
_SCALES = tuple(4**i for i in range(10))  # how much more fuel what is needed gets, from try to try
T = TypeVar("T")
S = TypeVar("S", ArrayState, ObjectState)


class Values:
    """Memoised knowledge about the formulas of one schema. ``fuel`` limits the steps of deciding one question."""

    def __init__(self, algebra: Algebra, fuel: int = DEFAULT_FUEL, any_order: bool = False) -> None:
        self.algebra, self.any_order = algebra, any_order
        self._fuel = self._left = fuel
        self.strict = True  # running out of fuel is an error; once decoding begins, see :meth:`gather`
        self._scale = 1
        self._metered = False  # whether what is asked now shares one account of fuel
        self._complete = True  # whether nothing was left out since someone last asked
        self.incomplete = False  # whether something ever was
        self._left_out: set[Hashable] = set()
        self._known: dict[Hashable, bool] = {}
        self._deciding: dict[Hashable, int] = {}  # question -> how many were open when it was asked
        self._lowest_assumed = 0
        self._key_terms: dict[KeySet, Term] = {}
        self._pattern_terms: dict[str, Term] = {}
        self._restricting: set[Expr] = set()
        self.interned: dict[Hashable, object] = {}  # the states of arrays, and what objects start with
        self.num_object_states = 0

    # Formulas by type. ------------------------------------------------------------------------------------------

    def restrict(self, formula: Expr, kind: int) -> Expr:
        """``formula`` for values of the type ``kind``: only atoms about that type remain."""
        about = type_of(formula)
        if about:
            return formula if about == kind else TRUE
        found = formula.memo.get(kind)
        if found is None:
            found = formula.memo[kind] = self._restrict(formula, kind)
        return found

    def _restrict(self, formula: Expr, kind: int) -> Expr:
        a = self.algebra
        match formula:
            case Constant():
                return formula
            case Types():
                return TRUE if formula.mask & kind else FALSE
            case And():
                return a.all([self.restrict(p, kind) for p in formula.parts])
            case Or():
                return a.any([self.restrict(p, kind) for p in formula.parts])
            case One():
                return a.one([self.restrict(p, kind) for p in formula.parts])
            case Not():
                return a.negate(self.restrict(formula.part, kind))
            case Ref():
                return self._restrict_target(formula, kind)
        raise AssertionError(formula)

    def _restrict_target(self, ref: Ref, kind: int) -> Expr:
        if ref in self._restricting:
            raise UnresolvableReferenceError(
                "the reference leads back to itself without descending into the value; break the circle",
                pointer=ref.pointer.removeprefix("#"),
                keyword="$ref",
            )
        self._restricting.add(ref)
        try:
            assert ref.target is not None
            return self.restrict(ref.target, kind)
        finally:
            self._restricting.discard(ref)

    def pattern_term(self, pattern: str) -> Term:
        """The strings in which ``pattern`` matches. Raises: PatternError."""
        term = self._pattern_terms.get(pattern)
        if term is None:
            term = self._pattern_terms[pattern] = parse_pattern(pattern)
        return term

    def string_term(self, formula: Expr) -> Term:
        """The strings that satisfy ``formula``, which speaks about strings only."""
        term = formula.memo.get("text")
        if term is None:
            term = formula.memo["text"] = self._string_term(formula)
        return term

    def _string_term(self, formula: Expr) -> Term:
        match formula:
            case Pattern():
                return self.pattern_term(formula.pattern)
            case Format():
                term = format_term(formula.name)
                return ANY if term is None else term
            case Length():
                return length(formula.low, formula.high)
            case StringIn():
                return literals(formula.words)
        return fold(formula, self.string_term)

    def number_term(self, formula: Expr) -> Term:
        """The spellings of numbers that satisfy ``formula``, which speaks about numbers only."""
        term = formula.memo.get("number")
        if term is None:
            term = formula.memo["number"] = number_term(formula)
        return term

    def key_term(self, keys: KeySet) -> Term:
        """The names in a set of keys."""
        term = self._key_terms.get(keys)
        if term is None:
            parts = [literals(keys.names), *map(self.pattern_term, sorted(keys.patterns))]
            parts += [self.string_term(self.restrict(f, STRING)) for f in keys.satisfying]
            term = union(*parts) if parts else EMPTY
            term = self._key_terms[keys] = complement(term) if keys.complement else term
        return term

    # Whether there is a value. ----------------------------------------------------------------------------------

    def inhabited(self, formula: Expr) -> bool:
        """Whether some value satisfies ``formula``.

        Raises: SchemaBudgetError when that takes more work than the fuel allows.
        """
        if formula is TRUE or formula is FALSE:
            return formula is TRUE
        try:
            if surely_inhabited(formula):
                return True
        except RecursionError as error:
            raise self._exhausted() from error
        return self.decide(formula, lambda: any(self.has_value(formula, kind) for kind in TYPES))

    def types(self, formula: Expr) -> int:
        """The types that values of ``formula`` may have, as far as that is plain to see."""
        found = formula.memo.get("types")
        if found is None:
            formula.memo["types"] = ANY_TYPE  # for a formula that contains itself
            found = formula.memo["types"] = self._types(formula)
        return found

    def _types(self, formula: Expr) -> int:
        mask = ANY_TYPE
        match formula:
            case Types():
                return formula.mask
            case And():
                for part in formula.parts:
                    mask &= self.types(part)
            case Or() | One():
                mask = 0
                for part in formula.parts:
                    mask |= self.types(part)
            case Ref():
                return ANY_TYPE if formula.target is None else self.types(formula.target)
        return mask

    def has_value(self, formula: Expr, kind: int) -> bool:
        """Whether some value of the type ``kind`` satisfies ``formula``."""
        if not self.types(formula) & kind:
            return False
        rest = self.restrict(formula, kind)
        if rest is TRUE or rest is FALSE:
            return rest is TRUE
        if kind == STRING:
            return not self.empty(self.string_term(rest))
        if kind == NUMBER:
            return not self.empty(self.number_term(rest))
        if kind == ARRAY:
            return any(True for _ in self.array_states(rest))
        assert kind == OBJECT, rest
        return any(True for _ in self.object_states(rest))

    def array_states(self, formula: Expr) -> Iterator[ArrayState]:
        """The states of arrays before their first item, those that some array completes."""
        return (s for s in array_states(self, formula) if s.inhabited())

    def object_states(self, formula: Expr) -> Iterator[ObjectState]:
        """The states of objects before their first member, those that some object completes."""
        return (s for s in object_states(self, formula) if s.inhabited())

    def viable_states(self, states: Iterable[S]) -> Iterator[S]:
        """Those of ``states`` that some array or object completes, as far as :meth:`viable` can tell."""
        return (state for state in states if self.viable(state, state.inhabited))

    def disjoint(self, left: Expr, right: Expr) -> bool:
        """Whether no value satisfies both."""
        return not self.inhabited(self.algebra.all([left, right]))

    def empty(self, term: Term) -> bool:
        """Whether a language of strings or numbers has no word."""
        if term.inhabited:
            return False
        fuel, before = TERM_FUEL * self._scale, Work.states
        if self._metered:
            fuel = min(fuel, max(self._left // _TERM, 1))
        try:
            empty = is_empty(term, fuel)
        except FuelExhausted as error:
            raise self._exhausted() from error
        finally:
            self._left -= (Work.states - before) * (_TERM if self._metered else 2)
        return empty

    @staticmethod
    def surely_infinite(term: Term) -> bool:
        """Whether a language of strings is known to have words without end."""
        try:
            return is_infinite(term, _LITTLE)
        except FuelExhausted:
            return False

    def words(self, term: Term, limit: int) -> list[str] | None:
        """The words of a language of strings in order, or None when there are more than ``limit``.

        Where searches draw at most ``limit`` of them, they cannot tell that there are no more than that.
        """
        fuel = TERM_FUEL * self._scale
        try:
            return None if is_infinite(term, fuel) else words(term, limit, fuel)
        except FuelExhausted as error:
            raise self._exhausted() from error

    def decide(self, question: Hashable, answer: Callable[[], bool]) -> bool:
        """``answer()``, remembered under ``question``; asked again while it is being answered, it is False.

        That makes the answers a least fixpoint. A False that rests on such an assumption about a question still open
        is not remembered, since that question may yet come out True.
        """
        known = self._known.get(question)
        if known is not None:
            return known
        open_since = self._deciding.get(question)
        if open_since is not None:
            self._lowest_assumed = min(self._lowest_assumed, open_since)
            return False
        if not self._deciding and not self._metered:
            self._left = self._fuel
        self.spend()
        depth = self._deciding[question] = len(self._deciding)
        outer, self._lowest_assumed = self._lowest_assumed, depth
        try:
            result = answer()
        except RecursionError as error:
            raise self._exhausted() from error
        finally:
            del self._deciding[question]
            lowest, self._lowest_assumed = self._lowest_assumed, min(outer, self._lowest_assumed)
        if result or lowest >= depth:
            self._known[question] = result
            self._lowest_assumed = outer
        return result

    def spend(self, steps: int = 1) -> None:
        """Counts steps of the question being answered, or of the alternatives being gathered."""
        if self._deciding or self._metered:
            self._left -= steps
            if self._left <= 0:
                raise self._exhausted()

    def gather(self, make: Callable[[], Iterable[T]], needed: bool = True) -> list[T]:
        """All that ``make()`` gives. When decoding, what takes more than the fuel is left out, see :meth:`viable`.

        ``needed``: there is something, since what was read so far can be completed; then the fuel grows until it is
        found. The text becomes stricter than the schema where something is left out, but it never ends in nothing.
        """
        if self._deciding or self._metered or self.strict:
            return list(make())
        try:
            for self._scale in _SCALES:
                found = self._within_fuel(make)
                if found or self._complete or not needed:
                    return found
                self._left_out.clear()
            raise self._exhausted()
        finally:
            self._scale = 1

    def _within_fuel(self, make: Callable[[], Iterable[T]]) -> list[T]:
        found: list[T] = []
        self._left, self._metered, self._complete = self._fuel * self._scale // _GATHERED, True, True
        try:
            for item in make():
                found.append(item)
        except (SchemaBudgetError, RecursionError):
            self._complete, self.incomplete = False, True
        finally:
            self._metered = False
        return found

    def viable(self, question: Hashable, answer: Callable[[], bool]) -> bool:
        """``answer()``; when decoding, False if it takes more than its share of the fuel."""
        if self._deciding or self.strict:
            return answer()
        if question in self._left_out:
            self._complete, self.incomplete = False, True
            return False
        outer, metered, share = self._left, self._metered, self._fuel * self._scale // _SHARE
        granted = self._left = min(share, outer) if metered else share
        self._metered = True
        try:
            return answer()
        except (SchemaBudgetError, RecursionError):
            self._left_out.add(question)
            self._complete, self.incomplete = False, True
            return False
        finally:
            self._left, self._metered = outer - (granted - self._left), metered

    def strictly(self, compute: Callable[[], T]) -> T:
        """``compute()`` with nothing left out. Raises: SchemaBudgetError."""
        outer, self.strict = self.strict, True
        try:
            return compute()
        finally:
            self.strict = outer

    def firmly(self, compute: Callable[[], T]) -> tuple[T, bool]:
        """``compute()``, and whether it may be remembered.

        That is so if it rests on no assumption about a question still open, and nothing was left out.
        """
        outer, self._lowest_assumed = self._lowest_assumed, len(self._deciding)
        complete, self._complete = self._complete, True
        try:
            result = compute()
            firm = self._complete and self._lowest_assumed >= len(self._deciding)
        finally:
            self._lowest_assumed = min(outer, self._lowest_assumed)
            self._complete = self._complete and complete
        return result, firm

    @staticmethod
    def _exhausted() -> SchemaBudgetError:
        return SchemaBudgetError("what the schema allows could not be decided within its fuel; simplify the schema")

    def check_strings(self, atoms: list[tuple[Expr, str, str]], key_patterns: list[tuple[str, str]]) -> None:
        """Translates every pattern and format now, so that what cannot be enforced is refused before decoding.

        Raises: UnsupportedSchemaError, InvalidSchemaError.
        """
        for atom, pointer, keyword in atoms:
            with _Refusal(pointer, keyword):
                self.string_term(atom)
        for pattern, pointer in key_patterns:
            with _Refusal(pointer, "patternProperties"):
                self.pattern_term(pattern)


class _Refusal:
    """Turns what the pattern parser says into a schema error that knows its place."""

    def __init__(self, pointer: str, keyword: str) -> None:
        self.pointer, self.keyword = pointer, keyword

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        from ..errors import InvalidSchemaError

        if isinstance(error, UnsupportedPatternError):
            raise UnsupportedSchemaError(str(error), pointer=self.pointer, keyword=self.keyword) from error
        if isinstance(error, PatternError):
            raise InvalidSchemaError(str(error), pointer=self.pointer, keyword=self.keyword) from error
