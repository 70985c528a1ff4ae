"""What a lexeme allows: the tokens that stay inside it, and the places where a token can leave it.

This depends on the lexeme alone, so it is remembered for all schemas. Small tries are walked in Python, the whole
vocabulary by a compiled kernel; and strings, whose states are many, mostly get by without a walk of their own:

* where every text can be gone on from, all tokens of free text may come (:class:`.FreeText`);
* bounds on the length cut what the pattern beside them allows, walked once for all bounds (:class:`.Lengths`);
* finitely many words less change nothing where words grow without end (:class:`.Endless`);
* limits on what characters weigh cut what the language without the limit allows (:class:`.Weighing`);
* where any letters may come, tokens of letters may, and the others are looked at (:class:`_Spelled`);
* how a string can end is read from the few texts that precede a quote in some token (:class:`.Endings`).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ..language.charset import CharSet
from ..language.decide import FuelExhausted, is_empty
from ..language.lexemes import QUOTE, Lexeme, Text, text
from ..language.names import OtherName
from ..language.runs import FreeRun, Weighed, counts_along, free_run, weighed
from ..language.terms import ANY, Or, Term, Words, derivative
from ..language.texts import spelled
from .automaton import Automaton
from .bitmask import add_tokens
from .content import Content, row_or_tokens
from .counted import most_begun, with_limit
from .endings import Endings, Suffixes, num_up_to
from .endless import Endless, without_exceptions
from .lengths import FreeText, Lengths, num_characters, without_bounds
from .pool import Recent
from .trie import TokenTrie, TrieNode, merged
from .weights import Weighing, Weights

if TYPE_CHECKING:
    from .vocabulary import Vocabulary

#: A lexeme's number, and a node unless it is the root: what is allowed does not keep lexemes alive.
ContentKey = int | tuple[int, TrieNode]

_KERNEL_FROM = 96  # nodes: a smaller subtrie is walked in Python
_MANY_ROUNDS = 4  # of a group: with fewer left, states are few, and not worth a walk for all counts
_MANY_WORDS = 1_024
_FEW_NAMES = 8  # of which it is asked anew what ends them
_MAX_LENGTHS = 48  # patterns remembered with the lengths or weights of their words: up to 1.2 MB each


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
        self.known: Recent[ContentKey, Content] = Recent()
        self._merged: dict[tuple[int, ...], TrieNode] = {}
        self._lengths: Recent[Term, Lengths] = Recent()
        self._counted: Recent[Term, tuple[Lengths, int]] = Recent()  # with the most rounds that a token can begin
        self._limited: dict[Term, Term] = {}  # parts of languages with another limit on their groups
        self._endless: Recent[Term, Endless] = Recent()
        self._spelled: dict[CharSet, _Spelled] = {}
        self._weights: dict[bytes, Weights] = {}
        self._weighings: Recent[Term, Weighing] = Recent()
        self._free: FreeText | None = None
        self._free_at: dict[TrieNode, FreeText] = {}
        self.suffixes = Suffixes(vocabulary.tokens)

    def prepare(self) -> None:
        """Makes what all strings have in common, which takes a tenth of a second at 150,000 tokens."""
        self.free  # noqa: B018
        self.closing  # noqa: B018

    def forget(self, room: int) -> int:
        """Drops all that is remembered but the contents used last, up to ``room`` bytes of rows; returns how many."""
        kept, used = Recent[ContentKey, Content](), 0
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
        self._counted.clear()
        self._limited.clear()
        self._endless.clear()
        self._weighings.clear()
        self._automaton.forget()
        return used

    @property
    def table_bytes(self) -> int:
        """The memory of the table of lexemes, and of what tokens need in languages with bounds."""
        lengths = [*self._lengths.values(), *[found for found, _ in self._counted.values()]]
        return self._automaton._table.nbytes + sum(found.num_bytes for found in lengths)

    @property
    def free(self) -> FreeText:
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

    def free_at(self, node: TrieNode) -> FreeText:
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

    def _free_text(self) -> FreeText:
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
        return FreeText(inside, self.lengths[inside], endings, self._vocabulary.n_vocab)

    def _free_below(self, node: TrieNode) -> FreeText:
        inside: list[tuple[int, bytes]] = []
        closing: list[tuple[int, bytes, bytes]] = []
        stack: list[tuple[Lexeme, TrieNode, bytes]] = [(text(ANY), node, b"")]
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
        return FreeText(tokens, num_characters([s for _, s in inside]), endings, self._vocabulary.n_vocab)

    def content(self, lexeme: Lexeme, node: TrieNode) -> Content:
        """What ``lexeme`` allows from ``node`` on."""
        if type(lexeme) is OtherName and len(lexeme.node) <= _FEW_NAMES:
            return self._beside(lexeme, node)
        key: ContentKey = lexeme.number if node is self._trie.root else (lexeme.number, node)
        content = self.known.get(key)
        if content is None:
            content = self.known[key] = self._content(lexeme, node)
        return content

    def _beside(self, lexeme: OtherName, node: TrieNode) -> Content:
        """In a name that is not declared, whatever goes on may come; only what would end a declared one may not."""
        free = self.free_at(node)
        return free.without(free.endings.among(lexeme.node))

    def _content(self, lexeme: Lexeme, node: TrieNode) -> Content:
        if type(lexeme) is OtherName:
            return self._beside(lexeme, node)
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
        row, tokens = row_or_tokens(found, self._vocabulary.n_vocab)
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
        return free.content(lexeme.term, closed) or self._read(lexeme, node, closed)

    def _read(self, lexeme: Text, node: TrieNode, closed: np.ndarray) -> Content:
        inside = self._read_inside(lexeme, node)
        return Content(*row_or_tokens(inside, self._vocabulary.n_vocab), None, closed)

    def _read_inside(self, lexeme: Text, node: TrieNode) -> np.ndarray:
        """The tokens below ``node`` that end inside ``lexeme``."""
        if type(lexeme.term) is Words and len(lexeme.term) <= _MANY_WORDS:
            return self._read_words(lexeme.term, node)
        if node.trie is self._trie and self._trie.size(node.index) >= _KERNEL_FROM:
            reached = self._automaton.walk(lexeme, self._trie, node.index)
            return self._trie.with_twins(reached.tokens, reached.states)[0]
        tokens: list[int] = []
        stack: list[tuple[Lexeme, TrieNode]] = [(lexeme, node)]
        while stack:
            state, here = stack.pop()
            for byte, child in here.children.items():
                moved = state.move(byte)
                if moved is not None:
                    tokens += child.tokens
                    if child.children:
                        stack.append((moved, child))
        return np.array(tokens, np.int32)

    def _read_words(self, term: Words, node: TrieNode) -> np.ndarray:
        """The same for a list of words, along the spelling of each."""
        tokens: set[int] = set()
        for word in term.words():
            tokens.update(node.tokens_along(spelled(word)))
        return np.array(sorted(tokens), np.int32)

    def _text(self, lexeme: Text) -> Content:
        if lexeme.term.unbounded:
            content = self.free.content(lexeme.term, self.free.endings.closed(lexeme.term))
            assert content is not None
            return content
        if type(lexeme.term) is Words and len(lexeme.term) <= _MANY_WORDS:
            return self._read(lexeme, self._trie.root, self.free.endings.closed(lexeme.term))
        if type(lexeme.term) is Or and any(map(counts_along, lexeme.term.items)):
            return self._any_of(lexeme.term)
        limit = weighed(lexeme.term)
        if limit is not None:
            tokens = self._weighing_of(limit).within(limit.left)
            closed = self.free.endings.closed(lexeme.term, one_by_one=True)
            return Content(*row_or_tokens(tokens, self._vocabulary.n_vocab), None, closed)
        run = free_run(lexeme.term)
        if run is not None:
            return self._after_run(lexeme, run)
        bounded = without_bounds(lexeme.term)
        term, low, high = bounded or (lexeme.term, 0, None)
        lengths = self._lengths_of_counted(term) if low == 0 else None
        if lengths is None and bounded is not None:
            lengths = self._lengths_of(term)
        content = None if lengths is None else lengths.content(low, high)
        if content is not None:
            return content
        closed = self.free.endings.closed(lexeme.term)
        return self._with_exceptions(lexeme, closed) or self._read(lexeme, self._trie.root, closed)

    def _with_exceptions(self, lexeme: Text, closed: np.ndarray) -> Content | None:
        """Without a walk, where finitely many words are left out of a language."""
        language = without_exceptions(lexeme.term)
        if language is None:
            return None
        found = self._endless.get(language)
        if found is None:
            reached = self._automaton.walk(text(language), self._trie)
            tokens, states = self._trie.with_twins(reached.tokens, reached.states)
            found = Endless(tokens, states, self._automaton.states, self._vocabulary.n_vocab)
            self._endless.keep(language, found, _MAX_LENGTHS)
        if found.row is None:
            return None
        row = found.row
        others = [t for t in found.others if _reads(lexeme, self._vocabulary.tokens[t] or b"")]
        if others:
            row = row.copy()
            add_tokens(row, others)
        return Content(row, (), None, closed)

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
        num_free = num_up_to(spelled.lengths, run.longest)
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
        row, few = row_or_tokens(tokens, self._vocabulary.n_vocab)
        return Content(row, few, None, self.free.endings.closed(lexeme.term, one_by_one=True))

    def _weighing_of(self, limit: Weighed) -> Weighing:
        found = self._weighings.get(limit.free)
        if found is None:
            weights = self._weights.get(limit.breaks)
            if weights is None:
                weights = self._weights[limit.breaks] = Weights(self._vocabulary.tokens, limit.breaks)
            reached = self._automaton.walk(text(limit.free), self._trie)
            tokens, states = self._trie.with_twins(reached.tokens, reached.states)
            found = Weighing(tokens, states, self._automaton.states, weights, limit)
            self._weighings.keep(limit.free, found, _MAX_LENGTHS)
        return found

    def _lengths_of_counted(self, term: Term) -> Lengths | None:
        """Those of ``term`` with other limits on its groups, where that makes no difference to tokens."""
        counted = with_limit(term, self._beyond_tokens, self._limited)
        if counted is None or (counted.fewest < _MANY_ROUNDS and counted.term not in self._counted):
            return None
        found = self._counted.get(counted.term)
        if found is None:
            lengths = self._new_lengths(counted.term)
            begun = most_begun(counted, self._automaton.known_after(text(counted.term)))
            found = lengths, begun
            self._counted.keep(counted.term, found, _MAX_LENGTHS)
        lengths, begun = found
        return lengths if lengths.exact and counted.fewest >= begun else None

    @cached_property
    def _beyond_tokens(self) -> int:
        """More rounds of a group than a token can begin."""
        return int(self.lengths.max(initial=0)) + 2

    def _lengths_of(self, term: Term) -> Lengths:
        found = self._lengths.get(term)
        if found is None:
            found = self._new_lengths(term)
            self._lengths.keep(term, found, _MAX_LENGTHS)
        return found

    def _new_lengths(self, term: Term) -> Lengths:
        return Lengths(self._vocabulary, self.free, self.lengths, self._automaton, term)


def _below(node: TrieNode) -> Iterator[tuple[int, bytes]]:
    """The tokens at and below ``node``, each with the bytes that lead to it from there."""
    stack = [(node, b"")]
    while stack:
        here, read = stack.pop()
        yield from ((token, read) for token in here.tokens)
        stack += [(child, read + bytes((byte,))) for byte, child in here.children.items()]
