"""The numbers that satisfy a formula, as a language of their JSON spellings.

Bounds compare digit by digit, multiples keep a remainder: both are automata over the text, so that they intersect
with everything else in the term algebra and no float is ever rounded. Spellings are those that people write: an
``integer`` is plain digits, other numbers may have a fraction of any length, zeros at its end included, and an exponent
only where the formula asks nothing about the value. All of them are finite as IEEE doubles.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable
from decimal import Decimal
from functools import cache

from ..schema.algebra import FALSE, TRUE, And, Bound, Expr, Integer, Multiple, Not, NumberIn, One, Or
from .charset import CharSet
from .terms import (
    ANY,
    EMPTY,
    EPSILON,
    Leaf,
    Term,
    chars,
    complement,
    concat,
    intersect,
    literal,
    literals,
    repeat,
    union,
)  # fmt: skip

_MAX_INTEGER_DIGITS = 308  # 10**308 is the greatest power of ten that a double holds


def _digits(digits: Iterable[str]) -> CharSet:
    return CharSet.of(digits)


_ALL_DIGITS = _digits("0123456789")
_DIGIT, _ONE_TO_NINE, _ZERO = chars(_ALL_DIGITS), chars(_digits("123456789")), literal("0")
_MINUS, _POINT = literal("-"), literal(".")
_NATURAL = concat(_ONE_TO_NINE, repeat(_DIGIT, 0, _MAX_INTEGER_DIGITS - 1))
_FRACTION = concat(_POINT, repeat(_DIGIT, 1, None))

#: Integers in plain digits; there is no ``-0``.
INTEGERS = union(_ZERO, _NATURAL, concat(_MINUS, _NATURAL))
#: Integers and decimal fractions, without exponents; ``-0.0`` is one of them, as tables of changes write it.
DECIMALS = union(
    concat(union(_ZERO, _NATURAL), union(EPSILON, _FRACTION)),
    concat(_MINUS, _NATURAL, union(EPSILON, _FRACTION)),
    concat(_MINUS, _ZERO, _FRACTION),
)
_EXPONENT = concat(
    chars(_digits("eE")),
    union(
        concat(
            union(EPSILON, literal("+")), union(repeat(_DIGIT, 1, 2), concat(chars(_digits("012")), _DIGIT, _DIGIT))
        ),
        concat(union(EPSILON, literal("+")), literal("30"), chars(_digits("01234567"))),
        concat(_MINUS, repeat(_DIGIT, 1, 3)),
    ),
)
#: Every spelling of a number that nothing is asked of.
NUMBERS = union(DECIMALS, concat(union(EPSILON, _MINUS), _ONE_TO_NINE, union(EPSILON, _FRACTION), _EXPONENT))
_INTEGRAL = concat(
    union(EPSILON, _MINUS), repeat(_DIGIT, 1, None), union(EPSILON, concat(_POINT, repeat(_ZERO, 0, None)))
)

_SIGN_SETS = {"<": {-1}, "<=": {-1, 0}, ">": {1}, ">=": {0, 1}, "==": {0}}


class Magnitude(Leaf):
    """Unsigned decimals whose comparison with a bound (-1, 0, 1) is among ``wanted``.

    The state is how many integer digits were read and how they compare with the bound's first ones; after the point,
    how many of the bound's fraction digits were matched.
    """

    __slots__ = ("compared", "fraction", "integer", "matched", "num_digits", "wanted")

    def setup(
        self, wanted: frozenset, integer: str, fraction: str, num_digits: int = 0, compared: int = 0, matched: int = -1
    ) -> None:
        self.wanted, self.integer, self.fraction = wanted, integer, fraction
        self.num_digits, self.compared, self.matched = num_digits, compared, matched
        self.nullable = self._result() in wanted

    def _result(self) -> int:
        if self.matched >= 0:
            return -1 if self.matched < len(self.fraction) else 0
        if self.num_digits != len(self.integer):
            return -1 if self.num_digits < len(self.integer) else 1
        return self.compared or (-1 if self.fraction else 0)

    def moves(self) -> Iterable[tuple[CharSet, Term]]:
        successors: dict[Term, list[str]] = {}
        for digit in range(10):
            successors.setdefault(self._digit(digit), []).append(str(digit))
        if self.matched < 0 and self.num_digits:
            successors.setdefault(self._point(), []).append(".")
        return [(CharSet.of(symbols), after) for after, symbols in successors.items() if after is not EMPTY]

    def _resolved(self, result: int) -> Term:
        return ANY if result in self.wanted else EMPTY

    def _digit(self, digit: int) -> Term:
        if self.matched >= 0:
            expected = int(self.fraction[self.matched]) if self.matched < len(self.fraction) else 0
            if digit != expected:
                return self._resolved(1 if digit > expected else -1)
            return self._at(matched=min(self.matched + 1, len(self.fraction)))
        if self.num_digits >= len(self.integer):
            return self._resolved(1)
        expected = int(self.integer[self.num_digits])
        compared = self.compared or (digit > expected) - (digit < expected)
        return self._at(num_digits=self.num_digits + 1, compared=compared)

    def _point(self) -> Term:
        if self.num_digits != len(self.integer):
            return self._resolved(-1)
        return self._resolved(self.compared) if self.compared else self._at(num_digits=self.num_digits, matched=0)

    def _at(self, num_digits: int = 0, compared: int = 0, matched: int = -1) -> Term:
        return Magnitude(self.wanted, self.integer, self.fraction, num_digits, compared, matched)


class Remainder(Leaf):
    """Decimals that are integral multiples of ``divisor * 10**-scale``; the state is the remainder so far."""

    __slots__ = ("divisor", "num_fraction", "remainder", "scale", "signed")

    def setup(self, divisor: int, scale: int, remainder: int = 0, num_fraction: int = -1, signed: bool = True) -> None:
        self.divisor, self.scale, self.remainder, self.num_fraction = divisor, scale, remainder, num_fraction
        self.signed = signed  # nothing read yet, so that a minus may come
        missing = scale - max(num_fraction, 0)
        self.nullable = not signed and remainder * 10**missing % divisor == 0

    def moves(self) -> Iterable[tuple[CharSet, Term]]:
        successors: dict[Term, list[str]] = {}
        for digit in range(10):
            successors.setdefault(self._digit(digit), []).append(str(digit))
        if self.signed:
            successors.setdefault(Remainder(self.divisor, self.scale, 0, -1, False), []).append("-")
        elif self.num_fraction < 0:
            successors.setdefault(Remainder(self.divisor, self.scale, self.remainder, 0, False), []).append(".")
        return [(CharSet.of(symbols), after) for after, symbols in successors.items() if after is not EMPTY]

    def _digit(self, digit: int) -> Term:
        if self.num_fraction == self.scale:
            return self if digit == 0 else EMPTY
        remainder = (10 * self.remainder + digit) % self.divisor
        num_fraction = self.num_fraction + 1 if self.num_fraction >= 0 else -1
        return Remainder(self.divisor, self.scale, remainder, num_fraction, False)


@cache
def compared(op: str, limit: Decimal) -> Term:
    """The decimals that compare with ``limit`` as ``op`` says."""
    wanted = _SIGN_SETS[op]
    integer, _, fraction = format(abs(limit), "f").partition(".")
    magnitude = integer.lstrip("0") or "0", fraction.rstrip("0")
    positive: Term = Magnitude(frozenset(wanted), *magnitude)
    negative: Term = Magnitude(frozenset(-sign for sign in wanted), *magnitude)
    if limit < 0:
        positive = ANY if 1 in wanted else EMPTY  # whatever has no minus is greater
    elif limit > 0:
        negative = ANY if -1 in wanted else EMPTY
    unsigned = intersect(positive, complement(concat(_MINUS, ANY)))
    return union(unsigned, concat(_MINUS, negative))


@cache
def multiples(of: Decimal) -> Term:
    """The decimals that are integral multiples of ``of``."""
    _, digits, exponent = of.normalize().as_tuple()
    assert isinstance(exponent, int)
    divisor = int("".join(map(str, digits))) * 10 ** max(exponent, 0)
    return Remainder(divisor, max(-exponent, 0))


def number_term(formula: Expr) -> Term:
    """The spellings of the numbers that satisfy ``formula``, whose atoms are all about numbers."""
    if formula is TRUE:
        return NUMBERS
    if formula is FALSE:
        return EMPTY
    if type(formula) is Or:
        return union(*map(number_term, formula.parts))
    parts = formula.parts if type(formula) is And else (formula,)
    listed = next((p for p in parts if type(p) is NumberIn), None)
    if listed is not None:
        return literals([text for number, text in listed.numbers if holds(formula, number)])
    if any(type(p) is Integer for p in parts):
        return intersect(INTEGERS, *[_values(p) for p in parts])
    return intersect(DECIMALS, *[_as_double(p) if type(p) is Bound else _values(p) for p in parts])


def _as_double(bound: Bound) -> Term:
    """The decimals that still satisfy a strict ``bound`` when a reader rounds them to doubles.

    ``4.99999999999999999999`` is less than 5, but what Python's json makes of it is not.
    """
    if bound.op not in "<>" or abs(bound.limit) > Decimal(sys.float_info.max):
        return _values(bound)
    neighbour = math.nextafter(float(bound.limit), -math.inf if bound.op == "<" else math.inf)
    return compared(bound.op + "=", Decimal(neighbour))


def _values(formula: Expr) -> Term:
    """All decimals with a value that satisfies ``formula``, whatever their spelling."""
    if type(formula) is Integer:
        return _INTEGRAL
    if type(formula) is Bound:
        return compared(formula.op, formula.limit)
    if type(formula) is Multiple:
        return multiples(formula.of)
    if type(formula) is NumberIn:
        return union(*[compared("==", number) for number, _ in formula.numbers])
    return fold(formula, _values)


def fold(formula: Expr, leaf: Callable[[Expr], Term]) -> Term:
    """A boolean combination of languages; ``leaf`` translates what is not a connective."""
    if type(formula) is And:
        return intersect(*[leaf(p) for p in formula.parts])
    if type(formula) is Or:
        return union(*[leaf(p) for p in formula.parts])
    if type(formula) is Not:
        return complement(leaf(formula.part))
    if type(formula) is One:
        terms = [leaf(p) for p in formula.parts]
        exact = []
        for i, term in enumerate(terms):
            exact.append(intersect(term, complement(union(*terms[:i], *terms[i + 1 :]))))
        return union(*exact)
    assert formula is TRUE or formula is FALSE, formula
    return ANY if formula is TRUE else EMPTY


def holds(formula: Expr, number: Decimal) -> bool:
    """Whether ``number`` satisfies ``formula``, whose atoms are all about numbers."""
    if type(formula) is And:
        return all(holds(p, number) for p in formula.parts)
    if type(formula) is Or:
        return any(holds(p, number) for p in formula.parts)
    if type(formula) is One:
        return sum(holds(p, number) for p in formula.parts) == 1
    if type(formula) is Not:
        return not holds(formula.part, number)
    if type(formula) is Integer:
        return number == number.to_integral_value()
    if type(formula) is Bound:
        return ((number > formula.limit) - (number < formula.limit)) in _SIGN_SETS[formula.op]
    if type(formula) is Multiple:
        return _is_multiple(number, formula.of)
    if type(formula) is NumberIn:
        return any(number == listed for listed, _ in formula.numbers)
    return formula is TRUE


def _is_multiple(number: Decimal, of: Decimal) -> bool:
    from fractions import Fraction

    return (Fraction(number) / Fraction(of)).denominator == 1
