"""Internationalised host names: RFC 5890 to 5893, with the tables of the `idna` package.

A label of letters (U-label) is valid if its characters are, in their context and direction; that is regular. What is
not: the label's Punycode must fit into 63 characters. So each character beyond ASCII is counted as the seven that it
can take at most, and labels that only a shorter encoding would let in are left out. A label in Punycode (``xn--..``)
is a finite language whose words are tested one by one.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from functools import cache
from itertools import product
from string import ascii_lowercase, digits
from typing import Any, Final

from .charset import ALL_CHARS, NO_CHARS, CharSet
from .ecma import parse_pattern
from .terms import (
    ANY,
    EPSILON,
    Leaf,
    Term,
    chars,
    complement,
    concat,
    intersect,
    literal,
    repeat,
    union,
)  # fmt: skip

_ASCII: Final = CharSet.from_ranges([(0, 0x7F)])
_LDH: Final = CharSet.of(ascii_lowercase + ascii_lowercase.upper() + digits + "-")
_SEPARATORS: Final = CharSet.of(".\u3002\uff0e\uff61")
_RIGHT_TO_LEFT: Final = ("R", "AL", "AN")
_MOST: Final = 62  # four such labels stay within the 253 characters of a domain
_NEUTRAL: Final = ("EN", "ES", "CS", "ET", "ON", "BN", "NSM")


def idn_domain() -> Term:
    """Up to four labels, U-labels among them. If one runs from right to left, all keep the rule for directions."""
    left_to_right = intersect(_u_label(), repeat(chars(~_directions(*_RIGHT_TO_LEFT)), 0, None))
    ascii_label = parse_pattern(r"^[A-Za-z0-9](?:[A-Za-z0-9\-]{0,60}[A-Za-z0-9])?$")
    ascii_label = intersect(ascii_label, complement(parse_pattern("^..--")))
    one_way = union(intersect(left_to_right, _Encoded(_MOST, False)), ascii_label, a_label(right_to_left=False))
    both_ways = union(intersect(_u_label(), _Encoded(_MOST, False)), ascii_label)
    both_ways = union(intersect(both_ways, _bidi_rule()), a_label(right_to_left=True))
    return union(*[concat(label, repeat(concat(chars(_SEPARATORS), label), 0, 3)) for label in (one_way, both_ways)])


@cache
def _u_label() -> Term:
    """Valid letters and digits, each in its context (RFC 5892), in composed form; not ASCII alone."""
    allowed = _allowed()
    marks = CharSet.from_ranges((p, p) for p in allowed if unicodedata.category(chr(p))[0] == "M")
    shape = concat(chars(allowed - marks), repeat(chars(allowed), 0, None))
    hyphens = complement(parse_pattern("^-|-$|^..--"))
    beyond_ascii = concat(ANY, chars(~_ASCII), ANY)
    return intersect(shape, hyphens, beyond_ascii, _composed(), *_contexts())


@cache
def _allowed() -> CharSet:
    from idna import idnadata

    classes = [idnadata.codepoint_classes[kind] for kind in ("PVALID", "CONTEXTJ", "CONTEXTO")]
    valid = CharSet.from_ranges(r for ranges in classes for r in _ranges(ranges))
    return CharSet.of(point for point in valid if unicodedata.bidirectional(chr(point)))  # known to this Python too


def _ranges(encoded: Iterable[int]) -> list[tuple[int, int]]:
    """The ranges of the idna package: start and end in one integer, the end not included."""
    return [(both >> 32, (both & 0xFFFFFFFF) - 1) for both in encoded]


def _contexts() -> list[Term]:
    """RFC 5892, appendix A, as languages that a label must be in."""
    from idna import idnadata

    greek, hebrew, *kana = (
        chars(CharSet.from_ranges(_ranges(idnadata.scripts[script])))
        for script in ("Greek", "Hebrew", "Hiragana", "Katakana", "Han")
    )
    virama = chars(CharSet.of(p for p in _allowed() if unicodedata.combining(chr(p)) == 9))
    transparent = repeat(chars(_joining("T")), 0, None)
    before_joiner = concat(chars(_joining("L") | _joining("D")), transparent)
    after_joiner = concat(transparent, chars(_joining("R") | _joining("D")))
    return [
        _each("\xb7", literal("l"), literal("l")),
        _each("\u0375", EPSILON, greek),
        _each("\u05f3\u05f4", hebrew, EPSILON),
        union(concat(ANY, union(*kana), ANY), complement(concat(ANY, literal("\u30fb"), ANY))),
        complement(parse_pattern("[\u0660-\u0669].*[\u06f0-\u06f9]|[\u06f0-\u06f9].*[\u0660-\u0669]")),
        _each("\u200d", virama, EPSILON),
        _each("\u200c", union(virama, before_joiner), EPSILON, (virama, EPSILON), (before_joiner, after_joiner)),
    ]


def _joining(kind: str) -> CharSet:
    """The characters of a joining type, in either layout of the table: ranges by type, or a type for each character."""
    from idna import idnadata

    types: dict[Any, Any] = idnadata.joining_types
    if kind in types:
        return CharSet.from_ranges(_ranges(types[kind]))
    return CharSet.of([point for point, found in types.items() if found == ord(kind)])


def _each(characters: str, before: Term, after: Term, *pairs: tuple[Term, Term]) -> Term:
    """Each of ``characters`` stands between ``before`` and ``after``; given ``pairs``, between one of those."""
    wanted = pairs or ((before, after),)
    single = chars(CharSet.of(characters))
    bad = []
    if len(wanted) == 1:
        bad = [
            concat(complement(concat(ANY, before)), single, ANY),
            concat(ANY, single, complement(concat(after, ANY))),
        ]
    else:  # no pair holds: for every way to split the pairs, the left ones fail before it and the others after it
        for choice in product((True, False), repeat=len(wanted)):
            left = [complement(concat(ANY, b)) for fails, (b, _) in zip(choice, wanted, strict=True) if fails]
            right = [complement(concat(a, ANY)) for fails, (_, a) in zip(choice, wanted, strict=True) if not fails]
            bad.append(concat(intersect(*left), single, intersect(*right)))
    return complement(union(*bad))


@cache
def _composed() -> Term:
    """Normalization Form C: no mark that would be moved before another, or merged into the letter before it."""
    allowed = [chr(p) for p in _allowed()]
    by_class: dict[int, list[int]] = {}
    for character in allowed:
        by_class.setdefault(unicodedata.combining(character), []).append(ord(character))
    classes = {number: CharSet.of(points) for number, points in by_class.items()}
    below, disorder = NO_CHARS, []
    for number in sorted(classes):
        if number:
            disorder.append(concat(chars(classes[number]), chars(below)))
            below |= classes[number]
    return complement(concat(ANY, union(*disorder, *_compositions(classes)), ANY))


def _compositions(classes: dict[int, CharSet]) -> list[Term]:
    """A letter, marks of lower classes, and a mark or vowel that would merge with the letter."""
    firsts: dict[int, list[int]] = {}
    for composed in map(chr, ALL_CHARS):
        parts = unicodedata.decomposition(composed).split()
        if len(parts) == 2 and not parts[0].startswith("<"):
            first, second = (int(part, 16) for part in parts)
            if unicodedata.normalize("NFC", chr(first) + chr(second)) == composed:
                firsts.setdefault(second, []).append(first)
    found = []
    for second, letters in firsts.items():
        between = [c for number, c in classes.items() if 0 < number < unicodedata.combining(chr(second))]
        gap = repeat(union(*map(chars, between)), 0, None) if between else EPSILON
        found.append(concat(chars(CharSet.of(letters)), gap, chars(CharSet.of([second]))))
    leading = chars(CharSet.from_ranges([(0x1100, 0x1112)]))
    blocks = chars(CharSet.of(range(0xAC00, 0xD7A4, 28)))
    found.append(concat(leading, chars(CharSet.from_ranges([(0x1161, 0x1175)]))))
    found.append(concat(blocks, chars(CharSet.from_ranges([(0x11A8, 0x11C2)]))))
    return found


@cache
def _directions(*names: str) -> CharSet:
    return CharSet.of(p for p in _allowed() | _LDH if unicodedata.bidirectional(chr(p)) in names)


def _bidi_rule() -> Term:
    """RFC 5893, section 2."""
    marks = repeat(chars(_directions("NSM")), 0, None)
    right = concat(
        chars(_directions("R", "AL")),
        repeat(chars(_directions(*_RIGHT_TO_LEFT, *_NEUTRAL)), 0, None),
    )
    right = intersect(
        right,
        concat(ANY, chars(_directions("R", "AL", "EN", "AN")), marks),
        complement(intersect(concat(ANY, chars(_directions("EN")), ANY), concat(ANY, chars(_directions("AN")), ANY))),
    )
    left = intersect(
        concat(chars(_directions("L")), repeat(chars(_directions("L", *_NEUTRAL)), 0, None)),
        concat(ANY, chars(_directions("L", "EN")), marks),
    )
    return union(left, right)


class _Encoded(Leaf):
    """Labels that surely fit once encoded: the length that is left, and whether a character was beyond ASCII."""

    __slots__ = ("left", "beyond_ascii")
    _DIGITS = 7  # of Punycode, at most, for any step between code points that IDNA allows
    _PREFIX = len("xn--") + len("-")

    def setup(self, *key: Any) -> None:
        self.left, self.beyond_ascii = key
        self.nullable, self.max_len = True, self.left

    def moves(self) -> list[tuple[CharSet, Term]]:
        found: list[tuple[CharSet, Term]] = []
        cost = self._DIGITS + (0 if self.beyond_ascii else self._PREFIX)
        for characters, spent, beyond_ascii in ((_LDH, 1, self.beyond_ascii), (~_ASCII - _SEPARATORS, cost, True)):
            if spent <= self.left:
                found.append((characters, _Encoded(self.left - spent, beyond_ascii)))
        return found


def a_label(right_to_left: bool | None = None) -> Term:
    """``xn--`` and Punycode that decodes to a valid U-label; lower case only.

    ``right_to_left``: False for labels without such letters, True for those that keep the rule for directions, None
    for both.
    """
    return concat(literal("xn--"), _Punycode("", right_to_left))


class _Punycode(Leaf):
    """What may follow the start of a label's Punycode. A start is offered only if a word that completes it is known."""

    __slots__ = ("read", "right_to_left")
    ROOM = 63 - len("xn--")

    read: str
    right_to_left: bool | None

    def setup(self, *key: Any) -> None:
        self.read, self.right_to_left = key
        self.nullable = _is_punycode(self.read, self.right_to_left)
        word = None if self.nullable else _completion(self.read, self.right_to_left)
        self.inhabited, self.max_len = True, self.ROOM - len(self.read)
        self.min_len = len(word) - len(self.read) if word else 0  # of the words known, so that a search goes there
        if not self.read:  # at the start all lengths from three occur, as a test checks
            self.min_len, self.plain, self.contiguous = 3, True, True

    def moves(self) -> list[tuple[CharSet, Term]]:
        return [
            (CharSet.of(character), _Punycode(self.read + character, self.right_to_left))
            for character in ascii_lowercase + digits + "-"
            if _completion(self.read + character, self.right_to_left) is not None
        ]


def _is_punycode(text: str, right_to_left: bool | None) -> bool:
    import idna

    try:
        label = text.encode("ascii").decode("punycode")
        if not label or label.isascii() or label.encode("punycode").decode("ascii") != text:
            return False
        idna.check_label(label)
        if right_to_left:
            return bool(idna.check_bidi(label, check_ltr=True))
    except (UnicodeError, ValueError, OverflowError):
        return False
    return right_to_left is None or not any(unicodedata.bidirectional(c) in _RIGHT_TO_LEFT for c in label)


_completions: dict[tuple[str, bool | None], str | None] = {}


def _completion(start: str, right_to_left: bool | None) -> str | None:
    """A label's Punycode that begins with ``start``, if one is found; found ones answer for all their beginnings."""
    key = (start, right_to_left)
    if key not in _completions:
        word = next((w for w in _guesses(start) if len(w) <= _Punycode.ROOM and _is_punycode(w, right_to_left)), None)
        _completions[key] = word
        for end in range(len(start), len(word or "") + 1):
            _completions[(word or start)[:end], right_to_left] = word
    return _completions[key]


def _guesses(start: str) -> Iterable[str]:
    """Words that begin with ``start``: itself, with further digits, and as the letters of a label with one more."""
    alphabet = digits + ascii_lowercase
    yield start
    for more in alphabet:
        yield start + more
    for letter, at in product("\xfc\u4e2d\u05d0", (len(start), 0)):
        yield (start[:at] + letter + start[at:]).encode("punycode").decode("ascii")
    if len(start) > _Punycode.ROOM - 6:  # too little for another letter
        yield from (start + "".join(more) for more in product(alphabet, repeat=2))
