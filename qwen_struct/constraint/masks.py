"""Which tokens may come at a position.

A token either stays inside the lexeme being read, or closes it and goes on into what follows. The first part depends on
the lexeme alone and is remembered for all schemas (:mod:`.contents`); the second is what a token can see of what
follows (:mod:`.views`). Positions with the same view have one mask.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from ..language.positions import Position
from .bitmask import add_tokens
from .content import Content
from .contents import ContentKey, Contents
from .outlooks import Outlooks
from .views import Sight, Tails, View, Views

if TYPE_CHECKING:
    from .pool import MaskPool
    from .vocabulary import Vocabulary


# Bytes that one takes on average: a content without its row, a view with what it is found by, and so on.
_CONTENT, _VIEW, _SIGHT, _OUTLOOK = 1_000, 350, 130, 150


class Mask:
    """A position's mask: row ``number`` of ``pool``, also as bytes.

    ``unsettled`` are tokens in it that depend on the names and items read so far as well.
    """

    __slots__ = ("bytes", "number", "pool", "row", "unsettled")

    def __init__(self, pool: MaskPool, number: int, unsettled: tuple[int, ...]) -> None:
        self.pool, self.number, self.unsettled = pool, number, unsettled
        self.row = pool[number]
        self.bytes = pool.bytes_of(number)


class MaskBuilder:
    """Masks for one vocabulary."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._contents = Contents(vocabulary)
        self._contents.prepare()
        self._outlooks = Outlooks(vocabulary.tokens)
        self._start()

    def _start(self) -> None:
        tails = Tails(self._contents, self._outlooks) if self._contents.suffixes.roots else None
        self._views = Views(self._contents, self._outlooks, self._vocabulary.tokens, tails)
        self._masks: dict[tuple[int, bool], Mask] = {}
        self._sights: dict[Sight, Mask] = {}

    @property
    def contents(self) -> Mapping[ContentKey, Content]:
        """What lexemes allow, as far as it is remembered; those used last come last."""
        return self._contents.known

    @property
    def num_bytes(self) -> int:
        """The memory that contents and the table of lexemes take, by estimate for what is not an array."""
        rows = {id(c.row): c.row.nbytes for c in self.contents.values() if c.row is not None}  # many share one
        known = _CONTENT * len(self.contents) + _VIEW * self._views.num_known
        known += _SIGHT * len(self._sights) + _OUTLOOK * self._outlooks.num_known
        return sum(rows.values()) + known + self._contents.table_bytes

    def forget(self, room: int) -> int:
        """Drops all that is remembered but the contents used last, up to ``room`` bytes of rows; returns how many."""
        self._outlooks.forget()
        self._start()
        return self._contents.forget(room)

    def mask(self, position: Position) -> Mask:
        """The mask of ``position``; remembered on it. Under the vocabulary's lock."""
        sight = self._views.sight(position.threads, self._vocabulary.trie.root)
        mask = self._sights.get(sight)
        if mask is None:
            view = self._views.of(position.threads, self._vocabulary.trie.root)
            key = view.number, position.accepting
            mask = self._masks.get(key)
            if mask is None:
                mask = self._masks[key] = self._build(view, position.accepting)
            self._sights[sight] = mask
        position.info = mask
        return mask

    def _build(self, view: View, accepting: bool) -> Mask:
        row = np.zeros(self._vocabulary.num_words, np.int32)
        unsettled: set[int] = set()
        for leaf in view.leaves():
            if leaf.row is not None:
                row |= leaf.row
            if len(leaf.tokens):
                add_tokens(row, leaf.tokens)
            unsettled.update(np.asarray(leaf.unsettled, np.int32).tolist())
        if accepting:
            add_tokens(row, self._vocabulary.eos_token_ids)
        pool = self._vocabulary.mask_pool
        return Mask(pool, pool.add(row), tuple(sorted(unsettled)))
