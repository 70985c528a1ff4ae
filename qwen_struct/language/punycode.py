"""Labels in Punycode (RFC 3492), decoded as they are read.

The words are those that decode to what IDNA allows, at most 59 characters beside their ``xn--``. The last hyphen of a
word ends its ASCII letters; what follows are digits that place the others among them. Any start can be gone on from
while there is room for such a hyphen and three digits; nearer to the end, the digits read so far decide.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from functools import cache, lru_cache
from itertools import combinations, product
from string import ascii_lowercase, digits
from typing import Any, Final, NamedTuple

from .charset import NO_CHARS, CharSet
from .runs import FreeRun, RunLeaf
from .terms import EMPTY, Term, concat, literal

ROOM: Final = 63 - len("xn--")
RIGHT_TO_LEFT: Final = ("R", "AL", "AN")
_DIGITS: Final = ascii_lowercase + digits  # in order of their values
_ALPHABET: Final = CharSet.of(_DIGITS + "-")
_VALUES: Final = {digit: value for value, digit in enumerate(_DIGITS)}
_LETTERS: Final = "\xdf\u0101"  # allowed anywhere; many letters before it can make the second the shorter one
_LEAST: Final = 4  # a hyphen and three digits: none name a letter with fewer, the first of _LETTERS needs no more
_LEAST_AT_ODD: Final = 10  # the same where hyphens or a digit at the start ask for letters beside them


class Decoder(NamedTuple):
    """The digits read so far. ``label`` is what they and the ASCII letters before them stand for.

    Between two letters ``weight`` is 1 and ``threshold`` 36; ``delta`` is what the digits since then add up to.
    """

    label: str
    code_point: int = 0x80
    at: int = 0  # in the label, where the next letter could come first
    bias: int = 72
    delta: int = 0
    weight: int = 1
    threshold: int = 36

    def read(self, digit: str) -> Decoder | None:
        """The state after ``digit``, None where the digits name a character that IDNA does not allow."""
        value = _VALUES[digit]
        delta = self.delta + value * self.weight
        size = len(self.label) + 1
        code_point = self.code_point + (self.at + delta) // size
        if code_point > last_valid():
            return None
        limit = min(max(self.threshold - self.bias, 1), 26)
        if value >= limit:
            return self._replace(delta=delta, weight=self.weight * (36 - limit), threshold=self.threshold + 36)
        if code_point not in valid_characters():
            return None
        at = (self.at + delta) % size
        label = self.label[:at] + chr(code_point) + self.label[at:]
        return Decoder(label, code_point, at + 1, _adapt(delta, size, first=self.label.isascii()))

    @property
    def between(self) -> bool:
        """Whether no letter is begun."""
        return self.threshold == 36


def _adapt(delta: int, size: int, first: bool) -> int:
    delta = delta // 700 if first else delta // 2
    delta += delta // size
    bias = 0
    while delta > 455:
        delta //= 35
        bias += 36
    return bias + 36 * delta // (delta + 38)


@cache
def valid_characters() -> CharSet:
    """What may stand in a label beyond ASCII and, in lower case, in it; known to this Python too."""
    from idna import idnadata

    classes = [idnadata.codepoint_classes[kind] for kind in ("PVALID", "CONTEXTJ", "CONTEXTO")]
    bidirectional = unicodedata.bidirectional
    known: list[tuple[int, int]] = []
    for low, high in (r for ranges in classes for r in decoded_ranges(ranges)):
        if all(map(bidirectional, map(chr, range(low, high + 1)))):
            known.append((low, high))
        else:
            known += [(point, point) for point in range(low, high + 1) if bidirectional(chr(point))]
    return CharSet.from_ranges(known)


@cache
def last_valid() -> int:
    return valid_characters().ranges[-1][1]


def decoded_ranges(encoded: Any) -> list[tuple[int, int]]:
    """The ranges of the idna package: start and end in one integer, the end not included."""
    return [(both >> 32, (both & 0xFFFFFFFF) - 1) for both in encoded]


@lru_cache(16_384)
def _decoder(text: str) -> Decoder | None:
    """The state after ``text`` if its last hyphen is the one that ends the ASCII letters."""
    if not text:
        return Decoder("")
    before, last = text[:-1], text[-1]
    if last == "-":
        return Decoder(before) if before else None
    state = _decoder(before)
    return None if state is None else state.read(last)


@lru_cache(16_384)
def is_punycode(text: str, right_to_left: bool | None) -> bool:
    """Whether ``text`` is a word; see :class:`Punycode`."""
    state = _decoder(text)
    return state is not None and state.between and _is_valid(state.label, right_to_left)


def _is_valid(label: str, right_to_left: bool | None) -> bool:
    import idna

    if label.isascii():
        return False
    try:
        idna.check_label(label)
        if right_to_left:
            return bool(idna.check_bidi(label, check_ltr=True))
    except (UnicodeError, ValueError):
        return False
    return right_to_left is None or not any(unicodedata.bidirectional(c) in RIGHT_TO_LEFT for c in label)


def _is_plain(text: str, right_to_left: bool | None) -> bool:
    """Whether ``text`` with one more letter, before or after it, is a label."""
    if text[:1] == "-" or text[2:4] == "--":
        return False
    return not _wants_letter(text, right_to_left) or (text[-1] != "-" and text[1:3] != "--")


def _wants_letter(text: str, right_to_left: bool | None) -> bool:
    """Whether the rule for directions asks for a letter before ``text``."""
    return bool(right_to_left) and text[:1].isdigit()


@lru_cache(16_384)
def is_start(text: str, right_to_left: bool | None) -> bool:
    """Whether some word begins with ``text``."""
    if len(text) + _LEAST <= ROOM and (_is_plain(text, right_to_left) or _as_letters(text, right_to_left)):
        return True
    return _as_digits(_decoder(text), min(ROOM - len(text), _LEAST - 1), right_to_left)


@lru_cache(4_096)
def _as_letters(text: str, right_to_left: bool | None) -> int | None:
    """The length of a word with ``text`` as its ASCII letters. Hyphens may need others before or between them."""
    places = [place for place in (0, 1, 2, 3) if place < len(text)] + [len(text)]
    found = []
    for count in (1, 2, 3):
        for letter, chosen in product(_LETTERS, combinations(places, count)):
            label = text
            for place in reversed(chosen):
                label = label[:place] + letter + label[place:]
            if _hyphens_fit(label) and not _wants_letter(label, right_to_left):
                found.append(len(label.encode("punycode")))
        if found and min(found) <= ROOM:
            return min(found)
    return None


def _as_digits(state: Decoder | None, most: int, right_to_left: bool | None) -> bool:
    """Whether further digits, ``most`` at most, or none lead to a word. They are too few for two letters at first."""
    if state is None or most < 0:
        return False
    if state.label.isascii() and not _hyphens_fit(state.label):
        return any(_leads_to(state, delta, most) for delta in _mends(state.label, right_to_left))
    if state.between and _hyphens_fit(state.label) and _is_valid(state.label, right_to_left):
        return True
    return most > 0 and any(_as_digits(state.read(digit), most - 1, right_to_left) for digit in _DIGITS)


def _hyphens_fit(label: str) -> bool:
    return label[:1] != "-" and label[-1:] != "-" and label[2:4] != "--"


@lru_cache(256)
def _mends(label: str, right_to_left: bool | None) -> tuple[int, ...]:
    """What digits add up to that name a letter with which the ASCII letters of ``label`` are a whole one."""
    from .u_labels import State, follow, kinds_within  # which knows characters from this module

    size, found = len(label) + 1, []
    places = [place for place in (0, 1, 2, 3) if place < len(label)] + [len(label)]
    for place in places:
        letters: dict[State, tuple[int, ...]] = {}  # by the state after each
        for before, _ in follow({State(): ()}, label[:place]).items():
            for kind, points in kinds_within(0x80, 0x400):
                after = before.after(kind)
                if after is not None:
                    letters[after] = letters.get(after, ()) + points
        for whole, points in follow(letters, label[place:]).items():
            if whole.ends_a_label(right_to_left):
                found += [(point - 0x80) * size + place for point in points]
    return tuple(found)


def _leads_to(state: Decoder, delta: int, most: int) -> bool:
    """Whether ``most`` further digits or fewer add up to ``delta`` with those before."""
    left, weight, threshold, num_digits = delta - state.delta, state.weight, state.threshold, 0
    while left >= 0 and left % weight == 0:
        num_digits += 1
        limit = min(max(threshold - state.bias, 1), 26)
        value = left // weight
        if value < limit:
            return num_digits <= most
        left -= (limit + (value - limit) % (36 - limit)) * weight
        weight, threshold = weight * (36 - limit), threshold + 36
    return False


class Punycode(RunLeaf):
    """What may follow the start of a label's Punycode, in lower case.

    ``right_to_left``: False for labels without letters that run from right to left, True for those that keep the rule
    for directions, None for both.
    """

    __slots__ = ("read", "right_to_left")
    read: str
    right_to_left: bool | None

    def setup(self, *key: Any) -> None:
        self.read, self.right_to_left = key
        self.nullable = is_punycode(*key)
        self.inhabited, self.max_len = True, ROOM - len(self.read)
        self.min_len = 0 if self.nullable else 1
        least = self._least()
        if least is not None:  # from there on all lengths occur, as a test checks
            self.min_len, self.plain, self.contiguous = least, True, True

    def _least(self) -> int | None:
        """The characters that complete a word at least, where nothing read so far can be digits of one."""
        if not self.read:
            return 3
        if _decoder(self.read) is not None or len(self.read) + _LEAST > ROOM:
            return None
        if _is_plain(self.read, self.right_to_left):
            return _LEAST
        length = _as_letters(self.read, self.right_to_left)
        return None if length is None else length - len(self.read)

    def derive(self, code_point: int) -> Term:
        if code_point not in _ALPHABET:
            return EMPTY
        longer = self.read + chr(code_point)
        return Punycode(longer, self.right_to_left) if is_start(longer, self.right_to_left) else EMPTY

    def moves(self) -> Iterator[tuple[CharSet, Term]]:
        for character in _DIGITS + "-":
            yield CharSet.of(character), self.derive(ord(character))

    def free_run(self) -> FreeRun | None:
        wanted = _wants_letter(self.read, self.right_to_left)
        plain = len(self.read) > 3 and _is_plain(self.read, self.right_to_left) and not wanted
        rest, room = _LEAST if plain else _LEAST_AT_ODD, ROOM - len(self.read)
        return FreeRun(_ALPHABET, room - rest, rest, room, NO_CHARS) if room > rest else None


def a_label(right_to_left: bool | None = None) -> Term:
    """``xn--`` and Punycode that decodes to a valid U-label; see :class:`Punycode` for ``right_to_left``."""
    return concat(literal("xn--"), Punycode("", right_to_left))
