"""The numbers that satisfy a formula, as a language of their JSON spellings.

Bounds compare digit by digit, multiples are arithmetic on what was read (:mod:`.multiples`): both are automata over
the text, so that they intersect with everything else in the term algebra. What holds of the text also holds of the
double that a reader makes of it. Spellings are those that people write: an ``integer`` is plain digits, and may have
a fraction of zeros where its atom says so; other numbers may have a fraction of any length, zeros at its end
included, and an exponent only where the formula asks nothing about the value. All of them are finite as doubles.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable
from decimal import Context, Decimal
from fractions import Fraction
from functools import cache, lru_cache, reduce
from itertools import combinations

from ..schema.algebra import FALSE, TRUE, And, Bound, Expr, Integer, Multiple, Not, NumberIn, One, Or
from .charset import CharSet
from .cubes import Cube, cubes
from .multiples import EXACT_DIGITS, MAX_INTEGER_DIGITS, multiples, multiples_within, scale_of
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


def _digits(digits: Iterable[str]) -> Term:
    return chars(CharSet.of(digits))


_DIGIT, _ONE_TO_NINE, _ZERO, _NINE = _digits("0123456789"), _digits("123456789"), literal("0"), literal("9")
_MINUS, _POINT = literal("-"), literal(".")
_SIGN = union(EPSILON, _MINUS)
_NATURAL = concat(_ONE_TO_NINE, repeat(_DIGIT, 0, MAX_INTEGER_DIGITS - 1))
_FRACTION = concat(_POINT, repeat(_DIGIT, 1, None))
_ZEROS = concat(_POINT, repeat(_ZERO, 1, None))

#: Integers and decimal fractions, without exponents; ``-0.0`` is one of them, as tables of changes write it.
DECIMALS = union(
    concat(union(_ZERO, _NATURAL), union(EPSILON, _FRACTION)),
    concat(_MINUS, _NATURAL, union(EPSILON, _FRACTION)),
    concat(_MINUS, _ZERO, _FRACTION),
)
_EXPONENT = concat(
    _digits("eE"),
    union(
        concat(union(EPSILON, literal("+")), union(repeat(_DIGIT, 1, 2), concat(_digits("012"), _DIGIT, _DIGIT))),
        concat(union(EPSILON, literal("+")), literal("30"), _digits("01234567")),
        concat(_MINUS, repeat(_DIGIT, 1, 3)),
    ),
)
#: Every spelling of a number that nothing is asked of.
NUMBERS = union(DECIMALS, concat(_SIGN, _ONE_TO_NINE, union(EPSILON, _FRACTION), _EXPONENT))
_POINTED = concat(_SIGN, repeat(_DIGIT, 1, None), _FRACTION)
_INTEGRAL = concat(_SIGN, union(repeat(_DIGIT, 1, None), concat(repeat(_DIGIT, 1, EXACT_DIGITS), _ZEROS)))


def _not_rounded_away(num_digits: int) -> Term:
    """Fraction digits after ``num_digits`` others that no double rounds away: zeros or nines do not go on too far."""
    most = EXACT_DIGITS - num_digits - 1
    return union(
        concat(_digits("12345678"), repeat(_DIGIT, 0, None)),
        concat(repeat(_ZERO, 1, most if num_digits else MAX_INTEGER_DIGITS - 1), _ONE_TO_NINE, repeat(_DIGIT, 0, None)),
        concat(repeat(_NINE, 1, most), union(EPSILON, concat(_digits("012345678"), repeat(_DIGIT, 0, None)))),
    )


_FRACTIONAL = concat(
    _SIGN,
    union(
        concat(_ZERO, _POINT, _not_rounded_away(0)),
        *[
            concat(_ONE_TO_NINE, repeat(_DIGIT, n - 1, n - 1), _POINT, _not_rounded_away(n))
            for n in range(1, EXACT_DIGITS)
        ],
    ),
)

_SIGN_SETS = {"<": {-1}, "<=": {-1, 0}, ">": {1}, ">=": {0, 1}}
_NEGATED = {"<": ">=", "<=": ">", ">": "<=", ">=": "<"}
_LARGEST = sys.float_info.max
_EXACT_INTEGERS = 1 << 53  # below, a double holds every integer
_MAX_DOUBLE_DIGITS = 1_100  # enough for the middle between any two doubles
_BEYOND = Decimal(10) ** (MAX_INTEGER_DIGITS + 1)


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


def number_term(formula: Expr) -> Term:
    """The spellings of the numbers that satisfy ``formula``, whose atoms are all about numbers."""
    if formula is TRUE:
        return NUMBERS
    if formula is FALSE:
        return EMPTY
    if type(formula) is Or:
        return union(*map(number_term, formula.parts))
    parts = formula.parts if type(formula) is And else (formula,)
    others = [p for p in parts if _literal(p) is None]
    if any(map(_asks_multiples, others)):
        found = cubes(formula)
        if found is not None:
            return union(*map(_cube_term, found))
    cube = dict(literal for literal in map(_literal, parts) if literal is not None)
    return intersect(_cube_term(cube), *[_values(p, True) for p in others])


def _literal(formula: Expr) -> tuple[Expr, bool] | None:
    """An atom and whether it must hold, where ``formula`` says no more than that."""
    atom = formula.part if type(formula) is Not else formula
    return (atom, atom is formula) if type(atom) in (Integer, Bound, Multiple, NumberIn) else None


def _asks_multiples(formula: Expr) -> bool:
    """Whether multiples are asked for somewhere: they need the bounds and steps beside them, see :mod:`.multiples`."""
    if type(formula) is And or type(formula) is Or or type(formula) is One:
        return any(map(_asks_multiples, formula.parts))
    return _asks_multiples(formula.part) if type(formula) is Not else type(formula) is Multiple


def _cube_term(cube: Cube) -> Term:
    """The spellings of the numbers of which the atoms of ``cube`` hold or not, as it says."""
    listed = next((p for p, wanted in cube.items() if wanted and type(p) is NumberIn), None)
    if listed is not None:
        return _listed(listed, cube)
    bounds = [(p.op if wanted else _NEGATED[p.op], p.limit) for p, wanted in cube.items() if type(p) is Bound]
    steps = [_step(p) for p, wanted in cube.items() if wanted and type(p) in (Integer, Multiple)]
    barred = [p for p, wanted in cube.items() if not wanted and type(p) is not Bound]
    if not steps:
        return intersect(DECIMALS, *[_as_double(*b) for b in bounds], *[_values(p, False) for p in barred])
    step = reduce(_common_multiple, steps)
    if any((step / _step(p)).denominator == 1 for p in barred if type(p) is not NumberIn):
        return EMPTY
    integers = [p for p, wanted in cube.items() if wanted and type(p) is Integer]
    limits = [(op, Fraction(min(max(limit, -_BEYOND), _BEYOND))) for op, limit in bounds]
    found = multiples_within(step, limits, all(p.fraction for p in integers), minus_zero=not integers)
    return intersect(found, *[_barred(p) for p in barred])


def _barred(atom: Expr) -> Term:
    """What is not an integer, a multiple or among some numbers, where the value is a multiple of something else."""
    rounded = type(atom) is Integer or _step(atom).denominator > 1
    return _values(atom, False) if rounded else complement(_values(atom, True))


def _step(atom: Expr) -> Fraction:
    return Fraction(atom.of) if type(atom) is Multiple else Fraction(1)


def _common_multiple(a: Fraction, b: Fraction) -> Fraction:
    return Fraction(math.lcm(a.numerator, b.numerator), math.gcd(a.denominator, b.denominator))


def _listed(listed: NumberIn, cube: Cube) -> Term:
    """The numbers of ``listed`` that fit the rest of ``cube``, in the schema's spelling or, if it may be, another."""
    numbers = [pair for pair in listed.numbers if all(holds(p, pair[0]) == wanted for p, wanted in cube.items())]
    texts = [text for _, text in numbers]
    if not listed.fraction:
        return literals(texts)
    whole = [int(n) for n, _ in numbers if abs(n) < _BEYOND and _is_integral(n)]
    if not all(p.fraction for p, wanted in cube.items() if wanted and type(p) is Integer):
        return literals(map(str, whole))
    exact = [str(n) for n in whole if abs(n) <= _LARGEST and int(float(n)) == n]
    return union(literals([*texts, *map(str, whole)]), concat(literals(exact), _ZEROS))


def _as_double(op: str, limit: Decimal) -> Term:
    """The decimals that still satisfy a strict bound when a reader rounds them to doubles.

    ``4.99999999999999999999`` is less than 5, but what Python's json makes of it is not.
    """
    if op not in "<>" or abs(limit) > Decimal(_LARGEST):
        return compared(op, limit)
    neighbour = math.nextafter(float(limit), -math.inf if op == "<" else math.inf)
    return compared(op + "=", Decimal(neighbour))


def _values(formula: Expr, wanted: bool) -> Term:
    """Decimals with a value that satisfies ``formula``, or does not if not ``wanted``, whatever their spelling."""
    if type(formula) is Not:
        return _values(formula.part, not wanted)
    if type(formula) is Integer:
        return _INTEGRAL if wanted else _FRACTIONAL
    if type(formula) is Bound:
        return _as_double(formula.op if wanted else _NEGATED[formula.op], formula.limit)
    if type(formula) is Multiple:
        return multiples(Fraction(formula.of)) if wanted else _no_multiples(Fraction(formula.of))
    if type(formula) is NumberIn:
        numbers = [n for n, _ in formula.numbers]
        return _equal(numbers) if wanted else complement(union(*map(_same_double, numbers)))
    if type(formula) is One:
        return _exactly_one(formula.parts, wanted)
    assert type(formula) is And or type(formula) is Or, formula
    parts = [_values(p, wanted) for p in formula.parts]
    return intersect(*parts) if (type(formula) is And) == wanted else union(*parts)


def _exactly_one(parts: tuple[Expr, ...], wanted: bool) -> Term:
    """Exactly one of ``parts`` holds; or none does, or two of them do."""
    yes, no = [_values(p, True) for p in parts], [_values(p, False) for p in parts]
    if wanted:
        return union(*[intersect(*no[:i], term, *no[i + 1 :]) for i, term in enumerate(yes)])
    return union(intersect(*no), *[intersect(a, b) for a, b in combinations(yes, 2)])


def _no_multiples(step: Fraction) -> Term:
    """What is no multiple, not even after rounding to a double."""
    if step.denominator > 1:
        return _apart_from_multiples(step)
    return _FRACTIONAL if step == 1 else union(_FRACTIONAL, intersect(_INTEGRAL, complement(multiples(step))))


@lru_cache(256)
def _apart_from_multiples(step: Fraction) -> Term:
    """Decimals that are no multiples of ``step``, which has fraction digits, and that no double rounds to one.

    Plain digits are read exactly. Of others, as many digits are kept as a double surely holds: with more of them, those
    behind the fraction digits of ``step`` must not be zeros only, where what precedes them is a multiple, nor nines
    only. (Some that end in nines would do.)
    """
    scale = scale_of(step)
    others, more = complement(multiples(step)), repeat(_DIGIT, 0, None)
    found = [concat(_SIGN, repeat(_DIGIT, 1, None))]
    small = concat(repeat(_ZERO, scale + 1, max(scale + 1, MAX_INTEGER_DIGITS - 1)), _ONE_TO_NINE, more)
    found.append(concat(_SIGN, _ZERO, _POINT, small))
    for num_digits in range(1, EXACT_DIGITS - scale + 1):
        kept = EXACT_DIGITS - num_digits
        begun = concat(_SIGN, repeat(_DIGIT, num_digits, num_digits), _POINT)
        steps = concat(begun, repeat(_DIGIT, scale, scale))
        found.append(concat(begun, repeat(_DIGIT, 1, kept)))
        if kept > scale:
            found.append(concat(intersect(others, steps), repeat(_ZERO, kept - scale, kept - scale), more))
            found.append(concat(steps, _not_rounded_away(num_digits + scale)))
    return intersect(others, union(*found))


def _equal(numbers: Iterable[Decimal]) -> Term:
    """The decimals of the same value as one of ``listed``, with any number of zeros at their end."""
    whole, others = [], []
    for number in numbers:
        if not _is_integral(number):
            others.append(format(number, "f").rstrip("0"))
        elif abs(number) < _BEYOND:
            whole += [str(int(number))] if number else ["0", "-0"]
    return union(concat(literals(whole), union(EPSILON, _ZEROS)), concat(literals(others), repeat(_ZERO, 0, None)))


@cache
def _same_double(number: Decimal) -> Term:
    """The decimals that a reader cannot tell from ``number``."""
    if abs(number) > Decimal(_LARGEST):
        return _equal([number])
    near, exact = float(number), Context(prec=_MAX_DOUBLE_DIGITS)
    neighbours = [Decimal(math.nextafter(near, end)) for end in (-_LARGEST, _LARGEST)]
    low, high = (exact.divide(exact.add(Decimal(near), neighbour), Decimal(2)) for neighbour in neighbours)
    within = intersect(compared(">=", low), compared("<=", high))
    if abs(number) < _EXACT_INTEGERS:
        return within
    return union(_equal([number]), intersect(within, _POINTED))  # plain digits are read exactly


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
        return _is_integral(number)
    if type(formula) is Bound:
        return ((number > formula.limit) - (number < formula.limit)) in _SIGN_SETS[formula.op]
    if type(formula) is Multiple:
        return (Fraction(number) / Fraction(formula.of)).denominator == 1
    if type(formula) is NumberIn:
        if "numbers" not in formula.memo:
            formula.memo["numbers"] = frozenset(listed for listed, _ in formula.numbers)
        return number in formula.memo["numbers"]
    return formula is TRUE


def _is_integral(number: Decimal) -> bool:
    return number == number.to_integral_value()
