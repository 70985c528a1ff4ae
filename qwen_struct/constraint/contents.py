"""What a lexeme allows: the tokens that stay inside it, and the places where a token can leave it.

This depends on the lexeme alone, so it is remembered for all schemas. Small tries are walked in Python, the whole
vocabulary by a compiled kernel; and strings, whose states are many, mostly get by without a walk of their own:

* where every text can be gone on from, all tokens of free text may come (:class:`_FreeText`);
* bounds on the length cut what the pattern beside them allows, walked once for all bounds (:class:`_Lengths`);
* where any letters may come, tokens of letters may, and the others are looked at (:class:`_Spelled`);
* how a string can end is read from the few texts that precede a quote in some token (:class:`Endings`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..language.charset import CharSet
from ..language.decide import FuelExhausted, is_empty
from ..language.lexemes import QUOTE, Lexeme, Text, text
from ..language.runs import FreeRun, Weighed, counts_along, free_run, weighed
from ..language.terms import (
    ANY,
    ANY_CHAR,
    And,
    Chars,
    Not,
    Or,
    Repeat,
    Term,
    Words,
    derivative,
    intersect,
    is_length,
    length,
    repeat,
    transitions,
)  # fmt: skip
from .automaton import Automaton
from .bitmask import Bitmask, add_tokens, row_of
from .pool import Recent
from .trie import TokenTrie, TrieNode, merged
from .weights import Weighing, Weights

if TYPE_CHECKING:
    from .vocabulary import Vocabulary

_KERNEL_FROM = 96  # nodes: a smaller subtrie is walked in Python
_DENSE_FROM = 64  # tokens: fewer are a list, more a row
_MAX_LENGTHS = 48  # patterns remembered with the lengths of their words: up to 1.2 MB each
_MAX_BOUNDS = 64  # contents remembered for each of them
_MAX_FREE = 1_024  # contents remembered of free text at a node, see _FreeText
_MAX_ODD = 64  # states whose lengths have gaps, to be asked one by one
_ESCAPE = re.compile(rb"\\(?:u[0-9a-f]{0,4}|[^u])?")
_NO_END = 1 << 30  # a length that stands for all above it, and for those without a bound


class Content(NamedTuple):
    """What a lexeme allows from a trie node on: the tokens that end inside it or with its end, and where it ends.

    ``row`` is a mask row, or None where ``tokens`` lists all of them. ``exits`` merges the nodes at which the lexeme
    ended. For strings, ``closed`` (num_tokens,) bool tells instead which tokens of :class:`Endings` close them, and
    ``tokens`` has none of these; ``whole``: all that stay inside a string of which nothing is asked may come.
    """

    row: Bitmask | None
    tokens: tuple[int, ...]
    exits: TrieNode | None
    closed: np.ndarray | None = None
    whole: bool = False


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
        self._words: dict[str, int] = {}
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
            return (self.lengths >= min(term.low, _NO_END)) & (
                self.lengths <= (_NO_END if term.high is None else min(term.high, _NO_END))
            )
        words = np.zeros(self._num_prefixes + 1, bool)  # the last for nodes where none ends
        if type(term) is Words and len(term) <= self._num_prefixes:
            words[[self._words.get(word, -1) for word in term.words()]] = True
            return words[self._prefixes]
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


class _Spelled:
    """The tokens of some ASCII characters only, and those that begin with one of them and go on with others.

    ``inside`` (n,) int32 by ``lengths`` (n,) int32; ``mixed`` are triples of token, bytes and the other byte that comes
    first. No quote ends them.
    """

    def __init__(self, vocabulary: Vocabulary, characters: CharSet) -> None:
        self.characters = bytes(characters)
        inside, self.mixed = [], []
        for token, word in enumerate(vocabulary.tokens):
            if word and word[0] in self.characters:
                rest = word.lstrip(self.characters)
                if not rest:
                    inside.append((len(word), token))
                elif QUOTE not in rest:
                    self.mixed.append((token, word, rest[0]))
        self.lengths, self.inside = np.array(sorted(inside), np.int32).reshape(-1, 2).T.copy()


def _first_bytes(characters: CharSet) -> frozenset[int]:
    """The bytes with which ``characters`` begin inside a JSON string."""
    found = {0x5C} if any(point in characters for point in (*range(0x20), QUOTE, 0x5C)) else set()
    for low, high in characters.ranges:
        found.update(range(chr(low).encode()[0], chr(high).encode()[0] + 1))
    return frozenset(found) - {QUOTE}


def _reads(lexeme: Text, word: bytes) -> bool:
    """Whether ``word`` may come; by whole characters where it has no others."""
    try:
        characters = word.decode()
        if not characters.isprintable() or "\\" in characters:
            raise ValueError
        term = lexeme.term
        for character in characters:
            term = derivative(term, ord(character))
            if not term.inhabited and is_empty(term):
                return False
        return True
    except (ValueError, FuelExhausted):
        return lexeme.run(word, 0, len(word)) is not None


class Contents:
    """Contents for one vocabulary."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._trie = vocabulary.trie
        self._automaton = Automaton()
        self.known: Recent[tuple[Lexeme, TrieNode], Content] = Recent()
        self._merged: dict[tuple[int, ...], TrieNode] = {}
        self._lengths: Recent[Term, _Lengths] = Recent()
        self._spelled: dict[CharSet, _Spelled] = {}
        self._weights: dict[bytes, Weights] = {}
        self._weighings: Recent[Term, Weighing] = Recent()
        self._free: _FreeText | None = None
        self._free_at: dict[TrieNode, _FreeText] = {}
        self.suffixes = Suffixes(vocabulary.tokens)

    def prepare(self) -> None:
        """Makes what all strings have in common, which takes a tenth of a second at 150,000 tokens."""
        self.free  # noqa: B018
        self.closing  # noqa: B018

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
        self._free_at.clear()
        self._lengths.clear()
        self._weighings.clear()
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
            self._free = self._free_text()
        return self._free

    @property
    def root(self) -> TrieNode:
        """The root of the vocabulary's trie."""
        return self._trie.root

    @cached_property
    def closing(self) -> TrieNode:
        """The root of a trie of the tokens that close free text alone."""
        closing = set(self.free.endings.tokens.tolist())
        return TokenTrie([t if i in closing else None for i, t in enumerate(self._vocabulary.tokens)]).root

    def free_at(self, node: TrieNode) -> _FreeText:
        """The same for the tokens below ``node``, inside of which the string is."""
        if node is self._trie.root:
            return self.free
        free = self._free_at.get(node)
        if free is None:
            free = self._free_at[node] = self._free_below(node)
        return free

    @cached_property
    def lengths(self) -> np.ndarray:
        """The characters that tokens begin inside a string, (num_tokens,) int32."""
        return num_characters(self._vocabulary.tokens)

    def _free_text(self) -> _FreeText:
        trie, tokens = self._trie, self._vocabulary.tokens
        reached = self._automaton.walk(text(ANY), trie)
        inside, _ = trie.with_twins(reached.tokens, reached.states)
        closing = []
        for exit_ in reached.exits.tolist():
            depth = int(trie.depth[exit_])
            for first in trie.token[exit_ : int(trie.skip[exit_])].tolist():
                for token in trie.twins.get(first, (first,)) if first >= 0 else ():
                    spelled = tokens[token] or b""
                    closing.append((token, spelled[:depth], spelled[depth:]))
        endings = Endings(closing, self.suffixes.numbers)
        return _FreeText(inside, self.lengths[inside], endings, self._vocabulary.n_vocab)

    def _free_below(self, node: TrieNode) -> _FreeText:
        inside: list[tuple[int, bytes]] = []
        closing: list[tuple[int, bytes, bytes]] = []
        stack = [(text(ANY), node, b"")]
        while stack:
            state, here, read = stack.pop()
            for byte, child in here.children.items():
                moved = state.moves.get(byte)
                if moved is not None:
                    spelled = read + bytes((byte,))
                    inside += [(token, spelled) for token in child.tokens]
                    stack.append((moved, child, spelled))
                elif byte == QUOTE and state.quote:
                    closing += [(token, read + b'"', suffix) for token, suffix in _below(child)]
        tokens, endings = np.array([t for t, _ in inside], np.int32), Endings(closing, self.suffixes.numbers)
        return _FreeText(tokens, num_characters([s for _, s in inside]), endings, self._vocabulary.n_vocab)

    def content(self, lexeme: Lexeme, node: TrieNode) -> Content:
        """What ``lexeme`` allows from ``node`` on."""
        key = (lexeme, node)
        content = self.known.get(key)
        if content is None:
            content = self.known[key] = self._content(lexeme, node)
        return content

    def _content(self, lexeme: Lexeme, node: TrieNode) -> Content:
        if type(lexeme) is Text:
            return self._text(lexeme) if node is self._trie.root else self._text_at(lexeme, node)
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
        found = np.concatenate((inside, np.array([t for e in exits for t in e.tokens], np.int32)))
        row, tokens = _row_or_tokens(found, self._vocabulary.n_vocab)
        return Content(row, tokens, self._merge([e for e in exits if self._trie.size(e.index) > 1]))

    def _merge(self, exits: list[TrieNode]) -> TrieNode | None:
        if not exits:
            return None
        key = tuple(e.index for e in exits)
        node = self._merged.get(key)
        if node is None:
            node = self._merged[key] = merged(exits)
        return node

    # Strings at the root. ---------------------------------------------------------------------------------------

    def _text_at(self, lexeme: Text, node: TrieNode) -> Content:
        """The same from inside a token."""
        free = self.free_at(node)
        closed = free.endings.closed(lexeme.term)
        content = free.content(lexeme.term, closed)
        if content is None:
            inside = self._read_inside(lexeme, node)
            content = Content(*_row_or_tokens(inside, self._vocabulary.n_vocab), None, closed)
        return content

    def _read_inside(self, lexeme: Lexeme, node: TrieNode) -> np.ndarray:
        """The tokens below ``node`` that end inside ``lexeme``."""
        if node.trie is self._trie and self._trie.size(node.index) >= _KERNEL_FROM:
            reached = self._automaton.walk(lexeme, self._trie, node.index)
            return self._trie.with_twins(reached.tokens, reached.states)[0]
        tokens: list[int] = []
        stack = [(lexeme, node)]
        while stack:
            state, here = stack.pop()
            for byte, child in here.children.items():
                moved = state.move(byte)
                if moved is not None:
                    tokens += child.tokens
                    if child.children:
                        stack.append((moved, child))
        return np.array(tokens, np.int32)

    def _text(self, lexeme: Text) -> Content:
        if lexeme.term.unbounded:
            content = self.free.content(lexeme.term, self.free.endings.closed(lexeme.term))
            assert content is not None
            return content
        if type(lexeme.term) is Or and any(map(counts_along, lexeme.term.items)):
            return self._any_of(lexeme.term)
        limit = weighed(lexeme.term)
        if limit is not None:
            tokens = self._weighing_of(limit).within(limit.left)
            closed = self.free.endings.closed(lexeme.term, one_by_one=True)
            return Content(*_row_or_tokens(tokens, self._vocabulary.n_vocab), None, closed)
        run = free_run(lexeme.term)
        if run is not None:
            return self._after_run(lexeme, run)
        bounded = _without_bounds(lexeme.term)
        if bounded is not None:
            content = self._lengths_of(bounded[0]).content(*bounded[1:])
            if content is not None:
                return content
        closed = self.free.endings.closed(lexeme.term)
        inside = self._read_inside(lexeme, self._trie.root)
        return Content(*_row_or_tokens(inside, self._vocabulary.n_vocab), None, closed)

    def _any_of(self, term: Or) -> Content:
        """Item by item: the states of each are few, those of all together as many as their counters have values."""
        row = np.zeros(self._vocabulary.num_words, np.int32)
        for item in term.items:
            content = self.content(text(item), self._trie.root)
            add_tokens(row, content.tokens)
            if content.row is not None:
                row |= content.row
        return Content(row, (), None, self.free.endings.closed(term, one_by_one=True))

    def _after_run(self, lexeme: Text, run: FreeRun) -> Content:
        """Asks only for tokens that are not wholly in the run. Those that begin in it are read one by one."""
        spelled = self._spelled.get(run.characters)
        if spelled is None:
            spelled = self._spelled[run.characters] = _Spelled(self._vocabulary, run.characters)
        num_free = int(np.searchsorted(spelled.lengths, run.longest, side="right"))
        others = _first_bytes(run.others)
        read = [(token, word) for token, word, other in spelled.mixed if other in others]
        read += [(token, self._vocabulary.tokens[token] or b"") for token in spelled.inside[num_free:].tolist()]
        found = [spelled.inside[:num_free], [token for token, word in read if _reads(lexeme, word)]]
        for byte, child in self._trie.root.children.items():
            moved = lexeme.move(byte) if byte in others else None
            if moved is not None:
                found.append(child.tokens)
                reached = self._automaton.walk(moved, self._trie, child.index)
                found.append(self._trie.with_twins(reached.tokens, reached.states)[0].copy())
        tokens = np.concatenate([np.asarray(some, np.int32) for some in found])
        row, few = _row_or_tokens(tokens, self._vocabulary.n_vocab)
        return Content(row, few, None, self.free.endings.closed(lexeme.term, one_by_one=True))

    def _weighing_of(self, limit: Weighed) -> Weighing:
        found = self._weighings.get(limit.free)
        if found is None:
            weights = self._weights.get(limit.breaks)
            if weights is None:
                weights = self._weights[limit.breaks] = Weights(self._vocabulary.tokens, limit.breaks)
            while len(self._weighings) >= _MAX_LENGTHS:
                del self._weighings[next(iter(self._weighings))]
            reached = self._automaton.walk(text(limit.free), self._trie)
            tokens, states = self._trie.with_twins(reached.tokens, reached.states)
            found = Weighing(tokens, states, self._automaton.states, weights, limit)
            self._weighings[limit.free] = found
        return found

    def _lengths_of(self, term: Term) -> _Lengths:
        found = self._lengths.get(term)
        if found is None:
            while len(self._lengths) >= _MAX_LENGTHS:
                del self._lengths[next(iter(self._lengths))]
            found = self._lengths[term] = _Lengths(self._vocabulary, self.free, self.lengths, self._automaton, term)
        return found


class _FreeText:
    """What may stand inside a string of which nothing is asked, from a trie node on.

    ``inside`` (num_tokens,) int32 are the tokens that stay inside, by the characters that they begin, ``lengths``;
    ``endings`` those that close the string.
    """

    def __init__(self, inside: np.ndarray, lengths: np.ndarray, endings: Endings, n_vocab: int) -> None:
        order = np.argsort(lengths, kind="stable")
        self.inside, self.lengths, self.endings = inside[order], lengths[order], endings
        self._n_vocab = n_vocab
        self._rows: dict[int, tuple[Bitmask | None, tuple[int, ...]]] = {}
        self._known: dict[tuple[int, bytes], Content] = {}

    def content(self, term: Term, closed: np.ndarray) -> Content | None:
        """What ``term`` allows where any characters may come, up to some number; None for other terms."""
        if term.unbounded:
            number = len(self.inside)
        elif type(term) is Repeat and term.body is ANY_CHAR and term.high is not None:
            number = int(np.searchsorted(self.lengths, min(term.high, _NO_END), side="right"))
        else:
            return None
        key = number, closed.tobytes()
        content = self._known.get(key)
        if content is None:
            if len(self._known) == _MAX_FREE:
                self._known.clear()
            whole = number == len(self.inside)
            content = self._known[key] = Content(*self._row(number), None, closed, whole)
        return content

    def _row(self, number: int) -> tuple[Bitmask | None, tuple[int, ...]]:
        if number not in self._rows:
            self._rows[number] = _row_or_tokens(self.inside[:number], self._n_vocab)
        return self._rows[number]


class _Lengths:
    """A language without bounds on the length, ready for any: what its tokens need to be completed.

    A token that adds c characters and leads to words of least..most characters fits into the bounds low..high when one
    of c + least..c + most does. Where the words' lengths have gaps, the language is asked.
    """

    def __init__(
        self, vocabulary: Vocabulary, free: _FreeText, lengths: np.ndarray, automaton: Automaton, term: Term
    ) -> None:
        self._n_vocab, self._free = vocabulary.n_vocab, free
        self._closed = free.endings.closed(term)
        reached = automaton.walk(text(term), vocabulary.trie)
        tokens, states = vocabulary.trie.with_twins(reached.tokens, reached.states)
        numbers = np.flatnonzero(np.bincount(states))
        self._lexemes = [automaton.states[i] for i in numbers.tolist()]
        places = np.zeros(len(automaton.states), np.int32)
        places[numbers] = np.arange(len(numbers), dtype=np.int32)
        extremes = np.array([_lengths(lexeme.targets()) for lexeme in self._lexemes], np.int32).reshape(-1, 4)
        least, most, self._attained, self._dense = extremes.T.copy()
        states, added = places[states], lengths[tokens]
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


def _row_or_tokens(tokens: np.ndarray, n_vocab: int) -> tuple[Bitmask | None, tuple[int, ...]]:
    """A row, or a few tokens as they are, see :class:`Content`."""
    return (None, tuple(tokens.tolist())) if len(tokens) < _DENSE_FROM else (row_of(tokens, n_vocab), ())


def _below(node: TrieNode) -> Iterator[tuple[int, bytes]]:
    """The tokens at and below ``node``, each with the bytes that lead to it from there."""
    stack = [(node, b"")]
    while stack:
        here, read = stack.pop()
        yield from ((token, read) for token in here.tokens)
        stack += [(child, read + bytes((byte,))) for byte, child in here.children.items()]


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
    ends = np.cumsum([len(t or b"") for t in texts], dtype=np.int64)
    found = np.diff(begun[ends], prepend=0).astype(np.int32)
    for i, piece in enumerate(texts):
        if piece is not None and b"\\" in piece:
            found[i] -= len(b"".join(_ESCAPE.findall(piece))) - len(_ESCAPE.findall(piece))
    return found
