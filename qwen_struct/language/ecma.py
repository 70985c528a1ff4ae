"""Patterns in ECMA-262 syntax, as JSON Schema writes them, to terms.

Unicode mode (a character is a code point, ``\\p{..}`` is a property), but without the complaints that the u flag
alone makes: ``\\-``, ``\\_``, a lone ``]`` or ``}`` and a ``{`` that opens no quantifier stand for themselves. A
pattern searches: it matches anywhere unless ``^`` and ``$`` bind it. Back-references are not regular and are refused.

The parser turns everything without assertions into terms at once; what holds ``^ $ \\b \\B`` or lookaround stays a
small tree, which :mod:`.lookaround` turns into a term.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from .charset import ALL_CHARS, MAX_CODE_POINT, NO_CHARS, CharSet
from .lookaround import Assertion, Branches, Kind, Look, Loop, Node, Sequence, UnsupportedAssertion, search_language
from .terms import EPSILON, Chars, Term, chars, concat, literals, repeat, union

MAX_PATTERN_LENGTH: Final = 100_000
MAX_DEPTH: Final = 100
MAX_ASSERTIONS: Final = 200

DIGITS: Final = CharSet.from_ranges([(0x30, 0x39)])
WORD: Final = CharSet.from_ranges([(0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A)])
LINE_ENDS: Final = CharSet.of("\n\r\u2028\u2029")
SPACES: Final = CharSet.of("\t\n\v\f\r \xa0\u1680\u2028\u2029\u202f\u205f\u3000\ufeff") | CharSet.from_ranges(
    [(0x2000, 0x200A)]
)
_CLASSES: Final = {"d": DIGITS, "w": WORD, "s": SPACES, "D": ~DIGITS, "W": ~WORD, "S": ~SPACES}
_CONTROLS: Final = {"t": "\t", "n": "\n", "v": "\v", "f": "\f", "r": "\r"}


class PatternError(ValueError):
    """A pattern that ECMA-262 does not allow. ``position`` counts code points from the start of ``pattern``."""

    def __init__(self, message: str, pattern: str, position: int) -> None:
        self.message, self.pattern, self.position = message, pattern, position
        start = max(0, position - 30)
        super().__init__(f"{message} at position {position}: {pattern[start : position + 30]!r}")


class UnsupportedPatternError(PatternError):
    """A legal pattern that cannot be enforced exactly, such as a back-reference."""


@dataclass(frozen=True, slots=True)
class _Flags:
    ignore_case: bool = False
    multiline: bool = False
    dot_all: bool = False


def parse_pattern(pattern: str) -> Term:
    """The strings in which ``pattern`` matches somewhere.

    Raises: PatternError, with the position; UnsupportedPatternError for what is legal but cannot be enforced exactly.
    """
    tree = _Parser(pattern).parse()
    try:
        return search_language(tree)
    except UnsupportedAssertion as error:
        raise UnsupportedPatternError(str(error), pattern, error.position) from None


class _Parser:
    """Recursive descent over ``pattern``; each method leaves ``at`` behind what it read."""

    def __init__(self, pattern: str) -> None:
        self.pattern, self.at, self.depth, self.assertions = pattern, 0, 0, 0
        self.flags = _Flags()
        self._groups: int | None = None
        if len(pattern) > MAX_PATTERN_LENGTH:
            raise self.error(f"the pattern is longer than {MAX_PATTERN_LENGTH} characters", MAX_PATTERN_LENGTH)

    def parse(self) -> Node:
        tree = self.alternatives()
        if self.at < len(self.pattern):
            raise self.error("unmatched ')'")
        return tree

    def error(self, message: str, at: int | None = None) -> PatternError:
        return PatternError(message, self.pattern, self.at if at is None else at)

    def unsupported(self, message: str, at: int) -> UnsupportedPatternError:
        return UnsupportedPatternError(message, self.pattern, at)

    def peek(self, text: str) -> bool:
        return self.pattern.startswith(text, self.at)

    def take(self, text: str) -> bool:
        if self.pattern.startswith(text, self.at):
            self.at += len(text)
            return True
        return False

    # alternatives, sequences, quantifiers

    def alternatives(self) -> Node:
        plain: list[Term] = []
        words: list[str] = []
        others: list[Node] = []
        while True:
            branch = self.sequence()
            if isinstance(branch, str):
                words.append(branch)
            elif isinstance(branch, Term):
                plain.append(branch)
            else:
                others.append(branch)
            if not self.take("|"):
                break
        options = [union(*plain, literals(words)), *others] if words or plain else others
        return options[0] if len(options) == 1 else Branches(tuple(options))

    def sequence(self) -> Node | str:
        """A sequence; its text if it is plain characters only."""
        parts: list[Node] = []
        text: list[str] | None = []
        pattern, end = self.pattern, len(self.pattern)
        while self.at < end and pattern[self.at] not in "|)":
            part = self.term()
            parts.append(part)
            if text is not None:
                single = part.characters.ranges if type(part) is Chars else ()
                if len(single) == 1 and single[0][0] == single[0][1]:
                    text.append(chr(single[0][0]))
                else:
                    text = None
        return _in_sequence(parts) if text is None else "".join(text)

    def term(self) -> Node:
        start = self.at
        atom = self.atom()
        if self.at >= len(self.pattern) or self.pattern[self.at] not in "*+?{":
            return atom
        counts = self.quantifier()
        if counts is None:
            return atom
        if self.pattern.startswith(("^", "$", "\\b", "\\B", "(?<=", "(?<!"), start):
            raise self.error("nothing to repeat before the quantifier", start)
        return _repeated(atom, *counts)

    def quantifier(self) -> tuple[int, int | None] | None:
        counts: tuple[int, int | None] | None
        if self.take("*"):
            counts = 0, None
        elif self.take("+"):
            counts = 1, None
        elif self.take("?"):
            counts = 0, 1
        else:
            counts = self.counts()
            if counts is None:
                return None
        self.take("?")  # lazy: the same language
        return counts

    def counts(self) -> tuple[int, int | None] | None:
        """``{n}``, ``{n,}`` or ``{n,m}``; None if the brace opens none of them."""
        start = self.at
        self.at += 1
        low = self.digits()
        if low is not None:
            high: int | None = low
            if self.take(","):
                high = self.digits()
            if self.take("}"):
                if high is not None and high < low:
                    raise self.error("numbers out of order in the quantifier", start)
                return low, high
        self.at = start
        return None

    def digits(self) -> int | None:
        start = self.at
        while self.at < len(self.pattern) and self.pattern[self.at] in "0123456789":
            self.at += 1
        return min(int(self.pattern[start : self.at][:18]), 10**15) if self.at > start else None

    # atoms

    def atom(self) -> Node:
        character = self.pattern[self.at]
        if character == "(":
            return self.group()
        if character == "[":
            return chars(self.character_class())
        if character == "\\":
            return self.escape()
        start = self.at
        if character in "*+?" or (character == "{" and self.counts() is not None):
            raise self.error("nothing to repeat before the quantifier", start)
        self.at += 1
        if character == ".":
            return chars(ALL_CHARS if self.flags.dot_all else ~LINE_ENDS)
        if character == "^":
            return self.boundary(Kind.START, LINE_ENDS)
        if character == "$":
            return self.boundary(Kind.END, LINE_ENDS)
        return chars(self.folded(CharSet.of(character)))

    def boundary(self, kind: Kind, line_ends: CharSet) -> Node:
        node = self.asserting(Assertion(kind), self.at - 1)
        if not self.flags.multiline:
            return node
        return Branches((node, Look(chars(line_ends), kind is Kind.END, False, self.at - 1)))

    def asserting(self, node: Node, position: int) -> Node:
        self.assertions += 1
        if self.assertions > MAX_ASSERTIONS:
            raise self.unsupported(f"more than {MAX_ASSERTIONS} assertions", position)
        return node

    def folded(self, characters: CharSet) -> CharSet:
        if not self.flags.ignore_case:
            return characters
        from .unicode_sets import case_closure

        return case_closure(characters)

    def group(self) -> Node:
        start = self.at
        self.at += 1
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self.error(f"groups are nested deeper than {MAX_DEPTH}", start)
        outer = self.flags
        look = self.group_head(start)
        inner = self.alternatives()
        if not self.take(")"):
            raise self.error("the group is not closed", start)
        self.flags = outer
        self.depth -= 1
        if look is None:
            return inner
        ahead, negative = look
        return self.asserting(Look(inner, ahead, negative, start), start)

    def group_head(self, start: int) -> tuple[bool, bool] | None:
        """Read what follows ``(``: (looks ahead, is negative) for lookaround, else None."""
        if not self.take("?"):
            return None
        for text, look in (("=", (True, False)), ("!", (True, True)), ("<=", (False, False)), ("<!", (False, True))):
            if self.take(text):
                return look
        if self.take("<"):
            self.name(start)
        elif not self.take(":"):
            self.modifiers(start)
        return None

    def name(self, start: int) -> None:
        end = self.pattern.find(">", self.at)
        name = self.pattern[self.at : end]
        if end < 0 or not name.replace("$", "_").replace("\u200c", "_").replace("\u200d", "_").isidentifier():
            raise self.error("invalid group name", start)
        self.at = end + 1

    def modifiers(self, start: int) -> None:
        """``(?ims-ims:`` of ECMAScript 2025."""
        end = self.pattern.find(":", self.at)
        on, minus, off = self.pattern[self.at : end].partition("-") if end > 0 else ("?", "", "")
        letters = on + off
        if not letters or set(letters) - set("ims") or len(set(letters)) < len(letters):
            raise self.error("invalid group: expected one of (?: (?= (?! (?<= (?<! (?<name> (?i:", start)
        now = {letter: letter in on or (old and letter not in off) for letter, old in self.flag_letters()}
        self.flags = _Flags(now["i"], now["m"], now["s"])
        self.at = end + 1

    def flag_letters(self) -> tuple[tuple[str, bool], ...]:
        return ("i", self.flags.ignore_case), ("m", self.flags.multiline), ("s", self.flags.dot_all)

    # escapes

    def escape(self) -> Node:
        start = self.at
        letter = self.pattern[start + 1 : start + 2]
        if letter in ("b", "B"):
            self.at += 2
            return self.asserting(Assertion(Kind.WORD_EDGE if letter == "b" else Kind.NO_WORD_EDGE), start)
        if letter and letter in "123456789":
            self.at += 1
            number = self.digits() or 0
            if number <= self.groups():
                raise self.unsupported(f"back-reference \\{number}: not a regular language", start)
            raise self.error(f"\\{number} refers to no group", start)
        if letter == "k":
            raise self.unsupported("named back-reference: not a regular language", start)
        return chars(self.class_escape())

    def groups(self) -> int:
        if self._groups is None:
            self._groups = _count_groups(self.pattern)
        return self._groups

    def class_escape(self) -> CharSet:
        """An escape that stands for a set or a character, in a class or outside."""
        start = self.at
        letter = self.pattern[start + 1 : start + 2]
        if letter in _CLASSES and letter:
            self.at += 2
            return self.folded(_CLASSES[letter]) if letter == "w" else _CLASSES[letter]
        if letter in ("p", "P"):
            return self.property(start, letter == "P")
        return self.folded(CharSet.of([self.character_escape()]))

    def property(self, start: int, negative: bool) -> CharSet:
        from .unicode_sets import UnknownProperty, property_set

        end = self.pattern.find("}", self.at)
        if self.pattern[start + 2 : start + 3] != "{" or end < 0:
            raise self.error("invalid property escape: write \\p{..}", start)
        name = self.pattern[start + 3 : end]
        try:
            found = property_set(name)
        except UnknownProperty as error:
            raise self.unsupported(str(error), start) from None
        self.at = end + 1
        return ~self.folded(found) if negative else self.folded(found)

    def character_escape(self) -> int:
        start = self.at
        self.at += 2
        letter = self.pattern[start + 1 : start + 2]
        if not letter:
            raise self.error("\\ at the end of the pattern", start)
        if letter in _CONTROLS:
            return ord(_CONTROLS[letter])
        if letter == "0":
            return self.octal(start)
        if letter == "c":
            control = self.pattern[self.at : self.at + 1]
            if not (control.isascii() and control.isalpha()):
                raise self.error("\\c needs a letter", start)
            self.at += 1
            return ord(control) % 32
        if letter == "x":
            return self.hexadecimal(2, start)
        if letter == "u":
            return self.unicode_escape(start)
        if letter.isascii() and letter.isalnum():
            raise self.error(f"\\{letter} is no escape of ECMA-262", start)
        return ord(letter)

    def octal(self, start: int) -> int:
        if self.at < len(self.pattern) and self.pattern[self.at] in "0123456789":
            raise self.error("octal escapes are ambiguous: write \\xHH", start)
        return 0

    def hexadecimal(self, width: int, start: int) -> int:
        text = self.pattern[self.at : self.at + width]
        if len(text) < width or not _is_hexadecimal(text):
            raise self.error(f"expected {width} hexadecimal digits", start)
        self.at += width
        return int(text, 16)

    def unicode_escape(self, start: int) -> int:
        if self.take("{"):
            end = self.pattern.find("}", self.at)
            text = self.pattern[self.at : end]
            if end < 0 or not _is_hexadecimal(text):
                raise self.error("invalid \\u{..} escape", start)
            self.at = end + 1
            point = int(text, 16)
            if point > MAX_CODE_POINT:
                raise self.error("the code point is beyond U+10FFFF", start)
            return point
        point = self.hexadecimal(4, start)
        if 0xD800 <= point <= 0xDBFF and self.peek("\\u"):
            low = self.pattern[self.at + 2 : self.at + 6]
            if len(low) == 4 and _is_hexadecimal(low) and 0xDC00 <= int(low, 16) <= 0xDFFF:
                self.at += 6
                return 0x10000 + ((point - 0xD800) << 10) + int(low, 16) - 0xDC00
        return point

    # classes

    def character_class(self) -> CharSet:
        start = self.at
        self.at += 1
        negative = self.take("^")
        found = NO_CHARS
        ranges: list[tuple[int, int]] = []
        while not self.take("]"):
            if self.at >= len(self.pattern):
                raise self.error("the character class is not closed", start)
            at = self.at
            first = self.class_atom()
            if self.peek("-") and self.at + 1 < len(self.pattern) and self.pattern[self.at + 1] != "]":
                self.at += 1
                last = self.class_atom()
                if isinstance(first, int) and isinstance(last, int):
                    if last < first:
                        raise self.error("range out of order in the character class", at)
                    ranges.append((first, last))
                    continue
                ranges.append((0x2D, 0x2D))  # a set beside the hyphen: the hyphen stands for itself
                for item in (first, last):
                    found |= CharSet.of([item]) if isinstance(item, int) else item
            elif isinstance(first, int):
                ranges.append((first, first))
            else:
                found |= first
        found |= self.folded(CharSet.from_ranges(ranges))
        return ~found if negative else found

    def class_atom(self) -> int | CharSet:
        character = self.pattern[self.at : self.at + 1]
        if character != "\\":
            if not character:
                raise self.error("the character class is not closed")
            self.at += 1
            return ord(character)
        letter = self.pattern[self.at + 1 : self.at + 2]
        if letter == "b":
            self.at += 2
            return 8
        if letter == "-":
            self.at += 2
            return 0x2D
        if letter and letter in "dwsDWSpP":
            return self.class_escape()
        if letter and letter in "123456789":
            raise self.error("octal escapes are ambiguous: write \\xHH")
        return self.character_escape()


def _is_hexadecimal(text: str) -> bool:
    return bool(text) and all(digit in "0123456789abcdefABCDEF" for digit in text)


def _in_sequence(parts: list[Node]) -> Node:
    """The parts one after the other, runs of terms joined."""
    joined: list[Node] = []
    run: list[Term] = []
    for part in parts:
        if isinstance(part, Term):
            run.append(part)
            continue
        if run:
            joined.append(concat(*run))
            run = []
        joined.append(part)
    if not joined:
        return concat(*run)
    if run:
        joined.append(concat(*run))
    return joined[0] if len(joined) == 1 else Sequence(tuple(joined))


def _repeated(atom: Node, low: int, high: int | None) -> Node:
    if isinstance(atom, Term):
        return repeat(atom, low, high)
    if high == 0:
        return EPSILON
    if isinstance(atom, (Assertion, Look)):
        return EPSILON if low == 0 else atom
    if low == high == 1:
        return atom
    if low == 0 and high == 1:
        return Branches((EPSILON, atom))
    return Loop(atom, low, high)


def _count_groups(pattern: str) -> int:
    """Capturing groups in all of ``pattern``, wherever they stand."""
    count, at, in_class = 0, 0, False
    while at < len(pattern):
        character = pattern[at]
        if character == "\\":
            at += 1
        elif in_class:
            in_class = character != "]"
        elif character == "[":
            in_class = True
        elif character == "(":
            head = pattern[at + 1 : at + 4]
            count += not head.startswith("?") or (head.startswith("?<") and head[2:] not in ("=", "!"))
        at += 1
    return count
