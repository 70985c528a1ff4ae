"""Labels of letters (U-labels: RFC 5891 to 5893) as an automaton over classes of characters.

Characters that no rule tells apart form a class, and a state holds what the rules need to know of those read so far:
few states, each with few ways on. The classes come from the tables of the `idna` package and of Python.
"""

from __future__ import annotations

import unicodedata
from bisect import bisect_right
from collections import defaultdict
from functools import cache, lru_cache
from typing import Any, Final, NamedTuple

from .charset import CharSet
from .punycode import RIGHT_TO_LEFT, decoded_ranges, valid_characters

_COMPOSED_BELOW: Final = 0x20000  # above are no characters that two others compose
_UPPER: Final = CharSet.from_ranges([(0x41, 0x5A)])
_RULES: Final = {
    0x200C: "non-joiner",
    0x200D: "joiner",
    0xB7: "middle dot",
    0x375: "keraia",
    0x5F3: "geresh",
    0x5F4: "geresh",
    0x30FB: "katakana dot",
    0x6C: "l",
    0x2D: "hyphen",
}
_NEUTRAL: Final = ("EN", "ES", "CS", "ET", "ON", "BN", "NSM")
_UNIFORM: Final = ((0x3400, 0x9FFF), (0xAC00, 0xD7A3), (0x20000, 0x3FFFF))  # blocks whose valid characters are alike
MOST_OCTETS: Final = 7  # of Punycode, for any step between code points that IDNA allows


class Kind(NamedTuple):
    """What the rules ask of a character."""

    ascii: bool
    upper: bool  # not allowed beside letters beyond ASCII
    direction: str  # the Bidi class
    mark: bool  # may not be the first
    order: int  # the combining class
    second: int  # itself where it may compose with a character before it, else 0
    composing: frozenset[int]  # what it may compose with
    joining: str  # "T" transparent, "L" before a joiner, "R" after one, "D" both, or nothing
    script: str  # where a rule names it
    rule: str  # of its own

    @property
    def cost(self) -> int:
        """The octets that it takes in Punycode at most."""
        return 1 if self.ascii else MOST_OCTETS


@cache
def kinds() -> list[tuple[Kind, CharSet]]:
    """Every kind of character, with those that it has."""
    composing = _composing()
    seconds = frozenset[int]().union(*composing.values())
    joining, scripts, nothing = _joining(), _scripts(), frozenset[int]()

    def kind(point: int) -> Kind:
        character = chr(point)
        return Kind(
            ascii=point <= 0x7F,
            upper=0x41 <= point <= 0x5A,
            direction=unicodedata.bidirectional(character),
            mark=unicodedata.category(character)[0] == "M",
            order=unicodedata.combining(character),
            second=point if point in seconds else 0,
            composing=composing.get(point, nothing),
            joining=joining.get(point, ""),
            script=scripts.get(point, ""),
            rule=_RULES.get(point, ""),
        )

    ranges: dict[Kind, list[tuple[int, int]]] = defaultdict(list)
    for low, high in (valid_characters() | _UPPER).ranges:
        if any(first <= low and high <= last for first, last in _UNIFORM):
            ranges[kind(low)].append((low, high))
        else:
            for point in range(low, high + 1):
                ranges[kind(point)].append((point, point))
    return [(found, CharSet.from_ranges(points)) for found, points in ranges.items()]


def _composing() -> dict[int, frozenset[int]]:
    """The valid characters that would merge with the one before them (Normalization Form C), by that one.

    A letter with marks of its own may lose one to a mark that goes before it: U+1EB9 with U+0327 is U+0229 U+0323.
    """
    valid = valid_characters()
    found: dict[int, set[int]] = defaultdict(set)
    decomposition = unicodedata.decomposition
    for composed in map(chr, range(0xA0, _COMPOSED_BELOW)):
        parts = decomposition(composed)
        if " " in parts and parts[0] != "<":
            first, second = (int(part, 16) for part in parts.split())
            if (
                first in valid
                and second in valid
                and unicodedata.normalize("NFC", chr(first) + chr(second)) == composed
            ):
                found[first].add(second)
    seconds = set().union(*found.values())
    for composed in map(chr, range(0xA0, _COMPOSED_BELOW)):
        if " " in decomposition(composed) and ord(composed) in valid:
            pairs = {second: composed + chr(second) for second in seconds}
            found[ord(composed)] |= {s for s, pair in pairs.items() if unicodedata.normalize("NFC", pair) != pair}
    return {first: frozenset(merging) for first, merging in found.items() if merging}


def _joining() -> dict[int, str]:
    """Joining types of characters, in either layout of the table: ranges by type, or a type for each character."""
    from idna import idnadata

    types: dict[Any, Any] = idnadata.joining_types
    if "D" not in types:
        return {point: chr(found) for point, found in types.items() if chr(found) in "TLRD"}
    return {p: kind for kind in "TLRD" if kind in types for p in CharSet.from_ranges(decoded_ranges(types[kind]))}


def _scripts() -> dict[int, str]:
    from idna import idnadata

    names = {"Greek": "greek", "Hebrew": "hebrew", "Hiragana": "kana", "Katakana": "kana", "Han": "kana"}
    found = {}
    for script, name in names.items():
        for low, high in decoded_ranges(idnadata.scripts[script]):
            found.update(dict.fromkeys(range(low, high + 1), name))
    found.update(dict.fromkeys(range(0x660, 0x66A), "arabic digit"))
    found.update(dict.fromkeys(range(0x6F0, 0x6FA), "extended digit"))
    return found


class State(NamedTuple):
    """What is to be known of the characters of a label that have been read."""

    read: int = 0  # how many, up to four
    upper: bool = False  # upper case is among them: all must be ASCII
    beyond_ascii: bool = False
    hyphen: bool = False  # is the last
    composing: frozenset[int] = frozenset()  # may not come: would merge with a letter before
    order: int = 0  # the combining class of the last mark, which none of a lower class may follow
    last: str = ""  # the last character, where it may be asked for: "l", "hebrew", "virama"
    joined: bool = False  # a letter that joins, and transparent ones
    awaited: str = ""  # what must come: "l", "greek", "joining" (after transparent ones)
    katakana: str = ""  # "dot" where one has been read but none of the letters that allow it, then "kana"
    digits: str = ""  # which kind has been read, of two that do not mix
    one_way: bool = True  # none runs from right to left, and nobody has said that some do
    direction: str | None = ""  # of the first: "L" or "R"; None where the rule for directions is broken or not wanted
    number: str = ""  # from right to left: "EN" or "AN", which do not mix
    ends: bool = False  # the rule for directions lets the label end here

    def needs(self) -> tuple[int | None, int | None]:
        """The octets that an end takes from here: of a label that runs one way, and by the rule for directions.

        None where it is not such a label.
        """
        wanted = {"": 0, "l": 1}.get(self.awaited, MOST_OCTETS) + (MOST_OCTETS if self.katakana == "dot" else 0)
        one_way = wanted or int(self.hyphen or not self.read)
        by_rule = wanted or (0 if self.ends else MOST_OCTETS if self.number == "AN" else 1)
        return one_way if self.one_way else None, None if self.direction is None else by_rule

    def ends_a_label(self, right_to_left: bool | None) -> bool:
        """Whether the label may end here: running one way, by the rule for directions, or, for None, either way."""
        return 0 in self.needs() if right_to_left is None else self.needs()[right_to_left] == 0

    def within(self, octets: int) -> State | None:
        """The state where only so many octets are left: without what needs more."""
        one_way, by_rule = self.needs()
        kept = self
        if by_rule is not None and by_rule > octets:
            kept = kept._replace(direction=None, number="", ends=False)
        if one_way is not None and one_way > octets:
            kept = kept._replace(one_way=False)
        return kept if kept.one_way or kept.direction is not None else None

    def after(self, kind: Kind) -> State | None:
        """The state after a character of ``kind``; None where it may not come."""
        if (self.beyond_ascii and kind.upper) or (self.upper and not kind.ascii) or (kind.mark and not self.read):
            return None
        hyphen = kind.rule == "hyphen"
        if hyphen and (not self.read or (self.read == 3 and self.hyphen)):
            return None
        if kind.second in self.composing or 0 < kind.order < self.order:
            return None
        awaited = self._awaited(kind)
        digits = kind.script if kind.script.endswith("digit") else self.digits
        if awaited is None or (self.digits and self.digits != digits):
            return None
        upper = self.upper or kind.upper
        read = State(
            read=min(self.read + 1, 4),
            upper=upper,
            beyond_ascii=self.beyond_ascii or not kind.ascii,
            hyphen=hyphen,
            composing=frozenset() if upper else self._composing(kind),
            order=kind.order,
            last="l"
            if kind.rule == "l"
            else "virama"
            if kind.order == 9
            else kind.script
            if kind.script == "hebrew"
            else "",
            joined=kind.joining in ("L", "D") or (kind.joining == "T" and self.joined),
            awaited=awaited,
            katakana="kana"
            if kind.script == "kana"
            else self.katakana or ("dot" if kind.rule == "katakana dot" else ""),
            digits=digits,
            one_way=self.one_way and kind.direction not in RIGHT_TO_LEFT,
            direction=None,
        )
        read = self._directed(kind, read)
        return read if read.one_way or read.direction is not None else None

    def _awaited(self, kind: Kind) -> str | None:
        """What must come after a character of ``kind`` (RFC 5892, appendix A); None where it may not come."""
        awaited: str | None = self.awaited
        if awaited == "joining":
            if kind.joining != "T":
                awaited = "" if kind.joining in ("R", "D") else None
        elif awaited:
            awaited = "" if awaited in (kind.rule, kind.script) else None
        if awaited is None:
            return None
        match kind.rule:
            case "middle dot":
                return "l" if self.last == "l" else None
            case "keraia":
                return "greek"
            case "geresh":
                return awaited if self.last == "hebrew" else None
            case "joiner":
                return awaited if self.last == "virama" else None
            case "non-joiner" if self.last != "virama":
                return "joining" if self.joined else None
        return awaited

    def _composing(self, kind: Kind) -> frozenset[int]:
        """Marks of a higher class than the last may still merge with the letter before it."""
        if kind.order == 0:
            return kind.composing
        return frozenset(point for point in self.composing if unicodedata.combining(chr(point)) > kind.order)

    def _directed(self, kind: Kind, read: State) -> State:
        """``read`` by the rule for directions (RFC 5893, section 2)."""
        first = {"L": "L", "R": "R", "AL": "R"}.get(kind.direction) if self.direction == "" else self.direction
        allowed = ("L", *_NEUTRAL) if first == "L" else (*RIGHT_TO_LEFT, *_NEUTRAL)
        numbers = {self.number, kind.direction} if first == "R" else set()
        if first is None or kind.direction not in allowed or numbers >= {"EN", "AN"}:
            return read
        if first == "R" and (read.awaited in ("l", "greek") or read.katakana == "dot"):
            return read  # what these ask for runs from left to right
        ends = ("L", "EN") if first == "L" else ("R", "AL", "EN", "AN")
        return read._replace(
            direction=first,
            number=kind.direction if first == "R" and kind.direction in ("EN", "AN") else self.number,
            ends=kind.direction in ends or (kind.direction == "NSM" and self.ends),
        )

    def takes_ascii(self) -> bool:
        """Whether any lower-case letters and digits may follow, as far as there is room, and end the label."""
        return not self.awaited and self.katakana != "dot" and (self.one_way or self.direction == "L")


@lru_cache(4_096)
def steps(state: State) -> tuple[tuple[CharSet, Kind, State], ...]:
    """The characters that may come, with one of their kinds and the state after them; equal in ``ascii`` at least."""
    found: dict[tuple[State, bool], tuple[list[CharSet], Kind]] = {}
    for kind, characters in kinds():
        after = state.after(kind)
        if after is not None:
            found.setdefault((after, kind.ascii), ([], kind))[0].append(characters)
    return tuple([(_joined(tuple(sets)), kind, after) for (after, _), (sets, kind) in found.items()])


@lru_cache(4_096)
def _joined(sets: tuple[CharSet, ...]) -> CharSet:
    return sets[0] if len(sets) == 1 else CharSet.from_ranges(r for some in sets for r in some.ranges)


def kind_of(code_point: int) -> Kind | None:
    """The kind of a character, None where it is in no label."""
    starts, ends, found = _table()
    at = bisect_right(starts, code_point) - 1
    return found[at] if at >= 0 and code_point <= ends[at] else None


def follow(states: dict[State, tuple[int, ...]], text: str) -> dict[State, tuple[int, ...]]:
    """The states after ``text``, with what belonged to those before."""
    for character in text:
        kind, following = kind_of(ord(character)), dict[State, tuple[int, ...]]()
        for state, some in states.items():
            after = None if kind is None else state.after(kind)
            if after is not None:
                following[after] = following.get(after, ()) + some
        states = following
    return states


@cache
def kinds_within(low: int, high: int) -> tuple[tuple[Kind, tuple[int, ...]], ...]:
    """The kinds of the characters from ``low`` to ``high``, each with its own among them."""
    window = CharSet.from_ranges([(low, high)])
    found = [(kind, tuple(characters & window)) for kind, characters in kinds()]
    return tuple([(kind, points) for kind, points in found if points])


@cache
def _table() -> tuple[list[int], list[int], list[Kind]]:
    """The ranges of characters in order: first, last and kind."""
    ranges = sorted((low, high, number) for number, (_, some) in enumerate(kinds()) for low, high in some.ranges)
    of = [kind for kind, _ in kinds()]
    return [low for low, _, _ in ranges], [high for _, high, _ in ranges], [of[number] for _, _, number in ranges]
