"""Lexemes as automata over bytes: literal text, the inside of a JSON string, a number.

Strings and numbers are terms over code points (:mod:`.terms`); here they become bytes. A string is written as
``json.dumps(ensure_ascii=False)`` writes it: raw UTF-8, and an escape only where JSON demands one, so that a value
has one spelling. States are interned process-wide: the inside of a free string is the same state in every schema.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import count
from threading import Lock
from typing import TYPE_CHECKING, Final

from .charset import CharSet
from .decide import FuelExhausted, is_empty, open_transitions
from .interned import Interned
from .terms import ANY, EPSILON, Not, Term, Words, complement, derivative, is_length, length

if TYPE_CHECKING:
    from .continuations import Continuation

QUOTE, BACKSLASH = 0x22, 0x5C
_PLAIN: Final = re.compile(rb"[ !#-\[\]-\x7f]+")  # characters of a free string that are written as they are
_SHORT_ESCAPES: Final = {0x22: 0x22, 0x5C: 0x5C, 0x08: 0x62, 0x0C: 0x66, 0x0A: 0x6E, 0x0D: 0x72, 0x09: 0x74}
_HEX: Final = b"0123456789abcdef"
_numbers = count(1)


class Lexeme:
    """A state inside a lexeme. ``nullable``: the lexeme may end here (a string's end is its quote, see ``quote``).

    ``number`` is its own and never used again.
    """

    __slots__ = ("__weakref__", "_moves", "nullable", "number", "quote")

    in_string = False  # where nothing but a quote ends it

    def __init__(self, nullable: bool = False, quote: bool = False) -> None:
        self.number = next(_numbers)
        self.nullable = nullable
        self.quote = quote  # inside a string, where the closing quote may come
        self._moves: dict[int, Lexeme] | None = None

    @property
    def moves(self) -> dict[int, Lexeme]:
        """The viable next bytes and the states after them; the closing quote of a string is not among them."""
        moves = self._moves
        if moves is None:
            moves = self._moves = self._build()
        return moves

    def _build(self) -> dict[int, Lexeme]:
        raise NotImplementedError

    def move(self, byte: int) -> Lexeme | None:
        """The state after ``byte`` if it may come. For one byte, this can be less work than all ``moves``."""
        return self.moves.get(byte)

    def run(self, text: bytes, at: int, end: int) -> Lexeme | None:
        """The state after the bytes ``text[at:end]``, which do not end it; None where they cannot come."""
        assert at == end, self
        return self

    def groups(self) -> list[tuple[bytes, Lexeme]]:
        """:attr:`moves` by the states that they lead to."""
        return [(bytes((byte,)), state) for byte, state in self.moves.items()]

    def closed(self, after: Continuation) -> Continuation:
        """What comes after the closing quote, given the continuation of the thread that stands here."""
        return after

    def targets(self) -> tuple[Term, ...]:
        """In a string: the terms of which one is still to come once the character being read is complete."""
        raise NotImplementedError


class Literal(Lexeme):
    """Fixed text; the lexeme ends after ``text``, which is never empty."""

    __slots__ = ("text",)

    def __init__(self, text: bytes) -> None:
        super().__init__()
        self.text = text

    def run(self, text: bytes, at: int, end: int) -> Lexeme | None:
        if at == end:
            return self
        return literal(self.text[end - at :]) if text.startswith(self.text[: end - at], at) else None


class Text(Lexeme):
    """Inside a string, between two characters; ``term`` is what may follow."""

    __slots__ = ("term",)
    in_string = True

    def __init__(self, term: Term) -> None:
        super().__init__(quote=term.nullable)
        self.term = term

    def targets(self) -> tuple[Term, ...]:
        return (self.term,)

    def _build(self) -> dict[int, Lexeme]:
        return {byte: state for some, state in self.groups() for byte in some}

    def move(self, byte: int) -> Lexeme | None:
        if byte < 0x20 or byte == QUOTE:
            return None
        if self._moves is None and byte <= 0x7F and byte != BACKSLASH:
            after = derivative(self.term, byte)
            try:
                return text(after) if after.inhabited or not is_empty(after) else None
            except FuelExhausted:  # what else may come decides whether this may
                pass
        return self.moves.get(byte)

    def run(self, text: bytes, at: int, end: int) -> Lexeme | None:
        state: Lexeme = self
        while at < end:
            if type(state) is Text and state.skips:
                plain = _PLAIN.match(text, at, end)
                if plain is not None:
                    skipped = state._skipped(plain.group())
                    if skipped is None:
                        return None
                    state, at = skipped, plain.end()
                    continue
            moved = state.move(text[at])
            if moved is None:
                return None
            state, at = moved, at + 1
        return state

    @property
    def skips(self) -> bool:
        """Whether several characters are read at once: only their number counts, or some words may not come."""
        term = self.term
        return is_length(term) or (type(term) is Not and type(term.inner) is Words)

    def _skipped(self, characters: bytes) -> Lexeme | None:
        """The state after ``characters``, which are ASCII; None where they cannot come."""
        term, number = self.term, len(characters)
        if term is ANY:
            return self
        if type(term) is Not and type(term.inner) is Words:
            return text(complement(term.inner.after(characters.decode())))
        assert is_length(term)
        if term.high is not None and term.high < number:
            return None
        return text(length(max(term.low - number, 0), None if term.high is None else term.high - number))

    def groups(self) -> list[tuple[bytes, Lexeme]]:
        found: list[tuple[bytes, Lexeme]] = []
        wide: list[tuple[int, int, int]] = []
        escaped: list[tuple[bytes, Term]] = []
        moves = open_transitions(self.term)
        for i, (characters, after) in enumerate(moves):
            raw, escapes, segments = _spellings(characters)
            if raw:
                found.append((raw, text(after)))
            if escapes:
                escaped.append((escapes, after))
            wide += [(low, high, i) for low, high in segments]
        if escaped:
            found.append((bytes((BACKSLASH,)), _Escape.of(tuple(escaped))))
        if wide:
            found += _instances(_lead_bytes(tuple(sorted(wide))), [after for _, after in moves])
        return found


@lru_cache(4_096)
def _spellings(characters: CharSet) -> tuple[bytes, bytes, tuple[tuple[int, int], ...]]:
    """The characters that are written as they are in one byte, those that are escaped, and the ranges of the others."""
    ascii_ = [p for low, high in characters.ranges if low < 0x80 for p in range(low, min(high, 0x7F) + 1)]
    escaped = bytes([p for p in ascii_ if p < 0x20 or p == QUOTE or p == BACKSLASH])
    wide = tuple([(max(low, 0x80), high) for low, high in characters.ranges if high >= 0x80])
    return bytes([p for p in ascii_ if p not in escaped]), escaped, wide


class _Escape(Lexeme):
    """After a backslash; the characters that the escape may stand for, with the terms after them."""

    __slots__ = ("characters",)

    def __init__(self, characters: tuple[tuple[bytes, Term], ...]) -> None:
        super().__init__()
        self.characters = characters

    def targets(self) -> tuple[Term, ...]:
        return tuple([after for _, after in self.characters])

    @staticmethod
    def of(characters: tuple[tuple[bytes, Term], ...]) -> Lexeme:
        key = ("escape", tuple([(points, after.id) for points, after in characters]))
        return _intern(key, lambda: _Escape(characters))

    def _build(self) -> dict[int, Lexeme]:
        moves: dict[int, Lexeme] = {}
        spelled_out: list[tuple[bytes, Term]] = []
        for points, after in self.characters:
            for point in points:
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

    __slots__ = ("spellings",)

    def __init__(self, spellings: tuple[tuple[bytes, Term], ...]) -> None:
        super().__init__()
        self.spellings = spellings

    def targets(self) -> tuple[Term, ...]:
        return tuple([after for _, after in self.spellings])

    @staticmethod
    def of(spellings: tuple[tuple[bytes, Term], ...]) -> Lexeme:
        key = ("hex", tuple((digits, after.id) for digits, after in spellings))
        return _intern(key, lambda: _Hex(spellings))

    def _build(self) -> dict[int, Lexeme]:
        moves: dict[int, Lexeme] = {}
        longer: dict[int, list[tuple[bytes, Term]]] = {}
        for digits, after in self.spellings:
            if len(digits) == 1:
                moves[digits[0]] = text(after)
            else:
                longer.setdefault(digits[0], []).append((digits[1:], after))
        moves.update({digit: _Hex.of(tuple(rest)) for digit, rest in longer.items()})
        return moves


Segments = tuple[tuple[int, int, int], ...]  # code points low..high, relative to the block, lead to term number i
Block = tuple[bytes, int, Segments]  # the bytes that lead there, how many are to come after them, what they may be


class _Continue(Lexeme):
    """Inside a UTF-8 sequence with ``left`` bytes to come; the segments of the block of 64**left code points."""

    __slots__ = ("left", "segments", "terms")

    def __init__(self, left: int, segments: Segments, terms: tuple[Term, ...]) -> None:
        super().__init__()
        self.left, self.segments, self.terms = left, segments, terms

    def targets(self) -> tuple[Term, ...]:
        return self.terms

    @staticmethod
    def of(left: int, segments: Segments, terms: Sequence[Term]) -> Lexeme:
        if left == 0:
            return text(terms[segments[0][2]])
        used = dict.fromkeys([i for _, _, i in segments])
        if len(used) < len(terms) or list(used) != list(range(len(used))):
            places = {i: place for place, i in enumerate(used)}
            segments, terms = tuple([(low, high, places[i]) for low, high, i in segments]), [terms[i] for i in used]
        key = ("utf-8", left, segments, *[after.id for after in terms])
        return _intern(key, lambda: _Continue(left, segments, tuple(terms)))

    def _build(self) -> dict[int, Lexeme]:
        return {byte: state for some, state in self.groups() for byte in some}

    def groups(self) -> list[tuple[bytes, Lexeme]]:
        return _instances(_continuation_bytes(self.left, self.segments), self.terms)


def _instances(blocks: tuple[Block, ...], terms: Sequence[Term]) -> list[tuple[bytes, Lexeme]]:
    return [(some, _Continue.of(left, segments, terms)) for some, left, segments in blocks]


def _cut(segments: Segments, size: int) -> dict[int, Segments]:
    """The non-empty blocks of ``size`` code points, with segments relative to each."""
    found: dict[int, list[tuple[int, int, int]]] = {}
    for low, high, i in segments:
        for block in range(low // size, high // size + 1):
            part = found.setdefault(block, [])
            begin, end = max(low - block * size, 0), min(high - block * size, size - 1)
            if part and part[-1][1] + 1 == begin and part[-1][2] == i:
                part[-1] = (part[-1][0], end, i)
            else:
                part.append((begin, end, i))
    return {block: tuple(part) for block, part in found.items()}


def _blocks(parts: dict[int, Segments], lead: int, left: int) -> list[Block]:
    """The blocks ``parts``, number i behind byte ``lead`` + i; equal ones together."""
    alike: dict[Segments, list[int]] = {}
    for block, part in parts.items():
        alike.setdefault(part, []).append(lead + block)
    return [(bytes(some), left, part) for part, some in alike.items()]


@lru_cache(1_024)
def _continuation_bytes(left: int, segments: Segments) -> tuple[Block, ...]:
    return tuple(_blocks(_cut(segments, 64 ** (left - 1)), 0x80, left - 1))


@lru_cache(1_024)
def _lead_bytes(wide: Segments) -> tuple[Block, ...]:
    """The lead bytes of the code points in ``wide`` (sorted, from 0x80 on, without surrogates)."""
    found: list[Block] = []
    for left, lead, least, most in ((1, 0xC0, 0x80, 0x7FF), (2, 0xE0, 0x800, 0xFFFF), (3, 0xF0, 0x10000, 0x10FFFF)):
        inside = tuple([(max(lo, least), min(hi, most), i) for lo, hi, i in wide if lo <= most and hi >= least])
        found += _blocks(_cut(inside, 64**left), lead, left)
    return tuple(found)


class Number(Lexeme):
    """Inside a number; ``term`` is what may follow. It ends where something follows that is no part of it."""

    __slots__ = ("term",)

    def __init__(self, term: Term) -> None:
        super().__init__(nullable=term.nullable)
        self.term = term

    def _build(self) -> dict[int, Lexeme]:
        return {
            point: number(after)
            for characters, after in open_transitions(self.term)
            for low, high in characters.ranges
            for point in range(low, min(high, 0x7F) + 1)
        }


_lock = Lock()
_table: Interned[tuple, Lexeme] = Interned()


def _intern(key: tuple, make) -> Lexeme:  # type: ignore[no-untyped-def]
    found = _table.get(key)
    return _table.enter(key, make()) if found is None else found


@lru_cache(4_096)
def literal(text: bytes) -> Literal:
    """The state before the fixed ``text``."""
    return _intern(("literal", text), lambda: Literal(text))  # type: ignore[return-value]


def text(term: Term) -> Text:
    """The state inside a string of which ``term`` is still to come."""
    found: Text | None = term.lexeme
    if found is None:
        with _lock:
            found = term.lexeme = term.lexeme or Text(term)
    return found


def number(term: Term) -> Lexeme:
    """The state inside a number of which ``term`` is still to come."""
    return _intern(("number", term.id), lambda: Number(term))


#: Nothing more may come: the state after a document.
END: Final = Number(EPSILON)
END._moves = {}

#: Inside a string of which nothing is asked.
FREE: Final = text(ANY)


def plain_text(characters: bytes) -> bool:
    """Whether a string has each of ``characters`` as it is, and all of them are ASCII."""
    return _PLAIN.fullmatch(characters) is not None
