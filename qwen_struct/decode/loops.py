"""Notices that an answer goes round in circles."""

from __future__ import annotations

from dataclasses import dataclass

_GRAM = 4  # tokens that must come again before a period is looked for


@dataclass(frozen=True)
class Loop:
    """From token ``start`` on, ``num_tokens`` tokens repeat the first ``period`` of them."""

    start: int
    period: int
    num_tokens: int

    @property
    def num_repeats(self) -> int:
        """How often the stretch was written whole."""
        return self.num_tokens // self.period


class LoopGuard:
    """Watches one answer for a stretch that is written ``min_repeats`` times or more, one time right after the other.

    ``min_tokens`` of the repetition must have been chosen rather than forced. Rows of a table that differ in one token
    are no repetition. A step costs the same however long the answer is.
    """

    def __init__(self, min_repeats: int = 8, min_tokens: int = 64) -> None:
        if min_repeats < 2 or min_tokens < 1:
            raise ValueError(f"min_repeats must be 2 or more and min_tokens 1, not {min_repeats} and {min_tokens}")
        self.min_repeats, self.min_tokens = min_repeats, min_tokens
        self.loop: Loop | None = None  # the longest one so far
        self._tokens: list[int] = []
        self._chosen = [0]  # how many of the first n tokens were not forced
        self._seen: dict[tuple[int, ...], int] = {}  # the last place of each few tokens
        self._period = 0
        self._run = 0  # how many of the last tokens equal those a period before

    def add(self, token: int, forced: bool = False) -> bool:
        """Notes the next token; whether the answer is in a loop with it."""
        tokens = self._tokens
        tokens.append(token)
        self._chosen.append(self._chosen[-1] + (not forced))
        last = len(tokens) - 1
        gram = tuple(tokens[-_GRAM:])
        if self._period and token == tokens[last - self._period]:
            self._run += 1
        else:
            before = self._seen.get(gram)
            self._period, self._run = (0, 0) if before is None else (last - before, _GRAM)
        self._seen[gram] = last
        return bool(self._period) and self._is_loop()

    def _is_loop(self) -> bool:
        num = self._run + self._period
        if num < self.min_repeats * self._period or num > len(self._tokens):
            return False
        start = len(self._tokens) - num
        if self._chosen[-1] - self._chosen[start] < self.min_tokens:
            return False
        if self.loop is None or num > self.loop.num_tokens:
            self.loop = Loop(start, self._period, num)
        return True
