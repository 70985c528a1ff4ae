"""How much memory a piece of work takes at its peak, and how fast memory is read."""

from __future__ import annotations

import ctypes
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType

import torch

_PROC = Path("/proc/self")
_READ_BYTES = 2**29  # more than any cache holds


class Peak:
    """Around some work; ``bytes`` is then its peak above what was taken before, None where it cannot be told.

    On CUDA what torch allocates; else the process's resident memory, which Linux tells.
    """

    bytes: int | None = None

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def __enter__(self) -> Peak:
        if self._device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device)
            self._before = torch.cuda.memory_allocated(self._device)
            return self
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)  # what is free is given back, so that the work has to ask for it
        with suppress(OSError):
            (_PROC / "clear_refs").write_text("5")  # the peak starts anew
        self._before = _resident("VmRSS:")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._device.type == "cuda":
            self.bytes = torch.cuda.max_memory_allocated(self._device) - self._before
            return
        peak = _resident("VmHWM:")
        if peak is not None and self._before is not None:
            self.bytes = peak - self._before


def _resident(key: str) -> int | None:
    with suppress(OSError):
        for line in (_PROC / "status").read_text().splitlines():
            if line.startswith(key):
                return 1024 * int(line.split()[1])
    return None


def read_bandwidth(device: torch.device) -> float:
    """Bytes a second that a sum over a large tensor reads, with the threads that torch has; the best of five."""
    numbers = torch.ones(_READ_BYTES // 4, device=device)
    best = 0.0
    for _ in range(5):
        start = time.perf_counter()
        numbers.sum().item()
        best = max(best, _READ_BYTES / (time.perf_counter() - start))
    return best
