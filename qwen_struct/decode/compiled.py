"""Forward passes of a few fixed shapes, each compiled once; on CUDA they are recorded as graphs.

A pass of a small batch spends more time on launching its operations than on them. Compiled, it is launched at once, but
for one shape only. So a pass is padded to the next of few widths and numbers of rows, and attends to the whole of the
rows' memory, whose size is a power of two. On a CPU that takes what compiling saves; it is meant for devices whose
operations take less time than their launch.
"""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from typing import Any

import torch

from ..errors import ModelError

WIDTHS = (1, 4, 16, 64)  # tokens that each row of a pass reads; a wider one is not compiled
LEAST_CAPACITY = 1_024  # positions of a row


class CompiledPasses:
    """The compiled forward pass of a network, for all shapes that it has met.

    Compiling takes 10 to 30 seconds for each on a CPU. Not for prompts: those are read as ever.
    """

    def __init__(self, network: Any, cache_name: str) -> None:
        self._network, self._cache_name = network, cache_name
        mode = "reduce-overhead" if network.device.type == "cuda" else "default"
        self._run = torch.compile(self._forward, mode=mode, dynamic=False)
        self.shapes: set[tuple[int, int, int]] = set()  # rows, width and capacity of those met

    def __call__(
        self,
        token_ids: torch.Tensor,
        positions: torch.Tensor,
        places: torch.Tensor,
        masks: Any,
        keys: list[torch.Tensor],
        values: list[torch.Tensor],
    ) -> torch.Tensor:
        """The logits after each token, (rows, width, n_vocab), overwritten by the next pass on CUDA.

        ``token_ids`` and ``positions`` (rows, width) int64, ``places`` the same: where each token goes in its row.
        ``masks`` are what the network takes. ``keys`` and ``values``, (rows, num_kv_heads, capacity, head_dim) for each
        layer, are written to.
        """
        self.shapes.add((*token_ids.shape, keys[0].shape[2] if keys else 0))
        return self._run(token_ids, positions, places, masks, keys, values)

    def _forward(
        self,
        token_ids: torch.Tensor,
        positions: torch.Tensor,
        places: torch.Tensor,
        masks: Any,
        keys: list[torch.Tensor],
        values: list[torch.Tensor],
    ) -> torch.Tensor:
        cache: Any = _WholeRows(keys, values, places)
        output = self._network(
            input_ids=token_ids,
            position_ids=positions,
            attention_mask=masks,
            use_cache=True,
            **{self._cache_name: cache},
        )
        logits: torch.Tensor = output.logits
        return logits


class _WholeRows:
    """A cache whose rows are read in whole, as a network sees it for one pass."""

    is_compileable = True

    def __init__(self, keys: list[torch.Tensor], values: list[torch.Tensor], places: torch.Tensor) -> None:
        self._keys, self._values, self._places = keys, values, places
        self._rows = torch.arange(places.shape[0], device=places.device)[:, None]

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, layer_idx: int, *_: object, **__: object
    ) -> tuple[torch.Tensor, torch.Tensor]:
        keys, values = self._keys[layer_idx], self._values[layer_idx]
        keys.transpose(1, 2)[self._rows, self._places] = key_states.transpose(1, 2)
        values.transpose(1, 2)[self._rows, self._places] = value_states.transpose(1, 2)
        return keys, values

    def get_seq_length(self, layer_idx: int = 0) -> int:
        return 0


def width_for(num_tokens: int) -> int | None:
    """The least of WIDTHS for so many tokens a row, if there is one."""
    return next((width for width in WIDTHS if width >= num_tokens), None)


def rows_for(num_rows: int) -> int:
    """The next power of two."""
    return 1 << (num_rows - 1).bit_length()


def capacity_for(num_tokens: int) -> int:
    return max(LEAST_CAPACITY, 1 << (num_tokens - 1).bit_length())


def check_compiles(device: torch.device) -> None:
    """Raises: ModelError, where ``torch.compile`` has nothing to compile with for ``device``."""
    if device.type == "cuda":
        missing = None if find_spec("triton") is not None else "the package triton (pip install triton)"
    else:
        missing = None if any(map(shutil.which, ("c++", "g++", "clang++", "cl"))) else "a C++ compiler, such as g++"
    if missing is not None:
        raise ModelError(f"compile=True needs {missing}, to compile for {device}; install it, or leave the option out")
