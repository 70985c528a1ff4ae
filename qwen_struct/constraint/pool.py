"""Mask rows under small numbers, so that a decoder on a GPU is sent four bytes a step instead of a row."""

from __future__ import annotations

from threading import Lock
from typing import TypeVar

import numpy as np

from .bitmask import Bitmask

K = TypeVar("K")
V = TypeVar("V")
_CHUNK = 256  # rows that are allocated together: 4.9 MB at 152,064 tokens, from 4 MB on NumPy asks for huge pages


class MaskPool:
    """Distinct mask rows, each (num_words,) int32 and read-only, numbered from 0 in the order in which they came.

    Rows are only ever added: a number means the same row for as long as the pool lives. A decoder that keeps a copy on
    its device needs to add ``rows(number it has, num_rows)`` before it uses numbers that it has not seen. When the
    vocabulary drops what it has not used for long, it goes on with a new pool, and numbers of the old one stay valid
    for the old one; so a decoder takes the pool before it asks for numbers, and starts its copy afresh when it is
    another one:

        pool = vocabulary.mask_pool
        numbers = [matcher.mask_id(pool) for matcher in batch]
        if pool is not mirrored:
            mirrored, num_mirrored = pool, 0
        upload(pool.rows(num_mirrored, pool.num_rows))
    """

    def __init__(self, num_words: int) -> None:
        self.num_words = num_words
        self._chunks: list[Bitmask] = []
        self._rows: list[Bitmask] = []
        self._bytes: list[memoryview] = []  # the same, for a copy without NumPy's overhead
        self._memory = memoryview(b"")  # of the last chunk
        self._numbers: dict[int, int] = {}  # by Python's hash, which takes a fifth of the time of a digest
        self._others: dict[int, list[int]] = {}  # of further rows with a hash that another one has
        self._lock = Lock()

    @property
    def num_rows(self) -> int:
        return len(self._rows)

    @property
    def num_bytes(self) -> int:
        """The memory that the rows take."""
        return len(self._chunks) * _CHUNK * self.num_words * 4

    def __getitem__(self, number: int) -> Bitmask:
        return self._rows[number]

    def bytes_of(self, number: int) -> memoryview:
        """The memory of a row."""
        return self._bytes[number]

    def rows(self, start: int, end: int) -> Bitmask:
        """A copy of the rows ``start`` to ``end``, (end - start, num_words)."""
        found = np.empty((max(end - start, 0), self.num_words), np.int32)
        for i, row in enumerate(self._rows[start:end]):
            found[i] = row
        return found

    def add(self, row: Bitmask) -> int:
        """The number of the row that equals ``row``; it is copied when there is none yet."""
        digest = hash(row.tobytes())
        with self._lock:
            first = self._numbers.get(digest)
            alike = () if first is None else (first, *self._others.get(digest, ()))
            number = next((n for n in alike if np.array_equal(self._rows[n], row)), None)
            if number is None:
                number = len(self._rows)
                if number == len(self._chunks) * _CHUNK:
                    chunk = np.zeros((_CHUNK, self.num_words), np.int32)
                    self._chunks.append(chunk)
                    self._memory = memoryview(chunk).cast("B").toreadonly()  # type: ignore[arg-type]
                place = self._chunks[-1][number % _CHUNK]
                place[:] = row
                place.flags.writeable = False
                start = number % _CHUNK * place.nbytes
                self._bytes.append(self._memory[start : start + place.nbytes])
                self._rows.append(place)
                if first is None:
                    self._numbers[digest] = number
                else:
                    self._others.setdefault(digest, []).append(number)
            return number


class Recent(dict[K, V]):
    """A dict in the order of use: what :meth:`get` finds becomes the last."""

    def get(self, key: K, default: V | None = None) -> V | None:  # type: ignore[override]
        found = self.pop(key, default)
        if found is not None:
            self[key] = found
        return found

    def keep(self, key: K, value: V, most: int) -> None:
        """Enters ``value``; what was used longest ago goes, so that at most ``most`` are left."""
        while len(self) >= most:
            del self[next(iter(self))]
        self[key] = value
