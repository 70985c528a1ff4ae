"""Assertions in patterns, exactly: ``^ $ \\b \\B``, lookahead and lookbehind, in loops too.

What is still to be matched is a :class:`Rest`, a list of terms and assertion nodes. Its language is built from the
front:

* a lookahead is an intersection of what follows: with its body and anything after (negative: with the complement);
* what looks back (``^ \\b (?<=``) asks whether the text so far is in a language of prefixes. Those languages are
  derived along with the text; the assertion holds where the derivative accepts the empty string.

As soon as the rest looks neither back nor loops over assertions, it is an ordinary term. Otherwise it is a
:class:`Scan`: a state of the rest together with the derived prefix languages.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from .charset import CharSet
from .terms import (
    ANY,
    EMPTY,
    EPSILON,
    Leaf,
    Term,
    chars,
    complement,
    concat,
    derivative,
    gather,
    intersect,
    length,
    partition,
    transitions,
    union,
)  # fmt: skip

_WORD: Final = CharSet.from_ranges([(0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A)])
_WORD_AHEAD: Final = concat(chars(_WORD), ANY)


class Kind(Enum):
    START = "^"
    END = "$"
    WORD_EDGE = "\\b"
    NO_WORD_EDGE = "\\B"


@dataclass(frozen=True, eq=False, slots=True)
class Assertion:
    kind: Kind


@dataclass(frozen=True, eq=False, slots=True)
class Look:
    body: Node
    ahead: bool
    negative: bool
    position: int


@dataclass(frozen=True, eq=False, slots=True)
class Sequence:
    parts: tuple[Node, ...]


@dataclass(frozen=True, eq=False, slots=True)
class Branches:
    options: tuple[Node, ...]


@dataclass(frozen=True, eq=False, slots=True)
class Loop:
    body: Node
    low: int
    high: int | None


Node = Term | Assertion | Look | Sequence | Branches | Loop  # whatever holds no assertion is a term


class UnsupportedAssertion(ValueError):
    """An assertion that cannot be enforced exactly where it stands."""

    def __init__(self, message: str, position: int) -> None:
        self.position = position
        super().__init__(message)


def search_language(tree: Node) -> Term:
    """The strings in which ``tree`` matches somewhere.

    Raises: UnsupportedAssertion.
    """
    if isinstance(tree, Term):
        return concat(ANY, tree, ANY)
    program = _Program()
    rest = program.push(ANY, program.push(tree, program.end))
    return program.language(rest, program.start(rest))


class Rest:
    """What is left to match: ``node``, then ``after``; one object per content within a program."""

    __slots__ = ("node", "after", "needs", "program")

    def __init__(self, node: Node | None, after: Rest | None, needs: frozenset[int], program: _Program) -> None:
        self.node, self.after, self.needs, self.program = node, after, needs, program


Prefixes = tuple[Term, ...]  # the derived prefix languages that a rest needs, in order of their number


class _Program:
    """One pattern: its rests, and the prefix languages that its assertions ask for; number 0 is for ``^``."""

    def __init__(self) -> None:
        self.prefix_languages: list[Term] = [EPSILON]
        self.numbers: dict[object, int] = {}
        self.rests: dict[tuple[object, Rest], Rest] = {}
        self.loops: dict[tuple[Node, int, int | None], Loop] = {}
        self.languages: dict[tuple[Rest, Prefixes], Term] = {}
        self.node_needs: dict[Node, frozenset[int]] = {}
        self.end = Rest(None, None, frozenset(), self)  # then anything
        self.stop = Rest(None, None, frozenset(), self)  # then nothing: the end of a lookbehind

    def push(self, node: Node, after: Rest) -> Rest:
        if isinstance(node, Sequence):
            for part in reversed(node.parts):
                after = self.push(part, after)
            return after
        if node is EPSILON:
            return after
        if isinstance(node, Term) and isinstance(after.node, Term):
            assert after.after is not None
            return self.push(concat(node, after.node), after.after)
        key = (node, after)
        found = self.rests.get(key)
        if found is None:
            found = self.rests[key] = Rest(node, after, self.needs(node) | after.needs, self)
        return found

    def loop(self, body: Node, low: int, high: int | None) -> Node:
        if high == 0:
            return EPSILON
        return self.loops.setdefault((body, low, high), Loop(body, low, high))

    def needs(self, node: Node) -> frozenset[int]:
        """The numbers of the prefix languages that ``node`` asks about."""
        if isinstance(node, Term):
            return frozenset()
        found = self.node_needs.get(node)
        if found is None:
            found = self.node_needs[node] = self._needs(node)
        return found

    def _needs(self, node: Node) -> frozenset[int]:
        if isinstance(node, Assertion):
            if node.kind is Kind.START:
                return frozenset((0,))
            return frozenset() if node.kind is Kind.END else frozenset((self.number_of_word(),))
        if isinstance(node, Look):
            return self.needs(node.body) if node.ahead else frozenset((self.number_of(node),))
        if isinstance(node, Loop):
            return self.needs(node.body)
        parts = node.parts if isinstance(node, Sequence) else node.options if isinstance(node, Branches) else ()
        return frozenset().union(*(self.needs(part) for part in parts))

    def number_of_word(self) -> int:
        if "word" not in self.numbers:
            self.numbers["word"] = len(self.prefix_languages)
            self.prefix_languages.append(concat(ANY, chars(_WORD)))
        return self.numbers["word"]

    def number_of(self, look: Look) -> int:
        if look not in self.numbers:
            _refuse_looking_beyond(look.body, look, False)
            rest = self.push(ANY, self.push(look.body, self.stop))
            language = self.language(rest, self.start(rest))
            self.numbers[look] = len(self.prefix_languages)
            self.prefix_languages.append(language)
        return self.numbers[look]

    def start(self, rest: Rest) -> Prefixes:
        return tuple([self.prefix_languages[number] for number in sorted(rest.needs)])

    def holds(self, number: int, rest: Rest, prefixes: Prefixes) -> bool:
        return prefixes[sorted(rest.needs).index(number)].nullable

    def language(self, rest: Rest, prefixes: Prefixes) -> Term:
        """The strings that ``rest`` matches from here on, where the text so far has led to ``prefixes``."""
        key = (rest, prefixes)
        found = self.languages.get(key)
        if found is None:
            found = self.languages[key] = self._language(rest, prefixes)
        return found

    def _language(self, rest: Rest, prefixes: Prefixes) -> Term:
        node, after = rest.node, rest.after
        if after is None:
            return ANY if rest is self.end else EPSILON
        if isinstance(node, Term):
            return self._after_term(node, rest, after, prefixes)
        if isinstance(node, Loop):
            return Scan(rest, prefixes)
        if isinstance(node, Branches):
            return union(*[self.narrowed(self.push(option, after), rest, prefixes) for option in node.options])
        assert isinstance(node, (Assertion, Look))
        condition = self.condition(node, rest, prefixes)
        return EMPTY if condition is EMPTY else intersect(condition, self.narrowed(after, rest, prefixes))

    def _after_term(self, node: Term, rest: Rest, after: Rest, prefixes: Prefixes) -> Term:
        if not after.needs:
            return concat(node, self.language(after, ()))
        if after.needs != {0}:
            return Scan(rest, prefixes)
        later = self.language(after, (EMPTY,))
        if not (node.nullable and prefixes[0].nullable):
            return concat(node, later)
        return union(self.language(after, prefixes), concat(intersect(node, length(1, None)), later))

    def narrowed(self, rest: Rest, outer: Rest, prefixes: Prefixes) -> Term:
        return self.language(rest, self.narrow(rest, outer, prefixes))

    def narrow(self, rest: Rest, outer: Rest, prefixes: Prefixes) -> Prefixes:
        """``prefixes``, which belong to ``outer``, without those that ``rest`` does not need."""
        if len(rest.needs) == len(prefixes):
            return prefixes
        numbered = zip(sorted(outer.needs), prefixes, strict=True)
        return tuple([state for number, state in numbered if number in rest.needs])

    def condition(self, node: Assertion | Look, rest: Rest, prefixes: Prefixes) -> Term:
        """What must hold of the text from here on for the assertion to hold: ANY or EMPTY if that is settled."""
        if isinstance(node, Look):
            if node.ahead:
                ahead = self.narrowed(self.push(node.body, self.end), rest, prefixes)
                return complement(ahead) if node.negative else ahead
            return ANY if self.holds(self.number_of(node), rest, prefixes) != node.negative else EMPTY
        if node.kind is Kind.START:
            return ANY if self.holds(0, rest, prefixes) else EMPTY
        if node.kind is Kind.END:
            return EPSILON
        edge = self.holds(self.number_of_word(), rest, prefixes) == (node.kind is Kind.NO_WORD_EDGE)
        return _WORD_AHEAD if edge else complement(_WORD_AHEAD)


class Scan(Leaf):
    """A state of a rest that looks back or loops over assertions."""

    __slots__ = ("rest", "prefixes", "finished", "steps")
    rest: Rest
    prefixes: Prefixes
    finished: Term  # the strings for which the match is already complete
    steps: list[tuple[Term, CharSet, Rest]]  # (condition from here on, next character, what is left)

    def setup(self, rest: Rest, prefixes: Prefixes) -> None:
        self.rest, self.prefixes = rest, prefixes
        self.finished, self.steps = self._walk()
        self.nullable = self.finished.nullable

    def _walk(self) -> tuple[Term, list[tuple[Term, CharSet, Rest]]]:
        """Follow everything of no width, gathering the conditions; up to the next characters."""
        program, finished = self.rest.program, EMPTY
        steps: list[tuple[Term, CharSet, Rest]] = []
        stack: list[tuple[Rest, Term, frozenset[Rest]]] = [(self.rest, ANY, frozenset())]
        while stack:
            rest, condition, entered = stack.pop()
            node, after = rest.node, rest.after
            if after is None:
                finished = union(finished, condition if rest is program.end else intersect(condition, EPSILON))
            elif isinstance(node, Term):
                steps.extend((condition, first, program.push(left, after)) for first, left in transitions(node))
                if node.nullable:
                    stack.append((after, condition, entered))
            elif isinstance(node, Branches):
                stack.extend((program.push(option, after), condition, entered) for option in node.options)
            elif isinstance(node, Loop):
                stack.extend(self._rounds(node, rest, after, condition, entered))
            elif isinstance(node, (Assertion, Look)):
                prefixes = program.narrow(rest, self.rest, self.prefixes)
                condition = intersect(condition, program.condition(node, rest, prefixes))
                if condition is not EMPTY:
                    stack.append((after, condition, entered))
        return finished, steps

    def _rounds(
        self, node: Loop, rest: Rest, after: Rest, condition: Term, entered: frozenset[Rest]
    ) -> Iterable[tuple[Rest, Term, frozenset[Rest]]]:
        """Leave the loop, or go once more. A round of no width stands for all that are due, and is not repeated."""
        low = node.low
        if rest in entered:  # back here without having read anything
            yield after, condition, entered
            if low == 0:
                return
            low = 0
        elif low == 0:
            yield after, condition, entered
        program, high = self.rest.program, None if node.high is None else node.high - 1
        again = program.push(program.loop(node.body, max(low - 1, 0), high), after)
        yield program.push(node.body, again), condition, entered if again is after else entered | {again}

    def moves(self) -> Iterable[tuple[CharSet, Term]]:
        states = (*self.prefixes, self.finished, *dict.fromkeys(condition for condition, _, _ in self.steps))
        sets = [first for _, first, _ in self.steps] + [first for state in states for first, _ in transitions(state)]
        return gather(self._move(cell) for cell in partition(sets))

    def _move(self, cell: CharSet) -> tuple[CharSet, Term]:
        point = cell.ranges[0][0]
        prefixes = tuple([derivative(state, point) for state in self.prefixes])
        found = [derivative(self.finished, point)]
        for condition, first, left in self.steps:
            if point in first:
                rest = self.rest.program.narrowed(left, self.rest, prefixes)
                found.append(intersect(derivative(condition, point), rest))
        return cell, union(*found)


def _refuse_looking_beyond(node: Node, look: Look, more: bool) -> None:
    """The text before must settle a lookbehind. ``more``: at least one of its own characters follows ``node``."""
    if isinstance(node, Look) and node.ahead or (isinstance(node, Assertion) and node.kind is Kind.END):
        raise UnsupportedAssertion("lookahead or $ within lookbehind", look.position)
    if isinstance(node, Assertion) and node.kind is not Kind.START and not more:
        raise UnsupportedAssertion("\\b or \\B at the end of a lookbehind", look.position)
    if isinstance(node, Sequence):
        for part in reversed(node.parts):
            _refuse_looking_beyond(part, look, more)
            more = more or (isinstance(part, Term) and not part.nullable)
    elif isinstance(node, Branches):
        for option in node.options:
            _refuse_looking_beyond(option, look, more)
    elif isinstance(node, Loop):
        _refuse_looking_beyond(node.body, look, more)
