"""Multiples of a step within bounds, spelled in decimal: automata whose viability is arithmetic, not a search.

What was read is a prefix of an arithmetic progression's members: with so many digits to come they lie in one interval,
and whether it holds a multiple is one division. So a state exists only where some number can be completed, however
large the step and however narrow the bounds. All is counted in units of the last fraction digit that matters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fractions import Fraction
from math import ceil, floor

from .charset import CharSet
from .terms import EMPTY, Leaf, Term, concat, literal, repeat, union

MAX_INTEGER_DIGITS = 308  # 10**308 is the greatest power of ten that a double holds
Limit = tuple[str, Fraction]  # one of <, <=, >, >= and what is compared with
EXACT_DIGITS = 15  # a double holds every integer of so many digits
_MINUS, _ZERO = literal("-"), literal("0")


class Prefix(Leaf):
    """Before the point of a number that is a multiple of ``step``.

    ``remainder`` is that of the value if the point came now. ``least`` to ``most`` integer digits are to come; if it is
    just ``least``, these and the ``scale`` fraction digits must add ``low`` or more, and if it is just ``most``,
    ``high`` (None: anything) or less. ``pointed``: a fraction must follow; without, none may.
    """

    __slots__ = ("high", "least", "low", "most", "pointed", "remainder", "scale", "start", "step")

    def setup(
        self, step: int, scale: int, pointed: bool, remainder: int, least: int, low: int, most: int, high: int | None,
        start: bool,
    ) -> None:  # fmt: skip
        self.step, self.scale, self.pointed, self.remainder = step, scale, pointed, remainder
        self.least, self.low, self.most, self.high, self.start = least, low, most, high, start
        self.inhabited = True
        self.nullable = least == 0 and not pointed
        self.min_len, self.max_len = (least + 2, None) if pointed else (least, most)

    def moves(self) -> Iterable[tuple[CharSet, Term]]:
        if self.step == 1 and self.least == 0 and self.high is None:  # any digit will do
            pairs = [(CharSet.of("0123456789"), self._digit(0))]
        else:
            pairs = _by_digit(range(10), self._digit)
        if self.pointed and self.least == 0:
            high = 10**self.scale - 1 if self.most or self.high is None else self.high
            pairs.append((CharSet.of("."), _suffix(self.step, self.scale, self.low, high, -self.remainder, True)))
        return pairs

    def _digit(self, digit: int) -> Term:
        least, low, most, high = self.least, self.low, self.most, self.high
        if self.start and digit == 0 and most > 1:
            most, high = 1, None  # no digit follows a leading zero
        place = 10 ** (max(most, 1) - 1 + self.scale)
        if high is not None:
            high -= digit * place
            if high < 0:
                most, high = most - 1, None
        if least:
            place = 10 ** (least - 1 + self.scale)
            low -= digit * place
            least, low = (least, 0) if low >= place else (least - 1, max(low, 0))
        else:
            low = 0
        remainder = (10 * self.remainder + digit * 10**self.scale) % self.step
        return _prefix(self.step, self.scale, self.pointed, remainder, least, low, most - 1, high)


def _prefix(
    step: int, scale: int, pointed: bool, remainder: int, least: int, low: int, most: int, high: int | None,
    start: bool = False,
) -> Term:  # fmt: skip
    """The :class:`Prefix` with ``least`` raised to the first number of digits that will do; EMPTY if none will."""
    if high is not None and most >= 0 and high >= 10 ** (most + scale) - 1:
        high = None
    for num_digits in range(least, most + 1):
        largest = 10 ** (num_digits + scale) - 1 if num_digits < most or high is None else high
        if low + (-remainder * 10**num_digits - low) % step <= largest:
            return Prefix(step, scale, pointed, remainder, num_digits, low, most, high, start)
        low = 10 ** (num_digits + scale) if start else 0  # a longer number does not begin with a zero
    return EMPTY


class Suffix(Leaf):
    """After the point: the ``num_left`` digits to come add ``first``, or ``first`` plus ``step``, ... or ``last``."""

    __slots__ = ("first", "last", "num_left", "step")

    def setup(self, step: int, num_left: int, first: int, last: int, after_point: bool) -> None:
        self.step, self.num_left, self.first, self.last = step, num_left, first, last
        self.inhabited = True
        self.nullable = first == 0 and not after_point
        self.min_len = 0 if self.nullable else 1

    def moves(self) -> Iterable[tuple[CharSet, Term]]:
        place = 10 ** (self.num_left - 1)
        return _by_digit(range(self.first // place, self.last // place + 1), self._digit)

    def _digit(self, digit: int) -> Term:
        place = 10 ** (self.num_left - 1)
        low, high = max(self.first - digit * place, 0), min(self.last - digit * place, place - 1)
        return _suffix(self.step, self.num_left - 1, low, high, self.first - digit * place)


def _suffix(step: int, num_left: int, low: int, high: int, member: int, after_point: bool = False) -> Term:
    """The members from ``low`` to ``high`` of the progression that ``member`` belongs to, as digits."""
    first = low + (member - low) % step
    last = high - (high - member) % step
    if first > last:
        return EMPTY
    if num_left == 0:
        return repeat(_ZERO, int(after_point), None)
    return Suffix(step if first < last else 1, num_left, first, last, after_point)


def _by_digit(digits: Iterable[int], after: Callable[[int], Term]) -> list[tuple[CharSet, Term]]:
    successors: dict[Term, list[str]] = {}
    for digit in digits:
        successors.setdefault(after(digit), []).append(str(digit))
    return [(CharSet.of(symbols), term) for term, symbols in successors.items()]


class Remainder(Leaf):
    """Decimals that are integral multiples of ``divisor * 10**-scale``; the state is the remainder so far."""

    __slots__ = ("divisor", "num_fraction", "remainder", "scale", "signed")

    def setup(self, divisor: int, scale: int, remainder: int = 0, num_fraction: int = -1, signed: bool = True) -> None:
        self.divisor, self.scale, self.remainder, self.num_fraction = divisor, scale, remainder, num_fraction
        self.signed = signed  # nothing read yet, so that a minus may come
        missing = scale - max(num_fraction, 0)
        self.nullable = not signed and remainder * 10**missing % divisor == 0

    def moves(self) -> Iterable[tuple[CharSet, Term]]:
        pairs = _by_digit(range(10), self._digit)
        if self.signed:
            pairs.append((CharSet.of("-"), Remainder(self.divisor, self.scale, 0, -1, False)))
        elif self.num_fraction < 0:
            pairs.append((CharSet.of("."), Remainder(self.divisor, self.scale, self.remainder, 0, False)))
        return pairs

    def _digit(self, digit: int) -> Term:
        if self.num_fraction == self.scale:
            return self if digit == 0 else EMPTY
        remainder = (10 * self.remainder + digit) % self.divisor
        num_fraction = self.num_fraction + 1 if self.num_fraction >= 0 else -1
        return Remainder(self.divisor, self.scale, remainder, num_fraction, False)


def multiples(step: Fraction) -> Term:
    """The decimals that are integral multiples of ``step``, whatever their spelling; for negations."""
    scale = scale_of(step)
    return Remainder(int(step * 10**scale), scale)


def multiples_within(step: Fraction, bounds: Iterable[Limit], fractions: bool, minus_zero: bool) -> Term:
    """The multiples of ``step`` within ``bounds``.

    Integers are spelled in plain digits, and all multiples with a fraction where ``fractions`` says so; if that is a
    fraction of zeros at any rate, only up to 15 digits, which a reader's double holds exactly. ``minus_zero``: there
    is ``-0.0``.
    """
    bounds = list(bounds)
    whole = _signed(step.numerator, 0, False, bounds, False)
    if not fractions:
        return whole
    scale = scale_of(step)
    if scale == 0:
        exact = Fraction(10**EXACT_DIGITS)
        bounds += [("<", exact), (">", -exact)]
    return union(whole, _signed(int(step * 10**scale), scale, True, bounds, minus_zero))


def scale_of(step: Fraction) -> int:
    """How many digits a fraction of multiples of ``step`` has; the denominator is a product of twos and fives."""
    scale = 0
    while 10**scale % step.denominator:
        scale += 1
    return scale


def _signed(step: int, scale: int, pointed: bool, bounds: Iterable[Limit], minus_zero: bool) -> Term:
    low, high = _extremes(bounds, scale)
    found = _unsigned(step, scale, pointed, max(low, 0), high)
    if low < 0 or (low == 0 and minus_zero):
        below = _unsigned(step, scale, pointed, max(-high, 0 if minus_zero else 1), -low)
        found = union(found, concat(_MINUS, below))
    return found


def _extremes(bounds: Iterable[Limit], scale: int) -> tuple[int, int]:
    """The least and the greatest number within ``bounds`` that a double holds, in units of 10**-scale."""
    high = 10 ** (MAX_INTEGER_DIGITS + scale) - 1
    low = -high
    for op, limit in bounds:
        scaled = limit * 10**scale
        if op in (">", ">="):
            low = max(low, floor(scaled) + 1 if op == ">" else ceil(scaled))
        else:
            high = min(high, ceil(scaled) - 1 if op == "<" else floor(scaled))
    return low, high


def _unsigned(step: int, scale: int, pointed: bool, low: int, high: int) -> Term:
    if low > high:
        return EMPTY
    least, most = (len(str(bound // 10**scale)) for bound in (low, high))
    return _prefix(step, scale, pointed, 0, least, low, most, high, start=True)
