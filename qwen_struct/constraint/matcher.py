"""The one mutable thing of an output: where it stands in the grammar."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..language.positions import Position
from ..language.texts import string_start
from .bitmask import Bitmask

if TYPE_CHECKING:
    from .pool import MaskPool
    from .vocabulary import Vocabulary

_NOWHERE = memoryview(bytearray())


class Matcher:
    """Follows one output token by token. Not shareable between threads; :meth:`copy` is cheap.

    Where the grammar has been before, a step is a look-up: the position's mask is copied, its successor taken. What is
    new is learnt under the vocabulary's lock.
    """

    __slots__ = (
        "_bitmask", "_names_only", "_num_read", "_place", "_position", "_positions", "_read", "_row", "_tokens",
        "_vocabulary",
    )  # fmt: skip

    def __init__(self, vocabulary: Vocabulary, start: Position, names_only: bool = False) -> None:
        self._vocabulary = vocabulary
        self._position = start
        self._names_only = names_only  # nothing but a name's end depends on the text, and on the name alone
        self._positions: list[Position] = []  # before each token accepted so far
        self._tokens: list[int] = []  # these tokens
        self._read = bytearray()  # the text of the first of them, as far as it was asked for
        self._num_read = 0  # how many of them it has
        self._bitmask: Bitmask | None = None  # where the last mask was written: array, row, and the row's memory
        self._row = 0
        self._place = _NOWHERE

    def fill_next_token_bitmask(self, bitmask: Bitmask, row: int = 0) -> None:
        """Writes into ``bitmask[row]`` which tokens may come next, (batch, ceil(n_vocab / 32)) int32.

        A token's bit is set exactly when the text so far and the token can still become a valid document; those of the
        end-of-sequence tokens when it is one. When the output is finished, none is set but these.
        """
        mask: Any = self._position.info or self._vocabulary.mask(self._position)
        if bitmask is not self._bitmask or row != self._row:
            self._place = memoryview(bitmask[row]).cast("B")
            self._bitmask, self._row = bitmask, row
        self._place[:] = mask.bytes  # NumPy would take half a microsecond longer
        if mask.unsettled:
            self._settle(bitmask[row], mask.unsettled)

    def mask_id(self, pool: MaskPool | None = None) -> int:
        """The number of the same mask in ``pool``, by default the vocabulary's, see :class:`.MaskPool`."""
        mask: Any = self._position.info or self._vocabulary.mask(self._position)
        if pool is None:
            pool = self._vocabulary.mask_pool
        if mask.pool is pool and not mask.unsettled:
            number: int = mask.number
            return number
        row = mask.row.copy()
        if not self._settle(row, mask.unsettled) and mask.pool is pool:
            return int(mask.number)
        return self._vocabulary.add_row(pool, row)

    def _settle(self, row: Bitmask, tokens: tuple[int, ...]) -> bool:
        """Clears those of ``tokens`` that the text so far rules out; whether there are any."""
        words = row.view(np.uint32)
        refused = [token for token in tokens if self._advance(token) is None]
        for token in refused:
            words[token >> 5] &= ~np.uint32(1 << (token & 31))
        return bool(refused)

    def accept_token(self, token_id: int) -> bool:
        """Goes on with ``token_id``. False, and nothing changes, when the grammar refuses it."""
        position = self._position.successors.get(token_id)
        if position is None:
            position = self._advance(token_id)
            if position is None:
                return False
        self._positions.append(self._position)
        self._tokens.append(token_id)
        self._position = position
        return True

    def _advance(self, token_id: int) -> Position | None:
        """The position after a token, or None when it is refused."""
        vocabulary, position = self._vocabulary, self._position
        text = vocabulary.tokens[token_id] if 0 <= token_id < len(vocabulary.tokens) else None
        if text is None:
            ends = token_id in vocabulary.eos_token_ids and position.accepting
            return vocabulary.finished if ends and position is not vocabulary.finished else None
        mask: Any = position.info if self._names_only else None
        if mask is not None and mask.named:
            try:
                found: Position | None = mask.named[token_id, self._string()]
                return found
            except KeyError:
                pass
        following, asked = self._follow(text)
        if not asked and following is not None:
            position.successors[token_id] = following
        elif asked and mask is not None:
            mask.named[token_id, self._string()] = following
        return following

    def _follow(self, text: bytes) -> tuple[Position | None, bool]:
        """The position after ``text``, and whether it depends on what was read before."""
        with self._vocabulary.lock:
            return self._position.advance(text, lambda at: self._text() + text[: at + 1])

    def _string(self) -> bytes:
        """What was read of the string that is open here; elsewhere, something without meaning."""
        text = self._text()
        return bytes(text[string_start(text, len(text)) :]) if b'"' in text else b""

    def _text(self) -> bytearray:
        num_texts = len(self._tokens) - self.is_finished()
        if self._num_read < num_texts:
            texts = self._vocabulary.tokens
            self._read += b"".join([texts[token] or b"" for token in self._tokens[self._num_read : num_texts]])
            self._num_read = num_texts
        return self._read

    def rollback(self, num_tokens: int = 1) -> None:
        """Takes back the last ``num_tokens`` accepted tokens.

        Raises: ValueError when fewer have been accepted.
        """
        left = len(self._tokens) - num_tokens
        if num_tokens < 0 or left < 0:
            raise ValueError(f"cannot take back {num_tokens} tokens: {len(self._tokens)} were accepted")
        if num_tokens:
            if self._num_read > left:
                gone = self._tokens[left : self._num_read]
                del self._read[len(self._read) - sum(len(self._vocabulary.tokens[t] or b"") for t in gone) :]
                self._num_read = left
            self._position = self._positions[left]
            del self._positions[left:], self._tokens[left:]

    def is_accepting(self) -> bool:
        """Whether the text so far is a valid document."""
        return self._position.accepting

    def is_finished(self) -> bool:
        """Whether an end-of-sequence token has been accepted."""
        return self._position is self._vocabulary.finished

    @property
    def text(self) -> bytes:
        """The document so far; it may end inside a UTF-8 character."""
        return bytes(self._text())

    def copy(self) -> Matcher:
        """An independent matcher at the same point."""
        other = Matcher(self._vocabulary, self._position, self._names_only)
        other._positions, other._tokens = self._positions.copy(), self._tokens.copy()
        other._read, other._num_read = self._read.copy(), self._num_read
        return other
