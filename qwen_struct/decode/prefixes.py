"""Prompts begin alike, those of one schema most of all: what the network made of a beginning is kept and used again."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .slots import Prefix

DEFAULT_LIMIT = 512 * 2**20  # bytes: 9,000 tokens of Qwen2.5-7B in bfloat16
_LEAST = 16  # tokens from which on a part of a prefix is worth its copy
_MAX_COMPARED = 64  # prefixes of which parts are looked at, those last used


class PrefixStore:
    """The beginnings of prompts, at most ``limit`` bytes of them, least recently used out. Shareable by threads."""

    def __init__(self, limit: int = DEFAULT_LIMIT) -> None:
        self.limit = limit
        self._kept: OrderedDict[tuple[int, ...], Prefix] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def num_bytes(self) -> int:
        """The memory that the prefixes take."""
        with self._lock:
            return sum(prefix.num_bytes for prefix in self._kept.values())

    def clear(self) -> None:
        """Forgets all."""
        with self._lock:
            self._kept.clear()

    def find(self, token_ids: Sequence[int]) -> Prefix | None:
        """The longest beginning of ``token_ids`` that is kept, or is the beginning of what is kept.

        At least the last token is left to be read. A whole prefix is found among all of them; a part, which prompts of
        different schemas share, only among those last used, and only if it is worth its copy.
        """
        with self._lock:
            whole = self._whole(token_ids)
            part = self._part(token_ids, _LEAST if whole is None else whole.num_tokens + _LEAST)
        return part or whole

    def _whole(self, token_ids: Sequence[int]) -> Prefix | None:
        for length in sorted({len(key) for key in self._kept}, reverse=True):
            key = tuple(token_ids[:length])
            if length < len(token_ids) and key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        return None

    def _part(self, token_ids: Sequence[int], least: int) -> Prefix | None:
        ids, best = tuple(token_ids[:-1]), None
        for key in islice(reversed(self._kept), _MAX_COMPARED):
            if len(key) >= least and key[:least] == ids[:least]:
                best, shared = key, _num_shared(key, ids)
                least = shared + 1
        if best is None:
            return None
        self._kept.move_to_end(best)
        return self._kept[best].first(shared)

    def keep(self, token_ids: Sequence[int], prefix: Prefix) -> None:
        """Keeps what ``token_ids`` left, unless it takes more than the whole limit."""
        if prefix.num_bytes > self.limit:
            return
        with self._lock:
            self._kept[tuple(token_ids)] = prefix
            size = sum(kept.num_bytes for kept in self._kept.values())
            while size > self.limit:
                size -= self._kept.popitem(last=False)[1].num_bytes


def _num_shared(a: Sequence[int], b: Sequence[int]) -> int:
    """How many tokens two sequences begin with in common."""
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
