"""Tables in which equal things are one object, for as long as somebody else holds it."""

from __future__ import annotations

from collections.abc import Hashable
from threading import Lock
from typing import Generic, TypeVar
from weakref import ref

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

_SWEPT_FROM = 4_096  # entries


class Interned(Generic[K, V]):
    """Objects by what makes them equal, held weakly; what is gone is swept out when the table has doubled.

    A ``WeakValueDictionary`` would do the same in three times the time, which is felt where states come into being by
    the thousand.
    """

    __slots__ = ("_lock", "_refs", "_sweep_at")

    def __init__(self) -> None:
        self._refs: dict[K, ref[V]] = {}
        self._lock = Lock()
        self._sweep_at = _SWEPT_FROM

    def __len__(self) -> int:
        """How many entries there are, those included that wait to be swept out."""
        return len(self._refs)

    def get(self, key: K) -> V | None:
        """The object for ``key`` if there is one."""
        found = self._refs.get(key)
        return None if found is None else found()

    def enter(self, key: K, value: V) -> V:
        """Enters ``value`` unless another thread was faster; the object for ``key``."""
        with self._lock:
            known = self._refs.get(key)
            found = None if known is None else known()
            if found is not None:
                return found
            if len(self._refs) >= self._sweep_at:
                self._sweep()
            self._refs[key] = ref(value)
            return value

    def sweep(self) -> None:
        """Drops the entries of what is gone."""
        with self._lock:
            self._sweep()

    def _sweep(self) -> None:
        self._refs = {key: known for key, known in self._refs.items() if known() is not None}
        self._sweep_at = max(2 * len(self._refs), _SWEPT_FROM)
