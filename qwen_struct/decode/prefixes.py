"""Prompts of one schema begin alike: what the network made of that beginning is kept and used again."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .slots import Prefix

DEFAULT_LIMIT = 512 * 2**20  # bytes: 9,000 tokens of Qwen2.5-7B in bfloat16


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
        """The longest prefix kept that ``token_ids`` begin with and go on after."""
        with self._lock:
            for length in sorted({len(key) for key in self._kept}, reverse=True):
                key = tuple(token_ids[:length])
                if length < len(token_ids) and key in self._kept:
                    self._kept.move_to_end(key)
                    return self._kept[key]
        return None

    def keep(self, token_ids: Sequence[int], prefix: Prefix) -> None:
        """Keeps what ``token_ids`` left, unless it takes more than the whole limit."""
        if prefix.num_bytes > self.limit:
            return
        with self._lock:
            self._kept[tuple(token_ids)] = prefix
            size = sum(kept.num_bytes for kept in self._kept.values())
            while size > self.limit:
                size -= self._kept.popitem(last=False)[1].num_bytes
