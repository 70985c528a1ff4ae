"""Tokens by their numbers of characters: in strings of which nothing else is asked, and beside a pattern."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..language.decide import FuelExhausted, is_empty
from ..language.lexemes import text
from ..language.terms import ANY_CHAR, And, Chars, Repeat, Term, intersect, is_length, length, repeat
from .automaton import Automaton
from .bitmask import Bitmask, row_of
from .content import Content, row_or_tokens
from .endings import NO_END, Endings, num_up_to

if TYPE_CHECKING:
    from .vocabulary import Vocabulary

_MAX_BOUNDS = 64  # contents remembered of each pattern
_MAX_FREE = 1_024  # contents remembered of free text at a node
_MAX_ODD = 64  # states whose lengths have gaps, to be asked one by one
_ESCAPE = re.compile(rb"\\(?:u[0-9a-f]{0,4}|[^u])?")


class FreeText:
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
        self._without: dict[tuple[int, ...], Content] = {}  # by the prefixes that may not come

    def content(self, term: Term, closed: np.ndarray) -> Content | None:
        """What ``term`` allows where any characters may come, up to some number; None for other terms."""
        if term.unbounded:
            number = len(self.inside)
        elif type(term) is Repeat and term.body is ANY_CHAR and term.high is not None:
            number = num_up_to(self.lengths, term.high)
        else:
            return None
        return self._content(number, closed)

    def without(self, prefixes: tuple[int, ...]) -> Content:
        """What may stand there if the string must not end after some of the ``prefixes`` of :attr:`endings`."""
        content = self._without.get(prefixes)
        if content is None:
            content = self._content(len(self.inside), ~self.endings.after_one_of(prefixes))
            self._without[prefixes] = content
        return content

    def _content(self, number: int, closed: np.ndarray) -> Content:
        key = number, closed.tobytes()
        content = self._known.get(key)
        if content is None:
            if len(self._known) == _MAX_FREE:
                self._known.clear()
                self._without.clear()
            whole = number == len(self.inside)
            content = self._known[key] = Content(*self._row(number), None, closed, whole)
        return content

    def _row(self, number: int) -> tuple[Bitmask | None, tuple[int, ...]]:
        if number not in self._rows:
            self._rows[number] = row_or_tokens(self.inside[:number], self._n_vocab)
        return self._rows[number]


class Lengths:
    """A language without bounds on the length, ready for any: what its tokens need to be completed.

    A token that adds c characters and leads to words of least..most characters fits into the bounds low..high when one
    of c + least..c + most does. Where the words' lengths have gaps, the language is asked. ``exact``: after each
    token there is a word of the least length.
    """

    def __init__(
        self, vocabulary: Vocabulary, free: FreeText, lengths: np.ndarray, automaton: Automaton, term: Term
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
        self._out_of_range = bool(len(needs)) and int(self._needs[-1]) >= NO_END
        self.exact = bool(self._attained.all())
        self._loose = bool((most == NO_END).all() and self._dense.all())
        if not self._loose:
            self._states, self._added = states[order], added[order]
            self._reach = self._added + most[self._states]
        self._known: dict[tuple, Content] = {}
        self._last: tuple[int, Bitmask] | None = None
        self.num_bytes = sum(part.nbytes for part in vars(self).values() if isinstance(part, np.ndarray))

    def content(self, low: int, high: int | None) -> Content | None:
        """What may come when ``low`` to ``high`` characters are wanted; None when that is too much to ask for."""
        if self._out_of_range:
            return None
        at = len(self._needs) if high is None else num_up_to(self._needs, high)
        closed = self._closed & self._free.endings.closed(length(low, high))
        only_needs = self._loose or (low == 0 and self.exact)
        key = (at, closed.tobytes()) if only_needs else (low, high)
        content = self._known.get(key)
        if content is None:
            row = self._row(at) if only_needs else self._fitting(at, low, high)
            if row is None:
                return None
            if len(self._known) == _MAX_BOUNDS:
                self._known.clear()
            content = self._known[key] = Content(row, (), None, closed)
        return content

    def _row(self, at: int) -> Bitmask:
        """The first ``at`` tokens; the last such row is kept."""
        if self._last is None or self._last[0] != at:
            self._last = at, row_of(self._tokens[:at], self._n_vocab)
        return self._last[1]

    def _fitting(self, at: int, low: int, high: int | None) -> Bitmask | None:
        """The row of those of the first ``at`` tokens that reach the bounds."""
        states, least = self._states[:at], min(low, NO_END)
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
        return row_of(self._tokens[:at][fit], self._n_vocab)


def _lengths(terms: tuple[Term, ...]) -> tuple[int, int, bool, bool]:
    """The least and the greatest length of words, whether the least occurs, and whether all between them do."""
    least = min([term.min_len for term in terms])
    most = max([NO_END if term.max_len is None else term.max_len for term in terms])
    dense, reach = all(term.contiguous for term in terms), least
    if len(terms) > 1 and dense:
        for term in sorted(terms, key=lambda term: term.min_len):
            dense &= term.min_len <= reach + 1
            reach = max(reach, NO_END if term.max_len is None else term.max_len)
    return min(least, NO_END), min(most, NO_END), all(term.plain for term in terms), dense


def without_bounds(term: Term) -> tuple[Term, int, int | None] | None:
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
