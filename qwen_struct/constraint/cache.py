"""What a vocabulary remembers across schemas, and the limit of memory that it keeps to.

Everything learnt is remembered: compiled schemas, their positions, mask rows, and what lexemes allow. Rows are counted
to the byte; for Python objects the number of each kind is multiplied by what one takes on average. Above the limit,
what was used least recently is dropped until half of it is free. A grammar is dropped as a whole: it is made again when
it is next asked for a matcher, and matchers that are under way keep the states that they stand on until they are done.
So nothing that is interned by identity is ever half forgotten.
"""

from __future__ import annotations

import gc
import json
from collections.abc import Callable, Hashable
from itertools import accumulate, count
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakSet

from ..language import lexemes, terms
from .masks import Mask
from .pool import MaskPool
from .saved import saved_key

if TYPE_CHECKING:
    from .grammar import Grammar, Recipe
    from .saved import SavedGrammar
    from .vocabulary import Vocabulary

DEFAULT_LIMIT = 512 * 1024 * 1024  # bytes
_LOOK_EVERY = 8  # things learnt between two looks at what is quickly counted
_CHECK_EVERY = 64  # things learnt between two looks at the whole size, at least
_COMPILED_SHARE, _COMPILED_LEAST = 16, 16  # automata take this part of the limit, or there are few of them
_COLLECTED_SHARE = 32  # dropping automata of more than this part of the limit ends with a collection of garbage
_REST_EVERY = 16  # grammars made between two looks at how many automata there are
_MUCH = 65_536  # bytes that a thing learnt takes at the very most, on average over many

# Bytes that one takes on average with what hangs on it alone: fitted to tracemalloc over 70 schemas of MaskBench; over
# 140 others the sum is right to 4 %.
_LEXEME, _TERM = 500, 900  # a term with the lexeme that is the inside of a string of it


class CacheInfo(NamedTuple):
    """What a vocabulary remembers: memory and its limit in bytes, and how many of each.

    ``hits`` and ``misses`` count the calls of compile_schema that found the grammar, and that did not; ``evictions``
    the grammars dropped; ``resting`` are the grammars of which only the positions are kept.
    """

    bytes: int
    limit: int
    grammars: int
    positions: int
    rows: int
    contents: int
    hits: int
    misses: int
    evictions: int
    resting: int


class Cache:
    """The grammars of one vocabulary and the accounts of its memory. Every method is called under its lock."""

    def __init__(self, vocabulary: Vocabulary, limit: int) -> None:
        self._vocabulary = vocabulary
        self.limit = limit
        self.hits = self.misses = self.evictions = 0
        self.clock = count()  # a grammar notes the time when it is used
        self.alive: WeakSet[Grammar] = WeakSet()  # all that have states, those held by their users alone too
        self._by_key: dict[Hashable, list[Grammar]] = {}
        self._not_mine = self._num_lexemes_and_terms()  # of other vocabularies, and what modules hold
        self._tired: list[tuple[Grammar, int]] = []  # to be put to rest, with the times when they were last used
        self._learnt = self._added = 0
        self._next_look = _CHECK_EVERY
        self._size_then = 0

    # Grammars. --------------------------------------------------------------------------------------------------

    def find(self, key: Hashable, retrieve: Callable[[str], Any] | None) -> Grammar | None:
        """The grammar made for ``key`` if ``retrieve`` still gives the documents that it was made from."""
        for grammar in self._by_key.get(key, ()):
            if not grammar.documents or _same_documents(grammar.documents, retrieve):
                self.hits += 1
                grammar.touch()
                return grammar
        self.misses += 1
        return None

    def add(self, key: Hashable, grammar: Grammar) -> None:
        """Remembers a grammar that :meth:`find` did not."""
        self._by_key.setdefault(key, []).append(grammar)
        self._added += 1
        if self._added % _REST_EVERY == 0:
            self._find_tired()

    def _find_tired(self) -> None:
        """Notes which automata are too many: those that were not used for long."""
        compiled = [grammar for grammar in self.grammars() if grammar.is_compiled]
        sizes = accumulate([grammar.num_bytes for grammar in compiled])
        num_kept = sum(size <= self.limit // _COMPILED_SHARE for size in sizes)
        self._tired = [(grammar, grammar.used) for grammar in compiled[max(num_kept, _COMPILED_LEAST) :]]

    def saved(self, recipe: Recipe, retrieve: Callable[[str], Any] | None) -> SavedGrammar | None:
        """What was loaded for ``recipe``; it is handed out once."""
        if recipe.schema is None or not self._vocabulary.saved:
            return None
        found = self._vocabulary.saved.get(saved_key(recipe), [])
        for grammar in found:
            if _same_documents(grammar.documents, retrieve):
                found.remove(grammar)
                return grammar
        return None

    def grammars(self) -> list[Grammar]:
        """Those that have states, the most recently used first."""
        return sorted((g for g in self.alive if g.has_states), key=lambda g: -g.used)

    # Memory. ----------------------------------------------------------------------------------------------------

    def info(self) -> CacheInfo:
        grammars = self.grammars()
        return CacheInfo(
            bytes=self._size(),
            limit=self.limit,
            grammars=len(grammars),
            positions=sum(g.num_positions for g in grammars),
            rows=self._vocabulary.mask_pool.num_rows,
            contents=len(self._vocabulary.masks.contents),
            hits=self.hits,
            misses=self.misses,
            evictions=self.evictions,
            resting=sum(g.is_resting for g in grammars),
        )

    def grew(self) -> None:
        """To be called when something was learnt: now and then, it drops what is too much."""
        self._learnt += 1
        if self._learnt % _LOOK_EVERY:
            return
        if self._tired:  # one at a time, which takes a fraction of a millisecond
            grammar, used = self._tired.pop()
            if grammar.used == used and grammar.is_compiled:
                grammar.rest()
        if self._learnt >= self._next_look or self._shared_size() > self._size_then + self.limit // 16:
            self.trim()

    def trim(self) -> None:
        """Drops what is too much."""
        size = self._size()
        if size > self.limit:
            self._drop()
        # Looking at each grammar takes a millisecond: not often, and seldom while there is much room.
        self._next_look = max(_CHECK_EVERY, 8 * len(self.alive), (self.limit - size) // _MUCH)
        self._learnt, self._size_then = 0, self._shared_size()

    def _size(self) -> int:
        return (
            self._shared_size()
            + self._vocabulary.masks.num_bytes
            + sum(g.num_bytes for g in self.alive if g.has_states)
            + sum(s.num_bytes for same in self._vocabulary.saved.values() for s in same)
        )

    def _shared_size(self) -> int:
        """What is known without a look at each grammar: rows, terms and the states of lexemes."""
        num_lexemes, num_terms = self._num_lexemes_and_terms()
        mine = max(num_lexemes - self._not_mine[0], 0) * _LEXEME + max(num_terms - self._not_mine[1], 0) * _TERM
        return mine + self._vocabulary.mask_pool.num_bytes

    @staticmethod
    def _num_lexemes_and_terms() -> tuple[int, int]:
        return len(lexemes._table), len(terms._table)

    def _drop(self) -> None:
        """Keeps what was used last, as far as half of the limit goes, and forgets the rest."""
        self._keep(self.limit // 2)
        if self._size() > self.limit:
            self._keep(0)
        if self._size() > self.limit:
            self._not_mine = self._num_lexemes_and_terms()

    def _keep(self, room: int) -> None:
        vocabulary = self._vocabulary
        vocabulary.saved.clear()
        room -= vocabulary.masks.forget(room // 2)
        old, pool = vocabulary.mask_pool, MaskPool(vocabulary.num_words)
        numbers: dict[int, int] = {}  # in the old pool -> in the new one
        in_circles = 0  # bytes of automata that are dropped, whose states refer to each other
        vocabulary.finished.info = None
        for grammar in self.grammars():
            masks = grammar.masks()
            rows = {m.number: m.row for m in masks if m.pool is old and m.number not in numbers}
            cost = grammar.num_bytes + len(rows) * vocabulary.num_words * 4
            if cost > room:
                in_circles += grammar.num_bytes if grammar.is_compiled else 0
                grammar.drop_states()
                self.evictions += 1
                continue
            room -= cost
            numbers.update((number, pool.add(row)) for number, row in rows.items())
            places = {m: numbers[m.number] if m.pool is old else pool.add(m.row) for m in masks}
            grammar.exchange({mask: Mask(pool, number, mask.unsettled) for mask, number in places.items()})
        vocabulary.mask_pool = pool
        self._by_key = {k: kept for k, gs in self._by_key.items() if (kept := [g for g in gs if g.has_states])}
        if in_circles > self.limit // _COLLECTED_SHARE:  # that takes up to a second; less waits for Python's own turn
            gc.collect()
        lexemes._table.sweep()
        terms._table.sweep()


def _same_documents(documents: dict[str, Any], retrieve: Callable[[str], Any] | None) -> bool:
    """Whether ``retrieve`` gives the same documents again."""
    try:
        return all(retrieve is not None and json.dumps(retrieve(uri)) == text for uri, text in documents.items())
    except Exception:  # whatever it is, compiling will say it in its own words
        return False
