"""The one mutable thing of an output: where it stands in the grammar."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..language.positions import Position
from .bitmask import Bitmask

if TYPE_CHECKING:
    from .vocabulary import Vocabulary


class Matcher:
    """Follows one output token by token. Not shareable between threads; :meth:`copy` is cheap."""

    __slots__ = ("_ends", "_finished", "_position", "_positions", "_text", "_vocabulary")

    def __init__(self, vocabulary: Vocabulary, start: Position) -> None:
        self._vocabulary = vocabulary
        self._position = start
        self._text = bytearray()
        self._positions: list[Position] = []  # before each token accepted so far
        self._ends: list[int] = []  # the length of the text before each of them
        self._finished = False

    def fill_next_token_bitmask(self, bitmask: Bitmask, row: int = 0) -> None:
        """Writes into ``bitmask[row]`` which tokens may come next, (batch, ceil(n_vocab / 32)) int32.

        A token's bit is set exactly when the text so far and the token can still become a valid document; those of the
        end-of-sequence tokens when it is one. When the output is finished, they alone are set.
        """
        if self._finished:
            self._fill_finished(bitmask[row])
            return
        mask = self._vocabulary.masks.mask(self._position)
        bitmask[row] = mask.row
        if mask.unsettled:
            self._settle(bitmask[row], mask.unsettled)

    def _fill_finished(self, row: Bitmask) -> None:
        row[:] = 0
        words = row.view(np.uint32)
        for token in self._vocabulary.eos_token_ids:
            words[token >> 5] |= np.uint32(1 << (token & 31))

    def _settle(self, row: Bitmask, tokens: tuple[int, ...]) -> None:
        words = row.view(np.uint32)
        for token in tokens:
            if self._advance(token) is None:
                words[token >> 5] &= ~np.uint32(1 << (token & 31))

    def accept_token(self, token_id: int) -> bool:
        """Goes on with ``token_id``. False, and nothing changes, when the grammar refuses it."""
        if self._finished:
            return False
        position = self._position.successors.get(token_id)
        if position is None:
            if token_id in self._vocabulary.eos_token_ids:
                if not self._position.accepting:
                    return False
                self._finished = True
                position = self._position
            else:
                position = self._advance(token_id)
                if position is None:
                    return False
        self._positions.append(self._position)
        self._ends.append(len(self._text))
        if not self._finished:
            self._text += self._vocabulary.tokens[token_id] or b""
        self._position = position
        return True

    def _advance(self, token_id: int) -> Position | None:
        """The position after a token of text, or None when it is refused."""
        tokens = self._vocabulary.tokens
        text = tokens[token_id] if 0 <= token_id < len(tokens) else None
        if text is None:
            return None
        position, asked, num_read = self._position, False, 0

        def read() -> bytearray:
            return self._text + text[: num_read + 1]

        for num_read, byte in enumerate(text):  # noqa: B007 (read() uses it)
            following, asked_here = position.step(byte, read)
            if following is None:
                return None
            position, asked = following, asked or asked_here
        if not asked:
            self._position.successors[token_id] = position
        return position

    def rollback(self, num_tokens: int = 1) -> None:
        """Takes back the last ``num_tokens`` accepted tokens.

        Raises: ValueError when fewer have been accepted.
        """
        if not 0 <= num_tokens <= len(self._positions):
            raise ValueError(f"cannot take back {num_tokens} tokens: {len(self._positions)} were accepted")
        if num_tokens:
            self._position = self._positions[-num_tokens]
            del self._text[self._ends[-num_tokens] :]
            del self._positions[-num_tokens:], self._ends[-num_tokens:]
            self._finished = False

    def is_accepting(self) -> bool:
        """Whether the text so far is a valid document."""
        return self._position.accepting

    def is_finished(self) -> bool:
        """Whether an end-of-sequence token has been accepted."""
        return self._finished

    @property
    def text(self) -> bytes:
        """The document so far; it may end inside a UTF-8 character."""
        return bytes(self._text)

    def copy(self) -> Matcher:
        """An independent matcher at the same point."""
        other = Matcher(self._vocabulary, self._position)
        other._text = self._text.copy()
        other._positions, other._ends = self._positions.copy(), self._ends.copy()
        other._finished = self._finished
        return other
