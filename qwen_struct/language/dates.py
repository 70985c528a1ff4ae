"""Dates, times and durations: RFC 3339 with the Gregorian calendar, as terms.

A leap second is the last second of a UTC day, whatever the offset: ``15:59:60-08:00`` is one, ``15:58:60-08:00`` is
none.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from .charset import CharSet
from .ecma import parse_pattern
from .terms import Leaf, Term, concat, literal, literals, repeat, union

_YEAR_DAYS: Final = (
    r"(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\d|30)|02-(?:0[1-9]|1\d|2[0-8]))"
)
_YEAR: Final = r"(?:[1-9]\d{3}|0[1-9]\d{2}|00[1-9]\d|000[1-9])"  # from year 1
_LEAP_YEAR: Final = r"(?:\d\d(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00)"
_CLOCK: Final = r"(?:[01]\d|2[0-3]):[0-5]\d"
_OFFSET: Final = r"(?:[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)"
_DIGIT: Final = parse_pattern(r"^\d$")


def date(first_year: int = 0) -> Term:
    """RFC 3339 full-date: 29 February in leap years only. ``first_year`` is 0, a leap year, or 1."""
    dates = rf"{_YEAR}-{_YEAR_DAYS}|{_LEAP_YEAR}-02-29"
    return parse_pattern(f"^(?:{dates})$" if first_year else f"^(?:{dates}|0000-(?:{_YEAR_DAYS}|02-29))$")


def time(leap_seconds: bool = True) -> Term:
    """RFC 3339 full-time."""
    ordinary = parse_pattern(rf"^{_CLOCK}:[0-5]\d(?:\.\d+)?{_OFFSET}$")
    return union(ordinary, _LeapSecond("")) if leap_seconds else ordinary


def date_time() -> Term:
    """RFC 3339 date-time."""
    return concat(date(), literals("Tt"), time())


def duration(most_digits: Mapping[str, int | str] = MappingProxyType({})) -> Term:
    """The durations of RFC 3339, appendix A: no unit between two others may be left out, and weeks stand alone.

    ``most_digits`` limits the digits before a unit: Y M W D for the date, h m s for the clock.
    """
    year, month, week, day, hour, minute, second = (
        rf"\d{{1,{most_digits.get(unit, '')}}}{unit.upper()}" for unit in "YMWDhms"
    )
    clock = f"T(?:{hour}(?:{minute}(?:{second})?)?|{minute}(?:{second})?|{second})"
    days = f"(?:{year}(?:{month}(?:{day})?)?|{month}(?:{day})?|{day})"
    return parse_pattern(f"^P(?:{days}(?:{clock})?|{clock}|{week})$")


class _LeapSecond(Leaf):
    """``HH:MM:60`` and an offset that puts it at 23:59 UTC; the key is what has been read of ``HH:MM``."""

    __slots__ = ("read",)
    read: str

    def setup(self, *key: object) -> None:
        (read,) = key
        self.read = str(read)
        self.min_len, self.plain = (
            len("23:59:60Z" if "23:59".startswith(self.read) else "00:00:60+00:01") - len(self.read),
            True,
        )

    def moves(self) -> list[tuple[CharSet, Term]]:
        allowed = ("012", "0123" if self.read == "2" else "0123456789", ":", "012345", "0123456789")[len(self.read)]
        return [(CharSet.of(character), _leap_second(self.read + character)) for character in allowed]


def _leap_second(read: str) -> Term:
    if len(read) < len("HH:MM"):
        return _LeapSecond(read)
    return _LeapOffset((int(read[:2]) * 60 + int(read[3:]) - (23 * 60 + 59)) % 1440)


class _LeapOffset(Leaf):
    """``:60`` and the offset of a clock that is ``ahead`` of UTC by so many minutes, or behind by 1440 less these."""

    __slots__ = ("ahead",)
    ahead: int

    def setup(self, *key: object) -> None:
        (ahead,) = key
        assert isinstance(ahead, int)
        self.ahead = ahead
        self.min_len, self.plain = len(":60+00:01" if ahead else ":60Z"), True

    def moves(self) -> list[tuple[CharSet, Term]]:
        ways = (("+", self.ahead), ("-", -self.ahead % 1440))
        offsets = [f"{sign}{minutes // 60:02}:{minutes % 60:02}" for sign, minutes in ways]
        if self.ahead == 0:
            offsets += ["Z", "z"]
        fraction = repeat(concat(literal("."), repeat(_DIGIT, 1, None)), 0, 1)
        return [(CharSet.of(":"), concat(literal("60"), fraction, literals(offsets)))]
