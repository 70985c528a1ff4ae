"""Which tokens a language allows that limits what its characters weigh: walked once, for all limits."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from ..language.lexemes import Lexeme, Text
from ..language.runs import Weighed, to_come
from .endings import num_up_to

_UNFINISHED = re.compile(rb"(?:[\xc0-\xff]|[\xe0-\xff][\x80-\xbf]|[\xf0-\xff][\x80-\xbf]{2})\Z")
_BEYOND_ASCII = bytes(range(0x80, 0x100))
_NO_LEAD = bytes(range(0xC0))  # what begins no character beyond ASCII


class Weights:
    """The whole characters of each token up to the first of ``breaks``: ``narrow`` and ``wide`` (num_tokens,) int32."""

    def __init__(self, tokens: Sequence[bytes | None], breaks: bytes) -> None:
        up_to, parts = re.compile(breaks), []
        for word in tokens:
            found = up_to.search(word or b"")
            parts.append((word or b"")[: found.start()] if found else _UNFINISHED.sub(b"", word or b""))
        self.narrow = np.array([len(part.translate(None, _BEYOND_ASCII)) for part in parts], np.int32)
        self.wide = np.array([len(part.translate(None, _NO_LEAD)) for part in parts], np.int32)


class Weighing:
    """The tokens that the language without the limit allows, lightest first.

    ``tokens`` (num,) are those after which a walk stands at ``states`` (num,), numbers in ``lexemes``.
    """

    def __init__(
        self, tokens: np.ndarray, states: np.ndarray, lexemes: Sequence[Lexeme], weights: Weights, limit: Weighed
    ) -> None:
        come, begun = np.zeros(len(lexemes), np.int32), np.zeros(len(lexemes), np.bool_)
        for number in np.flatnonzero(np.bincount(states)).tolist():
            least = to_come(*lexemes[number].targets())
            if least is not None:
                come[number] = least
                begun[number] = type(lexemes[number]) is not Text  # a character that weighs, too, once it is whole
        narrow, wide = weights.narrow[tokens], weights.wide[tokens] + begun[states]
        needed = narrow + limit.wide * wide + limit.first_wide * (wide > 0) + come[states]
        order = np.argsort(needed, kind="stable")
        self._tokens, self._needed = tokens[order], needed[order].astype(np.int32)

    def within(self, left: int) -> np.ndarray:
        """Those that fit into a limit."""
        return self._tokens[: num_up_to(self._needed, left)]
