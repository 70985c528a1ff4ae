"""How tokens can end a string: the few texts that precede a quote in some token, and those that follow one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

import numpy as np

from ..language.charset import CharSet
from ..language.names import NameNode
from ..language.terms import And, Not, Or, Term, Words, derivative, is_length, transitions
from .trie import TokenTrie

_MAX_WORDS = 256  # that are looked at one by one
_MAX_REMEMBERED = 4_096  # sets of prefixes
NO_END = 1 << 30  # a length that stands for all above it, and for those without a bound


def num_up_to(ascending: np.ndarray, most: int) -> int:
    """How many of some int32 numbers are at most ``most``; a limit of another type would have them all converted."""
    return int(ascending.searchsorted(np.int32(min(most, NO_END)), side="right"))


class Suffixes:
    """The texts that follow a quote in some token: ``texts`` by number.

    ``roots`` are those of tries of them with the numbers as tokens: all, those after the second quote of a token at
    least, and so on until there are none.
    """

    def __init__(self, tokens: Iterable[bytes | None]) -> None:
        levels: list[dict[bytes, None]] = []
        found = _after_quotes(tokens)
        while found:
            levels.append(found)
            found = _after_quotes(found)
        self.texts = tuple(levels[0]) if levels else ()
        self.numbers = {text: number for number, text in enumerate(self.texts)}
        self.roots = [TokenTrie([t if t in level else None for t in self.texts]).root for level in levels]


def _after_quotes(texts: Iterable[bytes | None]) -> dict[bytes, None]:
    found: dict[bytes, None] = {}
    for whole in texts:
        parts = whole.split(b'"') if whole else ()
        found.update(dict.fromkeys([b'"'.join(parts[i:]) for i in range(1, len(parts))]))
    return found


class Endings:
    """The tokens that close a string, each as the text before the quote (prefix) and that after it (suffix).

    ``tokens``, ``suffixes`` and ``lengths`` (num_tokens,) int32 belong together: suffixes as numbers of
    :class:`Suffixes`, the characters of prefixes.
    """

    def __init__(self, closing: Iterable[tuple[int, bytes, bytes]], numbers: Mapping[bytes, int]) -> None:
        prefixes: dict[bytes, int] = {}
        found = [(token, prefixes.setdefault(p, len(prefixes)), numbers[s]) for token, p, s in closing]
        self.tokens, self._prefixes, self.suffixes = np.array(found, np.int32).reshape(-1, 3).T.copy()
        self._num_prefixes = len(prefixes)
        self._spellings = {prefix.removesuffix(b'"'): number for prefix, number in prefixes.items()}
        self._words: dict[str, int] = {}
        self._after_prefixes: dict[tuple[int, ...], np.ndarray] = {}
        self._root = _Prefix()
        lengths = []
        for number, spelling in enumerate(prefixes):
            word: str = json.loads(b'"' + spelling)
            lengths.append(len(word))
            self._words[word] = number
            node = self._root
            for character in word:
                node = node.children.setdefault(ord(character), _Prefix())
            node.number = number
        self.lengths = np.array(lengths, np.int32)[self._prefixes]

    def closed(self, term: Term, one_by_one: bool = False) -> np.ndarray:
        """Which tokens close a string of which ``term`` is still to come, (num_tokens,) bool.

        ``one_by_one``: derives by single characters, for terms with a successor for each.
        """
        if type(term) is Not:
            return ~self.closed(term.inner, one_by_one)
        if type(term) is And or type(term) is Or:
            join = np.logical_and if type(term) is And else np.logical_or
            return join.reduce([self.closed(item, one_by_one) for item in term.items])
        if is_length(term):
            return (self.lengths >= min(term.low, NO_END)) & (
                self.lengths <= (NO_END if term.high is None else min(term.high, NO_END))
            )
        if type(term) is Words and len(term) <= _MAX_WORDS:
            return self.after_one_of(self._words_among(term))
        words = np.zeros(self._num_prefixes + 1, bool)  # the last for nodes where none ends
        stack = [(self._root, term)]
        while stack:
            prefix, state = stack.pop()
            words[prefix.number] |= state.nullable
            if one_by_one:
                stack += [(longer, derivative(state, point)) for point, longer in prefix.children.items()]
                continue
            for characters, after in transitions(state) if prefix.children else ():
                stack += [(longer, after) for longer in prefix.longer(characters)]
        return words[self._prefixes]

    def _words_among(self, term: Words) -> tuple[int, ...]:
        """The prefixes among ``term``'s words: of most words, the first character tells."""
        found: list[int] = []
        depth, begins, numbers = term.depth, self._root.children, self._words
        for word in term.source.words[term.low : term.high]:
            if len(word) == depth or ord(word[depth]) in begins:
                number = numbers.get(word[depth:])
                if number is not None:
                    found.append(number)
        return tuple(found)

    def among(self, names: NameNode) -> tuple[int, ...]:
        """The prefixes that are what is to come of one of ``names``, between two characters."""
        known = self._spellings
        if len(names) > _MAX_WORDS:
            return tuple([number for spelling, number in known.items() if names.ends(spelling)])
        return tuple([known[rest] for rest, _ in names.names if rest in known])

    def after_one_of(self, prefixes: tuple[int, ...]) -> np.ndarray:
        """Which tokens have one of ``prefixes`` before the quote; remembered, and not to be written to."""
        closed = self._after_prefixes.get(prefixes)
        if closed is None:
            if len(self._after_prefixes) == _MAX_REMEMBERED:
                self._after_prefixes.clear()
            words = np.zeros(self._num_prefixes + 1, bool)
            words[list(prefixes)] = True
            closed = words[self._prefixes]
            closed.flags.writeable = False
            self._after_prefixes[prefixes] = closed
        return closed


class _Prefix:
    """A node of the trie of prefixes by code points. ``number`` is -1 where none ends, which is never asked for."""

    __slots__ = ("children", "number")

    def __init__(self) -> None:
        self.number = -1
        self.children: dict[int, _Prefix] = {}

    def longer(self, characters: CharSet) -> list[_Prefix]:
        """The nodes after one of ``characters``."""
        ranges = characters.ranges
        if len(ranges) == 1 and ranges[0][0] == ranges[0][1]:
            child = self.children.get(ranges[0][0])
            return [] if child is None else [child]
        return [child for point, child in self.children.items() if point in characters]
