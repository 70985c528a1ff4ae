"""What the network has read: the KV cache of answers that are written side by side, one row each.

Rows differ in length and lose their last tokens at will, which is how rejected drafts are taken back: a length goes
down, nothing is copied. A row that ends makes room at once: the last row moves into its place.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

if TYPE_CHECKING:
    from .model import Model

CHUNK = 2_048  # tokens of a prompt that are read in one forward pass: bounds what a pass needs beside the cache
_STEP = 64  # positions by which rows grow at least


class Prefix(NamedTuple):
    """The keys and values of a prompt's first tokens, by layer: (num_kv_heads, num_tokens, head_dim) each."""

    keys: tuple[torch.Tensor, ...]
    values: tuple[torch.Tensor, ...]

    @property
    def num_tokens(self) -> int:
        return self.keys[0].shape[1]

    @property
    def num_bytes(self) -> int:
        return sum(t.numel() * t.element_size() for t in (*self.keys, *self.values))


class Slots:
    """The rows of one batch. Not shared between threads.

    For each layer there are keys and values, (num_rows, num_kv_heads, capacity + 1, head_dim): row i holds the
    ``lengths[i]`` tokens that answer i has read. The last position of a row takes what padding writes.
    """

    is_compileable = False  # transformers asks this of every cache

    def __init__(self, model: Model) -> None:
        self._network, self._device = model.network, model.device
        self._is_eager = model.network.config._attn_implementation == "eager"  # which takes no mask for no limit
        self._keys: list[torch.Tensor] = []
        self._values: list[torch.Tensor] = []
        self._capacity = 0
        self._num_rows = 0  # for which there is memory
        self._pass = _Pass(0, 0, 0, None, None)
        self.lengths: list[int] = []
        self.num_passes = 0

    @property
    def num_bytes(self) -> int:
        """The memory that the rows take."""
        return sum(t.numel() * t.element_size() for t in (*self._keys, *self._values))

    @torch.inference_mode()
    def add(self, prefix: Prefix | None = None) -> int:
        """A new row, the last one, which has read ``prefix``; its number."""
        row = len(self.lengths)
        self.lengths.append(0)
        if prefix is not None:
            self._prepare(prefix.keys, prefix.num_tokens)
            for kept, layer in zip((*self._keys, *self._values), (*prefix.keys, *prefix.values), strict=True):
                kept[row, :, : prefix.num_tokens] = layer
            self.lengths[row] = prefix.num_tokens
        return row

    @torch.inference_mode()
    def remove(self, row: int) -> None:
        """Gives up a row; the last row takes its number."""
        last = len(self.lengths) - 1
        if row != last:
            length = self.lengths[last]
            for kept in (*self._keys, *self._values):
                kept[row, :, :length] = kept[last, :, :length]
            self.lengths[row] = length
        self.lengths.pop()

    def forget(self, row: int, num_tokens: int) -> None:
        """Takes back the last ``num_tokens`` tokens of a row."""
        if not 0 <= num_tokens <= self.lengths[row]:
            raise ValueError(f"cannot forget {num_tokens} of {self.lengths[row]} tokens")
        self.lengths[row] -= num_tokens

    @torch.inference_mode()
    def prefix(self, row: int, num_tokens: int) -> Prefix:
        """A copy of what the first ``num_tokens`` tokens of a row left."""
        keys, values = (tuple(t[row, :, :num_tokens].clone() for t in kept) for kept in (self._keys, self._values))
        return Prefix(keys, values)

    def read_prompt(self, row: int, token_ids: Sequence[int]) -> torch.Tensor:
        """Reads ``token_ids`` in the last row, chunk by chunk; the logits that follow them, (n_vocab,)."""
        for start in range(0, len(token_ids), CHUNK):
            logits = self.read([token_ids[start : start + CHUNK]], 1, first=row)
        return logits[0, -1]

    def read(self, inputs: Sequence[Sequence[int]], num_logits: int | Sequence[int], first: int = 0) -> torch.Tensor:
        """Reads ``inputs[i]`` in row ``first + i``, all in one forward pass; none of them is empty.

        Inputs of different lengths are aligned at their ends. The result has the logits after the last ``num_logits``
        of these columns, or after the columns listed, (len(inputs), num_logits, n_vocab), in the network's own dtype
        and on its device.
        """
        width = max(map(len, inputs))
        rows = range(first, first + len(inputs))
        lengths = [self.lengths[row] for row in rows]
        self._pass = self._laid_out(inputs, lengths, width, first)
        padded = [[0] * (width - len(ids)) + list(ids) for ids in inputs]
        kept = num_logits if isinstance(num_logits, int) else torch.tensor(num_logits, device=self._device)
        with torch.inference_mode():
            output: Any = self._network(
                input_ids=torch.tensor(padded, dtype=torch.long, device=self._device),
                position_ids=self._pass.positions,
                attention_mask=self._masks(self._pass),
                past_key_values=self,
                use_cache=True,
                logits_to_keep=kept,
            )
        for row, ids in zip(rows, inputs, strict=True):
            self.lengths[row] += len(ids)
        self.num_passes += 1
        logits: torch.Tensor = output.logits
        return logits

    def _laid_out(self, inputs: Sequence[Sequence[int]], lengths: list[int], width: int, first: int) -> _Pass:
        reach = max(length + len(ids) for length, ids in zip(lengths, inputs, strict=True))
        padding = torch.tensor([width - len(ids) for ids in inputs], device=self._device)[:, None]  # (rows, 1)
        start = torch.tensor(lengths, device=self._device)[:, None]
        positions = (
            start + torch.arange(width, device=self._device) - padding
        )  # (rows, width); padding lies before start
        is_padding = positions < start
        causal = None
        if len(inputs) > 1 or (width > 1 and lengths[0] > 0) or self._is_eager:
            positions = positions.masked_fill(is_padding, 0)
            causal = torch.arange(reach, device=self._device) <= positions[:, :, None]  # (rows, width, reach)
        return _Pass(first, len(inputs), reach, positions, causal, is_padding if len(inputs) > 1 else None)

    def _masks(self, layout: _Pass) -> Any:
        """Which positions each token sees, in the form that the network takes; None where that is all before it."""
        config = self._network.config.get_text_config()
        kinds = getattr(config, "layer_types", None) or ["full_attention"]
        full = self._attended(layout.causal)
        if set(kinds) == {"full_attention"}:
            return {"full_attention": full} if full is None and hasattr(config, "layer_types") else full
        return {kind: full if kind == "full_attention" else self._windowed(layout, config) for kind in set(kinds)}

    def _windowed(self, layout: _Pass, config: Any) -> torch.Tensor | None:
        """The same for layers that see the last ``sliding_window`` tokens only."""
        assert layout.positions is not None
        seen = torch.arange(layout.reach, device=self._device)
        positions = layout.positions[:, :, None]
        return self._attended((seen <= positions) & (seen > positions - config.sliding_window))

    def _attended(self, visible: torch.Tensor | None) -> torch.Tensor | None:
        if visible is None:
            return None
        if not self._is_eager:
            return visible[:, None]  # (rows, 1, width, reach)
        zeros = torch.zeros(visible.shape, dtype=self._network.dtype, device=self._device)
        return zeros.masked_fill(~visible, torch.finfo(zeros.dtype).min)[:, None]

    # As transformers' networks see it. --------------------------------------------------------------------------

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, layer_idx: int, *_: object, **__: object
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Keeps a layer's new keys and values, (rows, num_kv_heads, width, head_dim); returns those of all tokens."""
        layout = self._pass
        if layer_idx == 0:
            self._prepare_for(key_states, layout)
        return (
            self._put(self._keys, key_states, layer_idx, layout),
            self._put(self._values, value_states, layer_idx, layout),
        )

    def get_seq_length(self, layer_idx: int = 0) -> int:
        return max(self.lengths, default=0)

    def get_mask_sizes(self, query_length: int, layer_idx: int = 0) -> tuple[int, int]:
        return self._pass.reach, 0

    def _put(self, kept: list[torch.Tensor], states: torch.Tensor, layer: int, layout: _Pass) -> torch.Tensor:
        if layer == len(kept):
            kept.append(states.new_zeros((self._num_rows, states.shape[1], self._capacity + 1, states.shape[3])))
        rows = kept[layer][layout.first : layout.first + layout.num_rows]
        if layout.is_padding is None:
            rows[:, :, layout.reach - states.shape[2] : layout.reach] = states
        else:
            assert layout.positions is not None
            places = layout.positions.masked_fill(layout.is_padding, self._capacity)
            numbers = torch.arange(layout.num_rows, device=states.device)[:, None]
            rows.transpose(1, 2)[numbers, places] = states.transpose(1, 2)
        return rows[:, :, : layout.reach]

    # Memory. ----------------------------------------------------------------------------------------------------

    def _prepare(self, layers: Sequence[torch.Tensor], num_tokens: int) -> None:
        """Room for a new row that starts with ``layers``, (num_kv_heads, num_tokens, head_dim) each."""
        self._grow(len(self.lengths), num_tokens)
        for kept in (self._keys, self._values):
            for layer in layers[len(kept) :]:
                shape = (self._num_rows, layer.shape[0], self._capacity + 1, layer.shape[2])
                kept.append(layer.new_zeros(shape))

    def _prepare_for(self, states: torch.Tensor, layout: _Pass) -> None:
        self._grow(max(len(self.lengths), layout.first + layout.num_rows), layout.reach)

    def _grow(self, num_rows: int, num_tokens: int) -> None:
        if num_rows <= self._num_rows and num_tokens <= self._capacity:
            return
        before, capacity = self._num_rows, self._capacity
        self._num_rows = max(before, num_rows)
        if num_tokens > capacity:
            self._capacity = -(-max(num_tokens, capacity + capacity // 4) // _STEP) * _STEP
        for kept in (self._keys, self._values):
            for layer, old in enumerate(kept):
                shape = (self._num_rows, old.shape[1], self._capacity + 1, old.shape[3])
                kept[layer] = old.new_zeros(shape)
                kept[layer][:before, :, :capacity] = old[:, :, :capacity]


class _Pass(NamedTuple):
    """How one forward pass lies in the rows: which rows, how far they reach, and where each token stands.

    ``positions`` (rows, width) int64; ``causal`` (rows, width, reach) bool, None where every token sees all before it;
    ``is_padding`` (rows, width) bool, None for a single row.
    """

    first: int
    num_rows: int
    reach: int
    positions: torch.Tensor | None
    causal: torch.Tensor | None
    is_padding: torch.Tensor | None = None
