"""The one mutable thing of an output: where it stands in the grammar."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..language.lexemes import BACKSLASH
from ..language.positions import NameRead, Position
from ..language.texts import string_start
from .bitmask import Bitmask
from .budget import Budget, Plan, Plans, budget_of
from .forced import Ahead, Forced, forced
from .tails import CERTAIN, FIRST, NONE

if TYPE_CHECKING:
    from .pool import MaskPool
    from .vocabulary import Vocabulary

_NOWHERE = memoryview(bytearray())
_SHORT = 8  # tokens of a string that are looked at before the whole text


class Matcher:
    """Follows one output token by token. Not shareable between threads; :meth:`copy` is cheap.

    Where the grammar has been before, a step is a look-up: the position's mask is copied, its successor taken. What is
    new is learnt under the vocabulary's lock.
    """

    __slots__ = (
        "_bitmask", "_budget", "_names_only", "_num_read", "_place", "_plans", "_position", "_positions", "_read",
        "_row", "_tokens", "_vocabulary",
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
        self._budget: Budget | None = None  # set when it is first asked for, as is the next
        self._plans: Plans | None = None

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

    def fill_within(self, bitmask: Bitmask, row: int, num_tokens: int) -> bool:
        """The same for an output that may have ``num_tokens`` more tokens, beside those that end it.

        Only tokens are left after which the document can be completed in time, see :mod:`.budget`. Returns whether
        that took any away.

        Raises: BudgetError when ``num_tokens`` is less than :attr:`min_tokens`.
        """
        self.fill_next_token_bitmask(bitmask, row)
        budget = self._budget or self._find_budget()
        if self.is_finished() or budget.plenty(self._position, num_tokens):
            return False
        with self._vocabulary.lock:
            left = budget.restrict(self._position, num_tokens, self._plan, self._advance)
        if left is None:
            return False
        before = bitmask[row].copy()
        bitmask[row] &= left
        return not np.array_equal(before, bitmask[row])

    @property
    def min_tokens(self) -> int:
        """The tokens of :meth:`completion`; 0 where the text so far is a valid document."""
        with self._vocabulary.lock:
            return 0 if self.is_finished() else self._plan()[1]

    def completion(self) -> tuple[int, ...]:
        """The shortest completion that is found, without a token that ends it. Raises: SchemaBudgetError."""
        with self._vocabulary.lock:
            if self.is_finished():
                return ()
            plan, left = self._plan()
            return plan.tokens(plan.length - left)

    def _plan(self) -> tuple[Plan, int]:
        """The shortest completion known, and how many of its tokens are left."""
        budget = self._budget or self._find_budget()
        plans = self._plans
        if plans is None:
            plans = self._plans = Plans()
        plan = plans.known(self._tokens)
        if plan is not None:
            left = plan.length - plans.num_followed
            if left <= budget.cost(self._position):
                return plan, left
        other = budget.plan(self._position, self._text, len(self._tokens))
        if plan is not None and left <= other.length:
            return plan, left
        plans.add(other)
        return other, other.length

    def _find_budget(self) -> Budget:
        with self._vocabulary.lock:
            self._budget = budget_of(self._positions[0] if self._positions else self._position, self._vocabulary)
        return self._budget

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
        before = self._position
        if token_id == before.token:
            position = before.following
        else:
            position = None if before.others is None else before.others.get(token_id)
        if position is None:
            position = before if before.is_free and self._vocabulary.plain[token_id] else self._advance(token_id)
            if position is None:
                return False
        self._positions.append(before)
        self._tokens.append(token_id)
        self._position = position
        return True

    def _advance(self, token_id: int) -> Position | None:
        """The position after a token, or None when it is refused."""
        vocabulary, position = self._vocabulary, self._position
        if position.named is not None:
            try:
                return position.named[token_id, self._name()]
            except KeyError:
                pass
        text = vocabulary.tokens[token_id] if 0 <= token_id < len(vocabulary.tokens) else None
        if text is None:
            ends = token_id in vocabulary.eos_token_ids and position.accepting
            return vocabulary.finished if ends and position is not vocabulary.finished else None
        with vocabulary.lock:
            following, asked = position.advance(text, lambda at: self._text() + text[: at + 1])
            if not asked:
                if following is not None:
                    position.enter(token_id, following)
            elif self._names_only:
                position.enter_named(token_id, self._name(), following)
        return following

    def _name(self) -> NameRead:
        """The name that is open here; elsewhere, something without meaning."""
        tokens, quotes = self._tokens, self._vocabulary.quotes
        at = len(tokens)
        stop = max(at - _SHORT, 0)
        while at > stop:  # most are a few tokens long
            at -= 1
            quote = quotes[tokens[at]]
            if quote == CERTAIN:
                return tuple(tokens[at:])
            if quote != NONE:
                before = self._vocabulary.tokens[tokens[at - 1]] if at else None
                if quote == FIRST and before is not None and not before.endswith(b"\\"):
                    return tuple(tokens[at:])
                break
        text = self._text()
        start = text.rfind(b'"')
        if start > 0 and text[start - 1] == BACKSLASH:
            start = string_start(text, len(text))
        return bytes(memoryview(text)[start:]) if start >= 0 else b""

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
            if self._plans is not None:
                self._plans.cut(left)

    def forced(self) -> Forced:
        """The bytes that every document goes on with here, and whether it is over after them.

        Empty where it may end or two bytes are possible. It is remembered, so that asking again costs a look-up.
        """
        known: Forced | None = self._position.forced
        if known is None:
            with self._vocabulary.lock:
                known = forced(self._position, self._text)
        return known

    def forced_text(self) -> bytes:
        """The bytes of :meth:`forced`."""
        return self.forced().text

    def ahead(self) -> Ahead:
        """Reads on from here in bytes rather than tokens; the matcher stays."""
        return Ahead(self._position, self.text, self._vocabulary.lock)

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
        other._budget, other._plans = self._budget, None if self._plans is None else self._plans.copy()
        return other
