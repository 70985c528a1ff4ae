"""What a lexeme allows: the tokens that stay inside it, and the places where a token can leave it.

This depends on the lexeme alone, so it is remembered for all schemas. Small tries are walked in Python, the whole
vocabulary by a compiled kernel; and strings, whose states are many, mostly get by without a walk of their own:

* where every text can be gone on from, all tokens of free text may come (:class:`_FreeText`);
* bounds on the length cut what the pattern beside them allows, walked once for all bounds (:class:`_Lengths`);
* how a string can end is read from the few texts that precede a quote in some token (:class:`Endings`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..language.charset import CharSet
from ..language.decide import FuelExhausted, is_empty
from ..language.lexemes import QUOTE, Lexeme, Text, text
from ..language.terms import ANY, And, Chars, Not, Or, Repeat, Term, intersect, is_length, length, repeat, transitions
from .automaton import Automaton
from .bitmask import Bitmask, row_of
from .pool import Recent
from .trie import TokenTrie, TrieNode, merged

if TYPE_CHECKING:
    from .vocabulary import Vocabulary

_KERNEL_FROM = 96  # nodes: a smaller subtrie is walked in Python
_DENSE_FROM = 64  # tokens: fewer are a list, more a row
_MAX_LENGTHS = 48  # patterns remembered with the lengths of their words: up to 1.2 MB each
_MAX_BOUNDS = 64  # contents remembered for each of them
_MAX_ODD = 64  # states whose lengths have gaps, to be asked one by one
_ESCAPE = re.compile(rb"\\(?:u[0-9a-f]{0,4}|[^u])?")
_NO_END = 1 << 30  # a length that stands for all above it, and for those without a bound


class Content(NamedTuple):
    """What a lexeme allows from a trie node on: the tokens that end inside it or with its end, and where it ends.

    ``row`` is a mask row, or None where ``tokens`` lists all of them. ``exits`` merges the nodes at which the lexeme
    ended. For strings at the root, ``closed`` (num_tokens,) bool tells instead which tokens of :class:`Endings` close
    them.
    """

    row: Bitmask | None
    tokens: tuple[int, ...]
    exits: TrieNode | None
    closed: np.ndarray | None = None


class Endings:
    """The tokens that close a string, each as the text before the quote (prefix) and that after it (suffix).

    ``tokens``, ``suffixes`` and ``lengths`` (num_tokens,) int32 belong together: suffixes as numbers, the characters of
    prefixes. ``after`` is the root of a trie of ``texts``, the suffixes, with their numbers as tokens.
    """

    def __init__(self, tokens: tuple[bytes | None, ...], trie: TokenTrie, exits: Iterable[int]) -> None:
        prefixes: dict[bytes, int] = {}
        suffixes: dict[bytes, int] = {}
        found: list[tuple[int, int, int]] = []
        for exit_ in exits:
            depth = int(trie.depth[exit_])
            for first in trie.token[exit_ : int(trie.skip[exit_])]:
                for token in trie.twins.get(int(first), (int(first),)) if first >= 0 else ():
                    spelled = tokens[token] or b""
                    prefix = prefixes.setdefault(spelled[:depth], len(prefixes))
                    suffix = suffixes.setdefault(spelled[depth:], len(suffixes))
                    found.append((token, prefix, suffix))
        self.tokens, self._prefixes, self.suffixes = np.array(found, np.int32).reshape(-1, 3).T.copy()
        self._num_prefixes = len(prefixes)
        self._root = _Prefix()
        lengths = []
        for number, spelling in enumerate(prefixes):
            word: str = json.loads(b'"' + spelling)
            lengths.append(len(word))
            node = self._root
            for character in word:
                node = node.children.setdefault(ord(character), _Prefix())
            node.number = number
        self.lengths = np.array(lengths, np.int32)[self._prefixes]
        self.texts = tuple(suffixes)
        self.after = TokenTrie(self.texts).root

    def closed(self, term: Term) -> np.ndarray:
        """Which tokens close a string of which ``term`` is still to come, (num_tokens,) bool."""
        if type(term) is Not:
            return ~self.closed(term.inner)
        if type(term) is And or type(term) is Or:
            join = np.logical_and if type(term) is And else np.logical_or
            return join.reduce([self.closed(item) for item in term.items])
        if is_length(term):
            return (self.lengths >= min(term.low, _NO_END)) & (
                self.lengths <= (_NO_END if term.high is None else min(term.high, _NO_END))
            )
        words = np.zeros(self._num_prefixes + 1, bool)  # the last for nodes where none ends
        stack = [(self._root, term)]
        while stack:
            prefix, state = stack.pop()
            words[prefix.number] |= state.nullable
            for characters, after in transitions(state) if prefix.children else ():
                stack += [(longer, after) for longer in prefix.longer(characters)]
        return words[self._prefixes]


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


class Contents:
    """Contents for one vocabulary."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._trie = vocabulary.trie
        self._automaton = Automaton()
        self.known: Recent[tuple[Lexeme, TrieNode], Content] = Recent()
        self._merged: dict[tuple[int, ...], TrieNode] = {}
        self._lengths: Recent[Term, _Lengths] = Recent()
        self._free: _FreeText | None = None

    def forget(self, room: int) -> int:
        """Drops all that is remembered but the contents used last, up to ``room`` bytes of rows; returns how many."""
        kept, used = Recent[tuple[Lexeme, TrieNode], Content](), 0
        for key, content in reversed(self.known.items()):
            size = 0 if content.row is None else content.row.nbytes
            if used + size > room:
                break
            used += size
            kept[key] = content
        self.known = Recent(reversed(kept.items()))
        self._merged.clear()
        self._lengths.clear()
        self._automaton.forget()
        return used

    @property
    def table_bytes(self) -> int:
        """The memory of the table of lexemes."""
        return self._automaton._table.nbytes

    @property
    def free(self) -> _FreeText:
        """Free text."""
        if self._free is None:
            self._free = _FreeText(self._vocabulary, self._automaton)
        return self._free

    def content(self, lexeme: Lexeme, node: TrieNode) -> Content:
        """What ``lexeme`` allows from ``node`` on."""
        key = (lexeme, node)
        content = self.known.get(key)
        if content is None:
            content = self.known[key] = self._content(lexeme, node)
        return content

    def _content(self, lexeme: Lexeme, node: TrieNode) -> Content:
        if node is self._trie.root and type(lexeme) is Text:
            return self._text(lexeme)
        if node.trie is self._trie and self._trie.size(node.index) >= _KERNEL_FROM:
            return self._walk_compiled(lexeme, node)
        return self._walk_python(lexeme, node)

    def _walk_python(self, lexeme: Lexeme, node: TrieNode) -> Content:
        tokens: list[int] = []
        exits: list[TrieNode] = []
        stack = [(lexeme, node)]
        while stack:
            state, here = stack.pop()
            for byte, child in here.children.items():
                moved = state.moves.get(byte)
                if moved is not None:
                    tokens += child.tokens
                    stack.append((moved, child))
                    if moved.nullable and child.children:
                        exits.append(child)
                elif byte == QUOTE and state.quote:
                    tokens += child.tokens
                    exits.append(child)
        return Content(None, tuple(tokens), merged(exits) if exits else None)

    def _walk_compiled(self, lexeme: Lexeme, node: TrieNode) -> Content:
        reached = self._automaton.walk(lexeme, self._trie, node.index)
        exits = [self._trie.node(i) for i in reached.exits.tolist()]
        inside, _ = self._trie.with_twins(reached.tokens, reached.states)
        row, tokens = self._row(np.concatenate((inside, np.array([t for e in exits for t in e.tokens], np.int32))))
        return Content(row, tokens, self._merge([e for e in exits if self._trie.size(e.index) > 1]))

    def _row(self, tokens: np.ndarray) -> tuple[Bitmask | None, tuple[int, ...]]:
        if len(tokens) < _DENSE_FROM:
            return None, tuple(tokens.tolist())
        return row_of(tokens, self._vocabulary.n_vocab), ()

    def _merge(self, exits: list[TrieNode]) -> TrieNode | None:
        if not exits:
            return None
        key = tuple(e.index for e in exits)
        node = self._merged.get(key)
        if node is None:
            node = self._merged[key] = merged(exits)
        return node

    # Strings at the root. ---------------------------------------------------------------------------------------

    def _text(self, lexeme: Text) -> Content:
        bounded = _without_bounds(lexeme.term)
        if bounded is not None:
            content = self._lengths_of(bounded[0]).content(*bounded[1:])
            if content is not None:
                return content
        closed = self.free.endings.closed(lexeme.term)
        if lexeme.term.unbounded:
            return Content(self.free.row, (), None, closed)
        reached = self._automaton.walk(lexeme, self._trie)
        row, tokens = self._row(self._trie.with_twins(reached.tokens, reached.states)[0])
        return Content(row, tokens, None, closed)

    def _lengths_of(self, term: Term) -> _Lengths:
        found = self._lengths.get(term)
        if found is None:
            while len(self._lengths) >= _MAX_LENGTHS:
                del self._lengths[next(iter(self._lengths))]
            found = self._lengths[term] = _Lengths(self._vocabulary, self.free, self._automaton, term)
        return found


class _FreeText:
    """What may stand inside a string of which nothing is asked, as a row; and how many characters tokens add to it."""

    def __init__(self, vocabulary: Vocabulary, automaton: Automaton) -> None:
        reached = automaton.walk(text(ANY), vocabulary.trie)
        self.row = row_of(vocabulary.trie.with_twins(reached.tokens, reached.states)[0], vocabulary.n_vocab)
        self.endings = Endings(vocabulary.tokens, vocabulary.trie, reached.exits.tolist())
        self.lengths = num_characters(vocabulary.tokens)  # (num_tokens,) int32


class _Lengths:
    """A language without bounds on the length, ready for any: what its tokens need to be completed.

    A token that adds c characters and leads to words of least..most characters fits into the bounds low..high when one
    of c + least..c + most does. Where the words' lengths have gaps, the language is asked.
    """

    def __init__(self, vocabulary: Vocabulary, free: _FreeText, automaton: Automaton, term: Term) -> None:
        self._n_vocab, self._free = vocabulary.n_vocab, free
        self._closed = free.endings.closed(term)
        reached = automaton.walk(text(term), vocabulary.trie)
        tokens, states = vocabulary.trie.with_twins(reached.tokens, reached.states)
        numbers = np.flatnonzero(np.bincount(states))
        self._lexemes = [automaton.states[i] for i in numbers.tolist()]
        places = np.zeros(len(automaton.states), np.int32)
        places[numbers] = np.arange(len(numbers), dtype=np.int32)
        lengths = np.array([_lengths(lexeme.targets()) for lexeme in self._lexemes], np.int32).reshape(-1, 4)
        least, most, self._attained, self._dense = lengths.T.copy()
        states, added = places[states], free.lengths[tokens]
        needs = added + least[states]
        order = np.argsort(needs.astype(np.int16) if needs.max(initial=0) < 32_768 else needs, kind="stable")
        self._tokens, self._needs = tokens[order], needs[order]
        self._loose = bool((most == _NO_END).all() and self._dense.all())
        if not self._loose:
            self._states, self._added = states[order], added[order]
            self._reach = self._added + most[self._states]
        self._known: dict[tuple, Content] = {}

    def content(self, low: int, high: int | None) -> Content | None:
        """What may come when ``low`` to ``high`` characters are wanted; None when that is too much to ask for."""
        if self._needs.max(initial=0) >= _NO_END:
            return None
        at = len(self._needs) if high is None else int(np.searchsorted(self._needs, min(high, _NO_END), side="right"))
        closed = self._closed & self._free.endings.closed(length(low, high))
        key = (at, closed.tobytes()) if self._loose else (low, high)
        content = self._known.get(key)
        if content is None:
            tokens = self._tokens[:at] if self._loose else self._fitting(at, low, high)
            if tokens is None:
                return None
            if len(self._known) == _MAX_BOUNDS:
                self._known.clear()
            content = self._known[key] = Content(row_of(tokens, self._n_vocab), (), None, closed)
        return content

    def _fitting(self, at: int, low: int, high: int | None) -> np.ndarray | None:
        """Those of the first ``at`` tokens that reach the bounds."""
        states, least = self._states[:at], min(low, _NO_END)
        reaching = self._reach[:at] >= least
        dense = self._dense.astype(bool)[states]
        fit = reaching & (dense | (self._attained.astype(bool)[states] & (self._needs[:at] >= least)))
        odd = np.flatnonzero(reaching & ~fit & ~dense)
        answers: dict[tuple[int, int], bool] = {}
        for i, *question in zip(odd.tolist(), self._states[odd].tolist(), self._added[odd].tolist(), strict=True):
            state, added = question
            answer = answers.get((state, added))
            if answer is None:
                if len(answers) == _MAX_ODD:
                    return None
                bound = length(max(low - added, 0), None if high is None else high - added)
                targets = self._lexemes[state].targets()
                try:
                    answer = not all(is_empty(intersect(term, bound)) for term in targets)
                except FuelExhausted:
                    return None
                answers[state, added] = answer
            fit[i] = answer
        return self._tokens[:at][fit]


def _lengths(terms: tuple[Term, ...]) -> tuple[int, int, bool, bool]:
    """The least and the greatest length of words, whether the least occurs, and whether all between them do."""
    least = min([term.min_len for term in terms])
    most = max([_NO_END if term.max_len is None else term.max_len for term in terms])
    dense, reach = all(term.contiguous for term in terms), least
    if len(terms) > 1 and dense:
        for term in sorted(terms, key=lambda term: term.min_len):
            dense &= term.min_len <= reach + 1
            reach = max(reach, _NO_END if term.max_len is None else term.max_len)
    return min(least, _NO_END), min(most, _NO_END), all(term.plain for term in terms), dense


def _without_bounds(term: Term) -> tuple[Term, int, int | None] | None:
    """A language and bounds on the length that together are ``term``, if it has such bounds."""
    if type(term) is Repeat and type(term.body) is Chars and (term.low, term.high) != (0, None):
        return repeat(term.body, 0, None), term.low, term.high
    if type(term) is And:
        for item in term.items:
            if is_length(item):
                return intersect(*[other for other in term.items if other is not item]), item.low, item.high
    return None


def num_characters(texts: Sequence[bytes | None]) -> np.ndarray:
    """The characters begun in each piece of the inside of a JSON string, (len(texts),) int32; an escape is one."""
    joined = np.frombuffer(b"".join([t or b"" for t in texts]) + b"\0", np.uint8)
    begun = np.concatenate(([0], np.cumsum((joined & 0xC0) != 0x80)))
    ends = np.cumsum([len(t or b"") for t in texts])
    found = np.diff(begun[ends], prepend=0).astype(np.int32)
    for i, piece in enumerate(texts):
        if piece is not None and b"\\" in piece:
            found[i] -= len(b"".join(_ESCAPE.findall(piece))) - len(_ESCAPE.findall(piece))
    return found
