"""Token bitmasks: one bit a token, 32 to a word, as llguidance, XGrammar and outlines-core lay them out."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

Bitmask = npt.NDArray[np.int32]


def allocate_token_bitmask(batch: int, n_vocab: int) -> Bitmask:
    """A zeroed mask of shape (batch, ceil(n_vocab / 32)), int32: bit ``t & 31`` of word ``t >> 5`` is token ``t``."""
    if batch < 1 or n_vocab < 1:
        raise ValueError(f"batch and n_vocab must be positive, not {batch} and {n_vocab}")
    return np.zeros((batch, -(-n_vocab // 32)), np.int32)


def row_of(token_ids: Iterable[int] | npt.NDArray[np.int32], n_vocab: int) -> Bitmask:
    """One row, shape (ceil(n_vocab / 32),), with the bits of ``token_ids`` set."""
    row = np.zeros(-(-n_vocab // 32), np.int32)
    add_tokens(row, token_ids)
    return row


def add_tokens(row: Bitmask, token_ids: Iterable[int] | npt.NDArray[np.int32]) -> None:
    """Sets the bits of ``token_ids`` in one row."""
    from .kernels import set_bits

    set_bits(row.view(np.uint32), token_ids if isinstance(token_ids, np.ndarray) else np.fromiter(token_ids, np.int32))


def allowed_tokens(row: Bitmask) -> list[int]:
    """The ids whose bits are set in one row, ascending."""
    bits = np.unpackbits(row.view(np.uint8), bitorder="little")
    return np.flatnonzero(bits).tolist()
