"""Internationalised host names: RFC 5890 to 5893, with the tables of the `idna` package.

A label of letters (U-label) is valid if its characters are, in their context and direction; that is regular
(:mod:`.u_labels`). What is not: the label's Punycode must fit into 63 characters. So each character beyond ASCII is
counted as the seven that it can take at most, and labels that only a shorter encoding would let in are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from string import ascii_lowercase, digits
from typing import Any, Final

from .charset import ALL_CHARS, CharSet
from .punycode import Punycode
from .runs import FreeRun, RunLeaf, Weighed
from .terms import EMPTY, EPSILON, Term, chars, concat, literal, union
from .u_labels import MOST_OCTETS, Kind, State, kind_of, steps

_DOTS: Final = ".\u3002\uff0e\uff61"
_SEPARATORS: Final = CharSet.of(_DOTS)
_BREAKS: Final = b"|".join(re.escape(dot.encode()) for dot in _DOTS)
_LABELS: Final = 4
_MOST: Final = 62  # octets of a label: four stay within the 253 of a domain
_PREFIX: Final = len("xn--") + len("-")
_PLAIN: Final = CharSet.of(ascii_lowercase + digits)
_X: Final = ord("x")


def idn_domain() -> Term:
    """Up to four labels, U-labels among them. If one runs from right to left, all keep the rule for directions."""
    return _start(State(), _LABELS - 1)


def _start(state: State, more: int) -> Term:
    return _Domain(state, _MOST, more)


class _Domain(RunLeaf):
    """Inside a label, or before it: its state, the octets that are surely left to it, and how many labels may follow.

    Whether the domain runs one way and whether it keeps the rule for directions is in the state of the label. Where
    ``left`` is None any number of octets is left to this label; the next ones are limited as ever.
    """

    __slots__ = ("state", "left", "more")
    state: State
    left: int | None
    more: int

    def setup(self, *key: Any) -> None:
        self.state, self.left, self.more = key
        self.nullable = 0 in self.state.needs()
        self.inhabited, self.min_len = True, 0 if self.nullable else 1
        self.max_len = None if self.left is None else self.left + self.more * (1 + _MOST)
        has_room = self.left is not None and (self.left > 0 or not self.more)
        self.plain = self.contiguous = self.nullable and self.state.takes_ascii() and has_room

    def derive(self, code_point: int) -> Term:
        if code_point in _SEPARATORS:
            return self._next_label()
        kind = kind_of(code_point)
        after = self.state.after(kind) if kind is not None else None
        return EMPTY if kind is None or after is None else self._move(kind, after, code_point == _X)

    def moves(self) -> Iterator[tuple[CharSet, Term]]:
        yield _SEPARATORS, self._next_label()
        for characters, kind, after in steps(self.state):
            if not self.state.read and _X in characters:
                yield CharSet.of("x"), self._move(kind, after, True)
                characters -= CharSet.of("x")
            yield characters, self._move(kind, after, False)

    def _move(self, kind: Kind, after: State, is_x: bool) -> Term:
        left: int | None = None
        kept: State | None = after
        if self.left is not None:
            left = self.left - kind.cost - (_PREFIX if after.beyond_ascii and not self.state.beyond_ascii else 0)
            kept = after.within(left)
        moved = EMPTY if kept is None else _Domain(kept, left, self.more)
        if is_x and not self.state.read:
            return union(moved, concat(literal("n--"), self._encoded()))
        return moved

    def _next_label(self) -> Term:
        one_way, by_rule = [need == 0 for need in self.state.needs()]
        if not self.more or not (one_way or by_rule):
            return EMPTY
        return _start(State(one_way=one_way, direction="" if by_rule else None), self.more - 1)

    def _encoded(self) -> Term:
        """What follows ``xn--``: a label for either kind of domain."""
        kinds = []
        if self.state.one_way:
            kinds.append((False, State(direction=None)))
        if self.state.direction is not None:
            kinds.append((True, State(one_way=False)))
        return union(*[concat(Punycode("", right_to_left), self._tail(state)) for right_to_left, state in kinds])

    def _tail(self, state: State) -> Term:
        return union(EPSILON, concat(chars(_SEPARATORS), _start(state, self.more - 1))) if self.more else EPSILON

    def weighed(self) -> Weighed | None:
        if self.left is None:
            return None
        prefix = 0 if self.state.beyond_ascii else _PREFIX
        return Weighed(_Domain(self.state, None, self.more), self.left, MOST_OCTETS, prefix, _BREAKS)

    def to_come(self) -> int | None:
        return None if self.left is not None else min(need for need in self.state.needs() if need is not None)

    def free_run(self) -> FreeRun | None:
        if self.left is None or not self.state.takes_ascii():
            return None
        longest = self.left - 1 if self.more else self.left
        if longest < 1:
            return None
        assert self.max_len is not None
        return FreeRun(_PLAIN, longest, 0, self.max_len, ALL_CHARS - _PLAIN)
