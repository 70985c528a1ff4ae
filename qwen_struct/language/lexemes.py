"""Lexemes as automata over bytes: literal text, the inside of a JSON string, a number.

Strings and numbers are terms over code points (:mod:`.terms`); here they become bytes. A string is written as
``json.dumps(ensure_ascii=False)`` writes it: raw UTF-8, and an escape only where JSON demands one, so that a value
has one spelling. States are interned process-wide: the inside of a free string is the same state in every schema.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from weakref import WeakValueDictionary

from .decide import live_transitions
from .terms import EPSILON, Term

if TYPE_CHECKING:
    from .documents import Continuation

QUOTE, BACKSLASH = 0x22, 0x5C
_SHORT_ESCAPES: Final = {0x22: 0x22, 0x5C: 0x5C, 0x08: 0x62, 0x0C: 0x66, 0x0A: 0x6E, 0x0D: 0x72, 0x09: 0x74}
_HEX: Final = b"0123456789abcdef"


class Lexeme:
    """A state inside a lexeme. ``nullable``: the lexeme may end here (a string's end is its quote, see ``quote``)."""

    __slots__ = ("__weakref__", "_moves", "info", "nullable", "quote")

    def __init__(self, nullable: bool = False, quote: bool = False) -> None:
        self.nullable = nullable
        self.quote = quote  # inside a string, where the closing quote may come
        self._moves: dict[int, Lexeme] | None = None
        self.info: object = None  # scratch space for the mask builder

    @property
    def moves(self) -> dict[int, Lexeme]:
        """The viable next bytes and the states after them; the closing quote of a string is not among them."""
        moves = self._moves
        if moves is None:
            moves = self._moves = self._build()
        return moves

    def _build(self) -> dict[int, Lexeme]:
        raise NotImplementedError

    def closed(self, after: Continuation) -> Continuation:
        """What comes after the closing quote, given the continuation of the thread that stands here."""
        return after


class Literal(Lexeme):
    """Fixed text; the lexeme ends after ``text``, which is never empty."""

    __slots__ = ("text",)

    def __init__(self, text: bytes) -> None:
        super().__init__()
        self.text = text


class Text(Lexeme):
    """Inside a string, between two characters; ``term`` is what may follow."""

    __slots__ = ("term",)

    def __init__(self, term: Term) -> None:
        super().__init__(quote=term.nullable)
        self.term = term

    def _build(self) -> dict[int, Lexeme]:
        moves: dict[int, Lexeme] = {}
        wide: list[tuple[int, int, Term]] = []
        escaped: list[tuple[int, Term]] = []
        for characters, after in live_transitions(self.term):
            state = text(after)
            for low, high in characters.ranges:
                for point in range(low, min(high, 0x7F) + 1):
                    if point < 0x20 or point == QUOTE or point == BACKSLASH:
                        escaped.append((point, after))
                    else:
                        moves[point] = state
                if high > 0x7F:
                    wide.append((max(low, 0x80), high, after))
        if escaped:
            moves[BACKSLASH] = _Escape.of(tuple(escaped))
        if wide:
            wide.sort(key=lambda segment: segment[0])
            moves.update(_lead_bytes(wide))
        return moves


class _Escape(Lexeme):
    """After a backslash; the characters that the escape may stand for, with the terms after them."""

    __slots__ = ("targets",)

    def __init__(self, targets: tuple[tuple[int, Term], ...]) -> None:
        super().__init__()
        self.targets = targets

    @staticmethod
    def of(targets: tuple[tuple[int, Term], ...]) -> Lexeme:
        key = ("escape", tuple((point, after.id) for point, after in targets))
        return _intern(key, lambda: _Escape(targets))

    def _build(self) -> dict[int, Lexeme]:
        moves: dict[int, Lexeme] = {}
        spelled_out: list[tuple[bytes, Term]] = []
        for point, after in self.targets:
            short = _SHORT_ESCAPES.get(point)
            if short is not None:
                moves[short] = text(after)
            else:
                spelled_out.append((b"00" + bytes((_HEX[point >> 4], _HEX[point & 15])), after))
        if spelled_out:
            moves[0x75] = _Hex.of(tuple(spelled_out))
        return moves


class _Hex(Lexeme):
    """Inside the four digits of a ``\\u00xx`` escape."""

    __slots__ = ("targets",)

    def __init__(self, targets: tuple[tuple[bytes, Term], ...]) -> None:
        super().__init__()
        self.targets = targets

    @staticmethod
    def of(targets: tuple[tuple[bytes, Term], ...]) -> Lexeme:
        key = ("hex", tuple((digits, after.id) for digits, after in targets))
        return _intern(key, lambda: _Hex(targets))

    def _build(self) -> dict[int, Lexeme]:
        moves: dict[int, Lexeme] = {}
        longer: dict[int, list[tuple[bytes, Term]]] = {}
        for digits, after in self.targets:
            if len(digits) == 1:
                moves[digits[0]] = text(after)
            else:
                longer.setdefault(digits[0], []).append((digits[1:], after))
        moves.update({digit: _Hex.of(tuple(rest)) for digit, rest in longer.items()})
        return moves


Segments = tuple[tuple[int, int, Term], ...]  # code points low..high, relative to the block, lead to a term


class _Continue(Lexeme):
    """Inside a UTF-8 sequence with ``left`` bytes to come; the segments of the block of 64**left code points."""

    __slots__ = ("left", "segments")

    def __init__(self, left: int, segments: Segments) -> None:
        super().__init__()
        self.left, self.segments = left, segments

    @staticmethod
    def of(left: int, segments: Segments) -> Lexeme:
        if left == 0:
            return text(segments[0][2])
        key = ("utf-8", left, tuple((low, high, after.id) for low, high, after in segments))
        return _intern(key, lambda: _Continue(left, segments))

    def _build(self) -> dict[int, Lexeme]:
        size = 64 ** (self.left - 1)
        return {0x80 + block: _Continue.of(self.left - 1, part) for block, part in _cut(self.segments, size, 0, 63)}


def _cut(segments: Segments, size: int, first: int, last: int) -> list[tuple[int, Segments]]:
    """The non-empty blocks of ``size`` code points among ``first``..``last``, with segments relative to each."""
    found: dict[int, list[tuple[int, int, Term]]] = {}
    for low, high, after in segments:
        for block in range(max(low // size, first), min(high // size, last) + 1):
            start = block * size
            part = found.setdefault(block, [])
            begin, end = max(low - start, 0), min(high - start, size - 1)
            if part and part[-1][1] + 1 == begin and part[-1][2] is after:
                part[-1] = (part[-1][0], end, after)
            else:
                part.append((begin, end, after))
    return [(block, tuple(part)) for block, part in found.items()]


def _lead_bytes(wide: list[tuple[int, int, Term]]) -> dict[int, Lexeme]:
    """The lead bytes of the code points in ``wide`` (sorted, without surrogates), and the states after them."""
    moves: dict[int, Lexeme] = {}
    for left, lead, least, most in ((1, 0xC0, 0x80, 0x7FF), (2, 0xE0, 0x800, 0xFFFF), (3, 0xF0, 0x10000, 0x10FFFF)):
        inside = tuple((max(lo, least), min(hi, most), after) for lo, hi, after in wide if lo <= most and hi >= least)
        for block, part in _cut(inside, 64**left, 0, 63):
            moves[lead + block] = _Continue.of(left, part)
    return moves


class Number(Lexeme):
    """Inside a number; ``term`` is what may follow. It ends where something follows that is no part of it."""

    __slots__ = ("term",)

    def __init__(self, term: Term) -> None:
        super().__init__(nullable=term.nullable)
        self.term = term

    def _build(self) -> dict[int, Lexeme]:
        return {
            point: number(after)
            for characters, after in live_transitions(self.term)
            for low, high in characters.ranges
            for point in range(low, min(high, 0x7F) + 1)
        }


_table: WeakValueDictionary[tuple, Lexeme] = WeakValueDictionary()


def _intern(key: tuple, make) -> Lexeme:  # type: ignore[no-untyped-def]
    found = _table.get(key)
    if found is None:
        found = _table.setdefault(key, make())
    return found


def literal(text: bytes) -> Literal:
    """The state before the fixed ``text``."""
    return _intern((Literal, text), lambda: Literal(text))  # type: ignore[return-value]


def text(term: Term) -> Lexeme:
    """The state inside a string of which ``term`` is still to come."""
    return _intern((Text, term.id), lambda: Text(term))


def number(term: Term) -> Lexeme:
    """The state inside a number of which ``term`` is still to come."""
    return _intern((Number, term.id), lambda: Number(term))


#: Nothing more may come: the state after a document.
END: Final = Number(EPSILON)
END._moves = {}
