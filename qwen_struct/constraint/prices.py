"""What each token at a position costs: the tokens that complete the document after it.

Tokens that stay inside a string are priced by the states that they lead to, for all of them at once. The others are
walked along the trie of tokens, as :mod:`.masks` does it, so that each place that they come to is priced once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..language.continuations import Continuation, Thread
from ..language.lexemes import END, QUOTE, Lexeme, Literal, Number, Text
from ..language.names import Name
from ..language.positions import Position
from ..language.shortest import Shortest
from .bitmask import Bitmask
from .trie import TrieNode
from .words import Words

if TYPE_CHECKING:
    from .vocabulary import Vocabulary

UNKNOWN = 1 << 40  # tokens: where what comes depends on the text, and no bound holds for all texts
_SURE, _AFTER_NAME, _ASKING = range(3)

Piece = tuple[bytes, int, Continuation]  # a text from some place on, and what comes after it
Node = Continuation | Piece | Thread


class Step(NamedTuple):
    """From a node of the graph: the tokens to the end of the document, the first of them, and the node after it.

    ``whole``: the graph has all of them; else the text decides, and ``cost`` is a bound for all texts.
    """

    cost: int
    token: int
    after: Node | None
    whole: bool = True


class Costs(NamedTuple):
    """What tokens lead to from a position.

    ``tokens`` (n,) int32 leave the lexeme, or there is none; ``costs`` (n,) int64 are those of the positions after
    them, :data:`UNKNOWN` where the text decides. ``inside``: strings that all other tokens stay in, with the cost from
    their closing quote on. ``asking``: tokens whose positions depend on the text. ``most``: with more tokens left than
    that, all are allowed, as far as it is ``sure``.
    """

    tokens: np.ndarray
    costs: np.ndarray
    inside: tuple[tuple[Lexeme, int], ...]
    asking: tuple[int, ...]
    most: int
    sure: bool


class _Found:
    """What a walk collects: the costs of tokens, and those whose costs depend on the text."""

    def __init__(self, texts: Sequence[bytes | None]) -> None:
        self.texts = texts
        self.costs: dict[int, int] = {}
        self.asking: set[int] = set()
        self.seen: set[tuple[Lexeme, Continuation, TrieNode, int]] = set()


class _Tail(NamedTuple):
    """The costs of the closers of a string, see :class:`.words.Closers`: (num_tokens,) int64, -1 for those that cannot
    come; and which of them depend on the text, (num_tokens,) bool.
    """

    costs: np.ndarray
    asking: np.ndarray


class Prices:
    """For the documents of one schema; ``step`` finds completions."""

    def __init__(self, shortest: Shortest, words: Words, step: Callable[[Node], Step], vocabulary: Vocabulary) -> None:
        self._shortest, self._words, self._step, self._vocabulary = shortest, words, step, vocabulary
        self._tails: dict[Continuation, _Tail] = {}

    def costs(self, position: Position, row: Bitmask) -> Costs:
        """Those of the tokens in ``row``, which may come at ``position``."""
        found = _Found(self._vocabulary.tokens)
        inside: list[tuple[Lexeme, int]] = []
        for lexeme, after in position.threads:
            if type(lexeme) is Literal or type(lexeme) is Number or type(lexeme) is Name:
                self._collect(((lexeme, after),), self._vocabulary.trie.root, found, _SURE)
                continue
            inside.append((lexeme, self._cost((b'"', 0, after))))
            if isinstance(lexeme, Text):
                self._add_closers(lexeme, after, row, found)
            else:
                self._leave(lexeme, after, self._vocabulary.trie.root, found, _SURE)
        bounds = [*found.costs.values(), *(closing + self._words.inside(lexeme).most for lexeme, closing in inside)]
        return Costs(
            np.array(list(found.costs), np.int32),
            np.array(list(found.costs.values()), np.int64),
            tuple(inside),
            tuple(found.asking),
            max([bound for bound in bounds if bound < UNKNOWN], default=0),
            not found.asking and all(bound < UNKNOWN for bound in bounds),
        )

    def _cost(self, node: Node) -> int:
        """What a position at ``node`` costs, which knows less of the text than one on the way through it."""
        if isinstance(node, Continuation) and node.captures is None:
            return min([self._step(thread).cost for thread in node.open()])
        return self._step(node).cost

    # Strings at the root. ---------------------------------------------------------------------------------------

    def _add_closers(self, lexeme: Text, after: Continuation, row: Bitmask, found: _Found) -> None:
        tail, closers = self._tail(after), self._words.closers
        tokens = closers.tokens
        there = (tail.costs >= 0) & (row[tokens >> 5] >> (tokens & 31) & 1).astype(bool)
        for i in np.flatnonzero(there).tolist():
            word = closers.prefixes[i]
            state = lexeme.run(word, 0, len(word))
            if state is not None and state.quote:
                if tail.asking[i]:
                    found.asking.add(int(tokens[i]))
                else:
                    _note(found, int(tokens[i]), int(tail.costs[i]))

    def _tail(self, after: Continuation) -> _Tail:
        tail = self._tails.get(after)
        if tail is None:
            closers = self._words.closers
            found = _Found(closers.texts)
            self._end((closers.root.tokens, closers.root), after, found, _SURE)
            costs, asking = np.full(len(closers.texts), -1, np.int64), np.zeros(len(closers.texts), bool)
            costs[list(found.costs)] = list(found.costs.values())
            asking[list(found.asking)] = True
            costs[asking & (costs < 0)] = UNKNOWN
            tail = self._tails[after] = _Tail(costs[closers.suffixes], asking[closers.suffixes])
        return tail

    # The walk. --------------------------------------------------------------------------------------------------

    def _collect(self, threads: Iterable[Thread], place: TrieNode, found: _Found, mode: int) -> None:
        """Prices the tokens below ``place`` that one of ``threads`` reads."""
        for lexeme, after in threads:
            key = (lexeme, after, place, mode)
            if lexeme is END or key in found.seen:
                continue
            found.seen.add(key)
            if type(lexeme) is Literal:
                self._literal(lexeme.text, after, place, found, mode)
            elif type(lexeme) is Name:
                self._name(lexeme, after, place, found, mode)
            else:
                for state, tokens in self._words.reach(lexeme, place).inside:
                    self._add(tokens, (state, after), found, mode)
                self._leave(lexeme, after, place, found, mode)

    def _literal(self, text: bytes, after: Continuation, place: TrieNode, found: _Found, mode: int) -> None:
        for at, child in enumerate(place.path(text), 1):
            if at == len(text):
                self._end((child.tokens, child), after, found, mode)
            elif child.tokens:
                self._add(child.tokens, (text, at, after), found, mode)

    def _name(self, lexeme: Name, after: Continuation, place: TrieNode, found: _Found, mode: int) -> None:
        stack = [(lexeme.node, place)]
        while stack:
            names, here = stack.pop()
            child = here.children.get(QUOTE)
            if child is not None and names.index is not None and lexeme.possible(names.index):
                self._end((child.tokens, child), after.member(names.index), found, mode)
            for byte, longer in names.children:
                following = here.children.get(byte)
                inside = None if following is None else lexeme.below(longer)
                if following is not None and inside is not None:
                    if following.tokens:
                        self._add(following.tokens, (inside, after), found, mode)
                    stack.append((longer, following))

    def _leave(self, lexeme: Lexeme, after: Continuation, place: TrieNode, found: _Found, mode: int) -> None:
        """Goes on where the tokens below ``place`` leave a string or number."""
        end = self._words.reach(lexeme, place).exit
        if end is not None:
            self._end(((), end) if type(lexeme) is Number else (end.tokens, end), after, found, mode)

    def _end(self, end: tuple[Sequence[int], TrieNode], after: Continuation, found: _Found, mode: int) -> None:
        """Prices the tokens at and below a node at which a lexeme has ended."""
        tokens, place = end
        threads: Sequence[Thread] = after.open() if place.children else ()
        if mode == _ASKING or after.captures is None:
            pass
        elif not self._shortest.ways(after):
            if tokens:
                self._add(tokens, after, found, mode)
            tokens, mode = (), _ASKING
        elif after.plenty is None:
            mode = max(mode, _AFTER_NAME)
        else:
            closing = [thread for thread in threads if _closes(thread)]
            self._collect(closing, place, found, mode)
            if tokens:
                self._add(tokens, after, found, mode)
            tokens, threads, mode = (), [thread for thread in threads if not _closes(thread)], _ASKING
        if tokens:
            self._add(tokens, after, found, mode)
        self._collect(threads, place, found, mode)

    def _add(self, tokens: Iterable[int], node: Node, found: _Found, mode: int) -> None:
        if mode == _ASKING:
            found.asking.update(tokens)
            return
        cost = -1
        for token in tokens:
            if mode == _AFTER_NAME and b"," in (found.texts[token] or b""):
                found.asking.add(token)
                continue
            if cost < 0:
                cost = self._cost(node)
            _note(found, token, cost)


def _note(found: _Found, token: int, cost: int) -> None:
    known = found.costs.get(token)
    if known is None or cost < known:
        found.costs[token] = cost


def _closes(thread: Thread) -> bool:
    """Whether it is the end of an array, which may come whatever its items were."""
    lexeme = thread[0]
    return type(lexeme) is Literal and lexeme.text.endswith(b"]")
