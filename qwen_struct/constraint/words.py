"""The fewest tokens that spell a text, and short ends of strings and numbers by that count."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np

from ..errors import SchemaBudgetError
from ..language.decide import FuelExhausted, shortest, words
from ..language.lexemes import QUOTE, Lexeme, Number, Text, text
from ..language.terms import ANY, Chars, Repeat, Term, repeat
from ..language.texts import spelled
from .automaton import Automaton
from .bitmask import Bitmask, row_of
from .lengths import num_characters
from .trie import TokenTrie, TrieNode, merged

LONG = 1_024  # bytes: in longer texts, the longest token that fits is taken

_KERNEL_FROM = 96  # nodes: a smaller subtrie is walked in Python
_FEW = 8  # words that are all compared
_MAX_CHARACTER = 6  # bytes of a character's longest spelling, an escape
_MAX_SEARCHED = 256  # states of a character that is not whole


class Inside:
    """The tokens that stay inside a string, by how many more bring it to a place where it may end.

    ``most`` is a bound on that number.
    """

    def __init__(self, words: Words, lexeme: Lexeme, most: int | None) -> None:
        self._words, self._lexeme = words, lexeme
        self._most = most
        self._rows: dict[int, Bitmask] = {}
        self._tokens: np.ndarray | None = None  # (num_tokens,) int32
        self._needs: np.ndarray | None = None  # (num_tokens,) int32

    @property
    def most(self) -> int:
        if self._most is None:
            self._most = int(self._walk()[1].max(initial=0))
        return self._most

    def within(self, left: int) -> Bitmask:
        """A mask row of those after which ``left`` tokens are enough."""
        left = min(left, self.most)
        row = self._rows.get(left)
        if row is None:
            tokens, needs = self._walk()
            row = self._rows[left] = row_of(tokens[needs <= left], self._words.n_vocab)
        return row

    def _walk(self) -> tuple[np.ndarray, np.ndarray]:
        if self._tokens is None or self._needs is None:
            self._tokens, self._needs = self._words.walk(self._lexeme)
        return self._tokens, self._needs


class Reached(NamedTuple):
    """Where tokens come to from a node of their trie: those that end inside a lexeme, by the states after them; and the
    node, merged from several, at which it has ended: after the quote of a string, where a number may end.
    """

    inside: tuple[tuple[Lexeme, tuple[int, ...]], ...]
    exit: TrieNode | None


class Closers(NamedTuple):
    """The tokens that close a string of which nothing is asked.

    ``tokens`` (n,) int32; ``prefixes`` are the texts before the quotes; ``suffixes`` (n,) int32 are those after them,
    numbers in ``texts``, and the tokens of a trie with the root ``root``.
    """

    tokens: np.ndarray
    prefixes: list[bytes]
    suffixes: np.ndarray
    texts: list[bytes]
    root: TrieNode


class Words:
    """For one vocabulary; every text is spelled by some of its tokens."""

    def __init__(self, tokens: Sequence[bytes | None], trie: TokenTrie, n_vocab: int) -> None:
        self._tokens, self._trie, self.n_vocab = tokens, trie, n_vocab
        self._reached: dict[tuple[Lexeme, TrieNode], Reached] = {}
        self._inside: dict[Lexeme, Inside] = {}
        self._automaton = Automaton()
        self._counts: dict[bytes, int] = {}
        self._ends: dict[Lexeme, tuple[bytes, ...]] = {}
        self._needs: dict[Lexeme, int] = {}
        self._fillers: dict[Term, dict[int, bytes]] = {}

    # Texts. -----------------------------------------------------------------------------------------------------

    def count(self, text: bytes) -> int:
        """How many tokens spell ``text`` at least."""
        found = self._counts.get(text)
        if found is None:
            found = self._counts[text] = len(self.spell(text))
        return found

    def spell(self, text: bytes) -> list[int]:
        """These tokens."""
        if len(text) > LONG:
            return self.spell_greedily(text)
        fewest = [0] * (len(text) + 1)
        chosen: list[tuple[int, int]] = [(-1, 0)] * (len(text) + 1)  # a token, and where it ends
        for start in range(len(text) - 1, -1, -1):
            best = len(text) + 1
            node, at = self._trie.root, start
            while at < len(text):
                following = node.children.get(text[at])
                if following is None:
                    break
                node, at = following, at + 1
                if node.tokens and fewest[at] < best:
                    best, chosen[start] = fewest[at], (node.tokens[0], at)
            fewest[start] = best + 1
        found, at = [], 0
        while at < len(text):
            token, at = chosen[at]
            found.append(token)
        return found

    def spell_greedily(self, text: bytes) -> list[int]:
        """Tokens for ``text``, the longest that fits at each place."""
        found: list[int] = []
        at = 0
        while at < len(text):
            node: TrieNode = self._trie.root
            end, token = at, -1
            while at < len(text) and (following := node.children.get(text[at])) is not None:
                node, at = following, at + 1
                if node.tokens:
                    end, token = at, node.tokens[0]
            found.append(token)
            at = end
        return found

    # Strings and numbers. ---------------------------------------------------------------------------------------

    def needs(self, lexeme: Lexeme) -> int:
        """How many tokens bring ``lexeme`` to a place where it may end, as far as is found."""
        found = self._needs.get(lexeme)
        if found is None:
            found = self._needs[lexeme] = min([self.count(word) for word in self.ends(lexeme)])
        return found

    def inside(self, lexeme: Lexeme) -> Inside:
        """What stays inside the string ``lexeme``."""
        found = self._inside.get(lexeme)
        if found is None:
            found = self._inside[lexeme] = Inside(self, lexeme, self._bound(lexeme))
        return found

    def _bound(self, lexeme: Lexeme) -> int | None:
        """A bound on :meth:`needs` wherever a token leads to, where that is plain to see."""
        if not isinstance(lexeme, Text):
            return None
        term = lexeme.term
        if term is ANY:
            return _MAX_CHARACTER
        if type(term) is Repeat and type(term.body) is Chars:
            return _MAX_CHARACTER * (term.low + 1)
        return None

    @cached_property
    def closers(self) -> Closers:
        """See :class:`Closers`."""
        trie, found = self._trie, list[tuple[int, int]]()
        for exit_ in self._automaton.walk(text(ANY), trie).exits.tolist():
            ends = trie.token[exit_ : int(trie.skip[exit_])]
            for first in ends[ends >= 0].tolist():
                found += [(token, int(trie.depth[exit_])) for token in trie.twins.get(first, (first,))]
        spelled = [(self._tokens[token] or b"", depth) for token, depth in found]
        numbers: dict[bytes, int] = {}
        suffixes = [numbers.setdefault(word[depth:], len(numbers)) for word, depth in spelled]
        return Closers(
            np.array([token for token, _ in found], np.int32),
            [word[: depth - 1] for word, depth in spelled],
            np.array(suffixes, np.int32),
            list(numbers),
            TokenTrie(list(numbers)).root,
        )

    def reach(self, lexeme: Lexeme, place: TrieNode) -> Reached:
        """What the tokens below ``place`` make of the string or number ``lexeme``."""
        key = (lexeme, place)
        found = self._reached.get(key)
        if found is None:
            big = place.trie is self._trie and self._trie.size(place.index) >= _KERNEL_FROM
            groups, exits = self._reach_compiled(lexeme, place) if big else self._reach(lexeme, place)
            inside = tuple([(state, tuple(tokens)) for state, tokens in groups.items()])
            found = self._reached[key] = Reached(inside, merged(exits) if exits else None)
        return found

    def _reach(self, lexeme: Lexeme, place: TrieNode) -> tuple[dict[Lexeme, list[int]], list[TrieNode]]:
        groups: dict[Lexeme, list[int]] = {}
        exits: list[TrieNode] = []
        stack = [(lexeme, place)]
        while stack:
            state, here = stack.pop()
            for byte, child in here.children.items():
                moved = state.moves.get(byte)
                if moved is not None:
                    if child.tokens:
                        groups.setdefault(moved, []).extend(child.tokens)
                    stack.append((moved, child))
                    if moved.nullable and child.children:
                        exits.append(child)
                elif byte == QUOTE and state.quote:
                    exits.append(child)
        return groups, exits

    def _reach_compiled(self, lexeme: Lexeme, place: TrieNode) -> tuple[dict[Lexeme, list[int]], list[TrieNode]]:
        reached = self._automaton.walk(lexeme, self._trie, place.index)
        exits = [self._trie.node(i) for i in reached.exits.tolist()]
        tokens, states = self._trie.with_twins(reached.tokens, reached.states)
        groups: dict[Lexeme, list[int]] = {}
        for token, state in zip(tokens.tolist(), states.tolist(), strict=True):
            groups.setdefault(self._automaton.states[state], []).append(token)
        return groups, exits

    def walk(self, lexeme: Lexeme) -> tuple[np.ndarray, np.ndarray]:
        """The tokens that stay inside the string ``lexeme``, and how many more they need."""
        reached = self._automaton.walk(lexeme, self._trie)
        tokens, states = self._trie.with_twins(reached.tokens.copy(), reached.states.copy())
        numbers = np.flatnonzero(np.bincount(states))
        lexemes = [self._automaton.states[number] for number in numbers.tolist()]  # before another walk is made
        needs = np.zeros(len(self._automaton.states), np.int32)
        needs[numbers] = [self.needs(state) for state in lexemes]
        return tokens, needs[states]

    def ends(self, lexeme: Lexeme) -> tuple[bytes, ...]:
        """Short texts after which the string or number ``lexeme`` may end; a string's closing quote comes after them.

        Raises: SchemaBudgetError.
        """
        found = self._ends.get(lexeme)
        if found is None:
            try:
                found = self._ends[lexeme] = self._find(lexeme)
            except FuelExhausted as error:
                raise SchemaBudgetError("no short word of a pattern was found; simplify it") from error
        return found

    def _find(self, lexeme: Lexeme) -> tuple[bytes, ...]:
        if isinstance(lexeme, Text):
            return (b"",) if lexeme.quote else self._texts(lexeme.term)
        if type(lexeme) is Number:
            return (b"",) if lexeme.nullable else self._numbers(lexeme)
        return self._partial(lexeme)

    def _numbers(self, lexeme: Number) -> tuple[bytes, ...]:
        digits = tuple(bytes((byte,)) for byte, after in lexeme.moves.items() if after.nullable)
        return digits or tuple(word.encode() for word in _shortest_words(lexeme.term))

    def _texts(self, term: Term) -> tuple[bytes, ...]:
        if type(term) is Repeat and type(term.body) is Chars:
            return (self._fill(term.body, term.low, term.high),)
        return tuple(spelled(word) for word in _shortest_words(term))

    def _fill(self, body: Term, low: int, high: int | None) -> bytes:
        """``low`` characters out of a set, in tokens that are as long as possible."""
        by_length = self._fillers.get(body)
        if by_length is None:
            by_length = self._fillers[body] = self._by_length(body)
        lengths = sorted(by_length, reverse=True)
        found: list[bytes] = []
        left = low
        while left:
            length = next(length for length in lengths if length <= left)
            number = left // length
            found.append(by_length[length] * number)
            left -= number * length
        return b"".join(found)

    def _by_length(self, body: Term) -> dict[int, bytes]:
        """Texts of one token of ``body``'s characters, by their number; one character is among them."""
        single = spelled(shortest(body))
        start = text(repeat(body, 0, None))
        reached = self._automaton.walk(start, self._trie)
        whole = np.array([state is start for state in self._automaton.states])[reached.states]
        texts = [self._tokens[token] or b"" for token in reached.tokens[whole].tolist()]
        found = {1: single}
        for word, length in zip(texts, num_characters(texts).tolist(), strict=True):
            found.setdefault(length, word)
        return found

    def _partial(self, lexeme: Lexeme) -> tuple[bytes, ...]:
        """From inside a character: the shortest way out of it, and on from there."""
        queue = deque([(lexeme, b"")])
        seen = {lexeme}
        best: bytes | None = None
        while queue and len(seen) < _MAX_SEARCHED:
            state, read = queue.popleft()
            for byte, after in state.moves.items():
                if type(after) is Text:
                    word = min([read + bytes((byte,)) + end for end in self.ends(after)], key=self.count)
                    if best is None or self.count(word) < self.count(best):
                        best = word
                elif after not in seen:
                    seen.add(after)
                    queue.append((after, read + bytes((byte,))))
        assert best is not None, lexeme
        return (best,)


def _shortest_words(term: Term) -> list[str]:
    try:
        few = words(term, _FEW)
    except FuelExhausted:
        few = None
    return few or [shortest(term)]
