"""The form in which it is told what a lexeme allows."""

from __future__ import annotations

from itertools import count

import numpy as np

from .bitmask import Bitmask, row_of
from .trie import TrieNode

_DENSE_FROM = 64  # tokens: fewer are a list, more a row


class Content:
    """What a lexeme allows from a trie node on: the tokens that end inside it or with its end, and where it ends.

    ``row`` is a mask row, or None where ``tokens`` lists all of them. ``exits`` merges the nodes at which the lexeme
    ended. For strings, ``closed`` (num_tokens,) bool tells instead which tokens of :class:`Endings` close them, and
    ``tokens`` has none of these; ``whole``: all that stay inside a string of which nothing is asked may come.
    ``number`` is its own and never used again.
    """

    __slots__ = ("closed", "exits", "number", "row", "tokens", "whole")
    _numbers = count()

    def __init__(
        self,
        row: Bitmask | None,
        tokens: tuple[int, ...],
        exits: TrieNode | None,
        closed: np.ndarray | None = None,
        whole: bool = False,
    ) -> None:
        self.number = next(self._numbers)
        self.row, self.tokens, self.exits, self.closed, self.whole = row, tokens, exits, closed, whole


def row_or_tokens(tokens: np.ndarray, n_vocab: int) -> tuple[Bitmask | None, tuple[int, ...]]:
    """A row, or a few tokens as they are, see :class:`Content`."""
    return (None, tuple(tokens.tolist())) if len(tokens) < _DENSE_FROM else (row_of(tokens, n_vocab), ())
