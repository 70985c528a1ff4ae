"""Sets of Unicode code points, as sorted ranges: the alphabet of every language here.

The alphabet is 0..0x10FFFF without the surrogates: a JSON string that `json` and Pydantic accept never holds a lone
one. Sets are interned, so equality is identity, and each remembers the results of its operations: automata ask the
same few questions again and again.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from itertools import count
from typing import Final

from .interned import Interned

Range = tuple[int, int]  # both ends included

MAX_CODE_POINT: Final = 0x10FFFF
_BELOW_SURROGATES: Final = (0, 0xD7FF)
_ABOVE_SURROGATES: Final = (0xE000, MAX_CODE_POINT)


class CharSet:
    """An immutable set of code points; build one with :meth:`of`, :meth:`from_ranges` or ``| & - ~``."""

    __slots__ = ("ranges", "serial", "_starts", "_or", "_and", "_complement", "__weakref__")
    ranges: tuple[Range, ...]
    serial: int  # never reused, so memo tables may hold it in place of the set
    _starts: list[int]
    _or: dict[int, CharSet]
    _and: dict[int, CharSet]
    _complement: CharSet | None

    def __init__(self) -> None:
        raise TypeError("use CharSet.of, CharSet.from_ranges or an operator")

    @staticmethod
    def from_ranges(ranges: Iterable[Range]) -> CharSet:
        """All code points in ``ranges`` (ends included, any order, overlaps allowed); surrogates are left out."""
        return _intern(_normalise(ranges))

    @staticmethod
    def from_sorted(ranges: Iterable[Range]) -> CharSet:
        """:meth:`from_ranges` for ranges that are sorted, apart from each other and without surrogates: not checked."""
        return _intern(tuple(ranges))

    @staticmethod
    def of(characters: Iterable[str] | Iterable[int]) -> CharSet:
        """The set of these characters: a string, or code points."""
        points = [ord(c) if isinstance(c, str) else c for c in characters]
        return CharSet.from_ranges((point, point) for point in points)

    def __contains__(self, code_point: int) -> bool:
        at = bisect_right(self._starts, code_point) - 1
        return at >= 0 and code_point <= self.ranges[at][1]

    def __iter__(self) -> Iterator[int]:
        for low, high in self.ranges:
            yield from range(low, high + 1)

    def __len__(self) -> int:
        return sum(high - low + 1 for low, high in self.ranges)

    def __bool__(self) -> bool:
        return bool(self.ranges)

    def __repr__(self) -> str:
        if self is ALL_CHARS:
            return "CharSet[.]"
        shown = ["-".join(dict.fromkeys((_show(low), _show(high)))) for low, high in self.ranges[:8]]
        return f"CharSet[{' '.join(shown)}{' ...' if len(self.ranges) > 8 else ''}]"

    def __or__(self, other: CharSet) -> CharSet:
        if self is other or not other.ranges:
            return self
        found = self._or.get(other.serial)
        if found is None:
            found = self._or[other.serial] = _intern(_normalise(self.ranges + other.ranges))
        return found

    def __and__(self, other: CharSet) -> CharSet:
        if self is other or other is ALL_CHARS:
            return self
        if self is ALL_CHARS:
            return other
        found = self._and.get(other.serial)
        if found is None:
            found = self._and[other.serial] = _intern(_intersect(self.ranges, other.ranges))
        return found

    def __sub__(self, other: CharSet) -> CharSet:
        return NO_CHARS if self is other else self & ~other

    def __invert__(self) -> CharSet:
        if self._complement is None:
            self._complement = _intern(_invert(self.ranges))
        return self._complement

    def isdisjoint(self, other: CharSet) -> bool:
        return not (self & other).ranges

    def issubset(self, other: CharSet) -> bool:
        return (self & other) is self

    def representative(self) -> int:
        """One member, a plain one where there is one (letter, digit, visible ASCII); else the smallest.

        Raises: IndexError on the empty set.
        """
        for wanted in b"a0A":
            if wanted in self:
                return wanted
        for low, high in self.ranges:
            if high > 0x20:
                return max(low, 0x21) if low < 0x7F else low
        return self.ranges[0][0]


_table: Interned[tuple[Range, ...], CharSet] = Interned()
_serials = count()


def _intern(ranges: tuple[Range, ...]) -> CharSet:
    found = _table.get(ranges)
    if found is not None:
        return found
    found = object.__new__(CharSet)
    found.ranges, found.serial = ranges, next(_serials)
    found._starts = [low for low, _ in ranges]
    found._or, found._and, found._complement = {}, {}, None
    return _table.enter(ranges, found)


def _normalise(ranges: Iterable[Range]) -> tuple[Range, ...]:
    merged: list[Range] = []
    for low, high in sorted(_without_surrogates(ranges)):
        if not merged or low > merged[-1][1] + 1:
            merged.append((low, high))
        elif high > merged[-1][1]:
            merged[-1] = (merged[-1][0], high)
    return tuple(merged)


def _without_surrogates(ranges: Iterable[Range]) -> Iterator[Range]:
    for low, high in ranges:
        if high <= 0xD7FF or low >= 0xE000:
            yield low, high
            continue
        if low <= 0xD7FF:
            yield low, 0xD7FF
        if high >= 0xE000:
            yield 0xE000, high


def _intersect(left: tuple[Range, ...], right: tuple[Range, ...]) -> tuple[Range, ...]:
    if len(right) < len(left):
        left, right = right, left
    common: list[Range] = []
    starts = [low for low, _ in right] if len(right) > 8 else None
    at = 0
    for low, high in left:
        if starts is not None:
            at = max(bisect_right(starts, low) - 1, 0)
        while at < len(right) and right[at][0] <= high:
            first, last = max(low, right[at][0]), min(high, right[at][1])
            if first <= last:
                common.append((first, last))
            if right[at][1] > high:
                break
            at += 1
    return tuple(common)


def _invert(ranges: tuple[Range, ...]) -> tuple[Range, ...]:
    gaps: list[Range] = []
    start = 0
    for low, high in ranges:
        if low > start:
            gaps.append((start, low - 1))
        start = high + 1
    if start <= MAX_CODE_POINT:
        gaps.append((start, MAX_CODE_POINT))
    return _normalise(gaps)


def _show(code_point: int) -> str:
    return chr(code_point) if 0x21 <= code_point < 0x7F else f"U+{code_point:04X}"


NO_CHARS: Final = _intern(())
ALL_CHARS: Final = _intern((_BELOW_SURROGATES, _ABOVE_SURROGATES))
