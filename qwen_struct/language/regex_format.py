"""The ``regex`` format: ECMA-262 patterns of bounded depth, as a term.

Patterns nest, so they are not regular; groups nest at most :data:`DEPTH` deep here. What depends on numbers or names
elsewhere in the pattern is narrowed so that every word is a valid pattern: class ranges keep within digits, lower or
upper case; a quantifier ``{n,m}`` has n and m below 100; there is at most one named group, its name one letter where
``\\k`` refers to it; numbered back-references are left out.
"""

from __future__ import annotations

from string import ascii_letters, ascii_lowercase, ascii_uppercase, digits
from typing import Any, Final

from .charset import ALL_CHARS, CharSet
from .ecma import parse_pattern
from .terms import EMPTY, EPSILON, Leaf, Term, concat, intersect, literal, literals, repeat, union

DEPTH: Final = 4

_HEX: Final = "[0-9A-Fa-f]"
_PROPERTIES: Final = (
    "L Lu Ll Lt Lm Lo M Mn Mc Me N Nd Nl No P Pc Pd Ps Pe Pi Pf Po S Sm Sc Sk So Z Zs Zl Zp C Cc Cf Co".split()
)
_RANGES: Final = [f"{a}-{b}" for row in (digits, ascii_lowercase, ascii_uppercase) for a in row for b in row if a <= b]


def regex() -> Term:
    """Patterns that ``new RegExp(pattern, "u")`` takes."""
    escapes = union(
        parse_pattern(rf"^\\(?:[dDsSwWfnrtv^$\\.*+?()\[\]{{}}|/]|0|c[A-Za-z]|x{_HEX}{{2}}|u{_HEX}{{4}})$"), _braced()
    )
    groups = ("(", "(?:", "(?=", "(?!", "(?<=", "(?<!", "(?<")
    pattern = _patterns(escapes, union(escapes, literal(r"\-")), groups, parse_pattern(r"^\[\^?\]$"), DEPTH)
    return intersect(pattern, _References("", None, None))


def python_regex() -> Term:
    """Those of :func:`regex` that `re.compile` takes too, with the same meaning."""
    escapes = parse_pattern(rf"^\\(?:[dDsSwWfnrtv^$\\.*+?()\[\]{{}}|/]|x{_HEX}{{2}}|u{_HEX}{{4}})$")
    return _patterns(escapes, union(escapes, literal(r"\-")), ("(", "(?:", "(?=", "(?!"), EMPTY, DEPTH)


def _braced() -> Term:
    """``\\u{..}`` up to 10FFFF and ``\\p{..}`` with the general categories."""
    code_point = parse_pattern(rf"^\\u\{{0{{0,4}}(?:{_HEX}{{1,5}}|10{_HEX}{{4}})\}}$")
    return union(code_point, concat(literals([r"\p{", r"\P{"]), literals(_PROPERTIES), literal("}")))


def _patterns(escapes: Term, in_class: Term, groups: tuple[str, ...], empty_classes: Term, depth: int) -> Term:
    counts = literals(f"{{{low},{high}}}" for high in range(100) for low in range(high + 1))
    quantifier = concat(union(literals("*+?"), counts, parse_pattern(r"^\{\d{1,4},?\}$")), repeat(literal("?"), 0, 1))
    member = union(parse_pattern(r"^[^\\\]\-]$"), in_class, literals(_RANGES))
    not_caret = union(parse_pattern(r"^[^\\\]\-^]$"), in_class, literals(_RANGES))
    hyphen = repeat(literal("-"), 0, 1)
    members = union(
        concat(union(not_caret, concat(literal("-"), member)), repeat(member, 0, None), hyphen), literal("-")
    )
    character_class = union(concat(literals(["[", "[^"]), members, literal("]")), empty_classes)
    single = union(parse_pattern(r"^[^^$\\.*+?()\[\]{}|/]$"), literals("./"), escapes, character_class)
    plain = literals([head for head in groups if head in ("(", "(?:")])
    looking = literals([head for head in groups if head in ("(?=", "(?!", "(?<=", "(?<!")])
    assertion = literals(["^", "$", r"\b", r"\B"])
    name = parse_pattern(r"^\(\?<[A-Za-z][A-Za-z0-9_]*>$") if "(?<" in groups else EMPTY
    reference = parse_pattern(r"^\\k<[A-Za-z]>$") if "(?<" in groups else EMPTY
    inner: Term = EPSILON
    for level in range(depth + 1):
        atom, unrepeated = union(single, reference), assertion
        if level:
            atom = union(atom, concat(union(plain, name), inner, literal(")")))
            unrepeated = union(assertion, concat(looking, inner, literal(")")))
        alternative = repeat(union(concat(atom, repeat(quantifier, 0, 1)), unrepeated), 0, None)
        inner = concat(alternative, repeat(concat(literal("|"), alternative), 0, None))
    return inner


class _References(Leaf):
    """At most one named group, and ``\\k`` with its name only: what was read, the name, the name asked for."""

    __slots__ = ("read", "name", "asked")
    read: str  # of an escape, a class or the start of a group
    name: str | None  # "" once a longer name has been seen
    asked: str | None

    def setup(self, *key: Any) -> None:
        self.read, self.name, self.asked = key
        self.nullable = self.asked in (None, self.name)
        self.min_len = 0 if self.nullable else max(len("(?<x>") - len(self.read), 1)  # what leads to the name asked for

    def moves(self) -> list[tuple[CharSet, Term]]:
        read, letters, everything = self.read, CharSet.of(ascii_letters), ALL_CHARS
        if read == "[":
            turns = {"\\": "[\\", "]": ""}
            stay = [(everything - CharSet.of("\\]"), self)]
            return [*stay, *((CharSet.of(c), _References(to, self.name, self.asked)) for c, to in turns.items())]
        if read == "[\\":
            return [(everything, _References("[", self.name, self.asked))]
        if read == "\\":
            return self._turn(everything, "k", "\\k")
        if read == "\\k":
            return self._turn(CharSet.of("<"), "<", "\\k<")
        if read == "\\k<":
            return [(CharSet.of(letter), self._ask(letter)) for letter in ascii_letters]
        if read == "(?<":
            names: list[tuple[CharSet, Term]] = [
                (CharSet.of(letter), _References("(?<" + letter, self.name, self.asked)) for letter in ascii_letters
            ]
            return [*(names if self.name is None else []), *self._rest(everything - letters)]
        if len(read) == 4:
            named = _References("", read[3], self.asked) if self.asked in (None, read[3]) else EMPTY
            longer = _References("", "", None) if self.asked is None else EMPTY
            return [(CharSet.of(">"), named), (everything - CharSet.of(">"), longer)]
        following = {"(": "?", "(?": "<"}.get(read)
        found = self._rest(everything - CharSet.of(f"\\([{following or ''}"))
        if following:
            found.append((CharSet.of(following), _References(read + following, self.name, self.asked)))
        return [*found, *((CharSet.of(c), _References(c, self.name, self.asked)) for c in "\\([")]

    def _turn(self, characters: CharSet, special: str, read: str) -> list[tuple[CharSet, Term]]:
        rest = self._rest(characters - CharSet.of(special))
        return [*rest, (CharSet.of(special), _References(read, self.name, self.asked))]

    def _rest(self, characters: CharSet) -> list[tuple[CharSet, Term]]:
        return [(characters, _References("", self.name, self.asked))] if characters else []

    def _ask(self, letter: str) -> Term:
        fits = self.asked in (None, letter) and self.name in (None, letter)
        return _References("", self.name, letter) if fits else EMPTY
