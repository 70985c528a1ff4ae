"""The form in which it is told what a lexeme allows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .bitmask import Bitmask, row_of
from .trie import TrieNode

_DENSE_FROM = 64  # tokens: fewer are a list, more a row


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


def row_or_tokens(tokens: np.ndarray, n_vocab: int) -> tuple[Bitmask | None, tuple[int, ...]]:
    """A row, or a few tokens as they are, see :class:`Content`."""
    return (None, tuple(tokens.tolist())) if len(tokens) < _DENSE_FROM else (row_of(tokens, n_vocab), ())
