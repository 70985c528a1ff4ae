"""What the network has read: the KV cache of answers that are written side by side, one row each.

Rows differ in length and lose their last tokens at will, which is how rejected drafts are taken back: a length goes
down, nothing is copied. A row that ends makes room at once: the last row moves into its place.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from itertools import accumulate, chain
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from .compiled import capacity_for, rows_for, width_for
from .rows import ROWS, RowsPass, reads_row_by_row

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

    def first(self, num_tokens: int) -> Prefix:
        """Its first ``num_tokens`` tokens; nothing is copied."""
        return Prefix(*(tuple([layer[:, :num_tokens] for layer in layers]) for layers in self))


class Slots:
    """The rows of one batch. Not shared between threads.

    For each layer there are keys and values, (num_rows, num_kv_heads, capacity + 1, head_dim): row i holds the
    ``lengths[i]`` tokens that answer i has read. The last position of a row takes what padding writes.
    """

    is_compileable = False  # transformers asks this of every cache

    def __init__(self, model: Model, most_rows: int = 1) -> None:
        self._network, self._device = model.network, model.device
        attention = model.network.config._attn_implementation
        self._is_eager = attention == "eager"  # which takes no mask for no limit
        kinds = getattr(model.network.config.get_text_config(), "layer_types", None)
        self._takes_kinds = kinds is not None  # a mask for each kind of layer
        self._packs = attention == ROWS and self._takes_kinds
        self._cache_name = cache_name(model.network)
        self._compiled = model.compiled
        # What was never written is never read where each row is read to its own length.
        self._is_cleared = not (self._packs and reads_row_by_row(self._device) and self._compiled is None)
        self._whole: dict[int, tuple[list[torch.Tensor], list[torch.Tensor]]] = {}  # by the number of rows
        self._keys: list[torch.Tensor] = []
        self._values: list[torch.Tensor] = []
        self._capacity = 0
        self._most_rows = most_rows
        self._num_rows = 0  # for which there is memory: it doubles up to the most that are expected
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
        """Reads ``token_ids`` in a row, chunk by chunk; the logits that follow them, (n_vocab,)."""
        for start in range(0, len(token_ids), CHUNK):
            chunk = token_ids[start : start + CHUNK]
            logits = self.read([chunk], [[len(chunk) - 1]], first=row)
        return logits[0]

    def read(self, inputs: Sequence[Sequence[int]], wanted: Sequence[Sequence[int]], first: int = 0) -> torch.Tensor:
        """Reads ``inputs[i]`` in row ``first + i``, all in one forward pass; none of them is empty.

        The result has the logits after the tokens ``wanted[i]`` of each input, given by their places in it, one row's
        after the other's: (num_wanted, n_vocab), in the network's own dtype and on its device.
        """
        lengths = [self.lengths[row] for row in range(first, first + len(inputs))]
        width = width_for(max(map(len, inputs))) if self._compiled is not None and self._keys and first == 0 else None
        if width is not None:
            logits = self._read_compiled(inputs, lengths, wanted, width)
            return self._noted(inputs, logits, first)
        layout = self._pass = self._laid_out(inputs, lengths, first)
        if layout.packed is not None:
            starts = [0, *accumulate(map(len, inputs))]
            kept = [start + place for start, places in zip(starts, wanted, strict=False) for place in places]
            logits = self._forward([list(chain.from_iterable(inputs))], layout.packed[2:], kept)[0]
        else:
            width = layout.positions.shape[1]
            columns = [[width - len(ids) + place for place in w] for ids, w in zip(inputs, wanted, strict=True)]
            kept = sorted(set(chain.from_iterable(columns)))
            padded = [[0] * (width - len(ids)) + list(ids) for ids in inputs]
            logits = self._forward(padded, layout.positions, kept)
            number = {column: place for place, column in enumerate(kept)}
            rows = [row for row, of_row in enumerate(columns) for _ in of_row]
            logits = logits[rows, [number[column] for of_row in columns for column in of_row]]
        return self._noted(inputs, logits, first)

    def _noted(self, inputs: Sequence[Sequence[int]], logits: torch.Tensor, first: int) -> torch.Tensor:
        for row, ids in enumerate(inputs, first):
            self.lengths[row] += len(ids)
        self.num_passes += 1
        return logits

    def _read_compiled(
        self, inputs: Sequence[Sequence[int]], lengths: list[int], wanted: Sequence[Sequence[int]], width: int
    ) -> torch.Tensor:
        """The same with a compiled pass: padded to ``width`` and to a number of rows, over the rows' whole memory."""
        assert self._compiled is not None
        num_rows = rows_for(len(inputs))
        self._grow(num_rows, max(length + len(ids) for length, ids in zip(lengths, inputs, strict=True)))
        padded = [[*ids, *[0] * (width - len(ids))] for ids in inputs] + [[0] * width] * (num_rows - len(inputs))
        numbers = torch.tensor([len(ids) for ids in inputs] + [0] * (num_rows - len(inputs)), device=self._device)
        starts = torch.tensor(lengths + [0] * (num_rows - len(inputs)), device=self._device)[:, None]
        columns = torch.arange(width, device=self._device)
        is_token = columns < numbers[:, None]
        positions = (starts + columns).masked_fill(~is_token, 0)
        reach = self._capacity + 1
        causal = torch.arange(reach, device=self._device) <= positions[:, :, None]
        layout = RowsPass(0, num_rows, reach, positions, causal, is_token, ())
        with torch.inference_mode():
            logits = self._compiled(
                torch.tensor(padded, device=self._device),
                positions,
                positions.masked_fill(~is_token, self._capacity),
                self._masks(layout),
                *self._whole_rows(num_rows),
            )
        rows = [row for row, places in enumerate(wanted) for _ in places]
        return logits[rows, list(chain.from_iterable(wanted))]

    def _whole_rows(self, num_rows: int) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        """The first rows' memory by layer, in tensors that stay the same until it grows."""
        if num_rows not in self._whole:
            keys, values = ([layer[:num_rows] for layer in kept] for kept in (self._keys, self._values))
            for tensor in (*keys, *values):
                torch._dynamo.mark_static_address(tensor)
            self._whole[num_rows] = keys, values
        return self._whole[num_rows]

    def _forward(self, token_ids: list[list[int]], positions: torch.Tensor, kept: list[int]) -> torch.Tensor:
        """The logits after the columns ``kept``, (rows, len(kept), n_vocab)."""
        with torch.inference_mode():
            output: Any = self._network(
                input_ids=torch.tensor(token_ids, dtype=torch.long, device=self._device),
                position_ids=positions,
                attention_mask=self._masks(self._pass),
                use_cache=True,
                logits_to_keep=torch.tensor(kept, device=self._device),
                **{self._cache_name: self},
            )
        logits: torch.Tensor = output.logits
        return logits

    def _laid_out(self, inputs: Sequence[Sequence[int]], lengths: list[int], first: int) -> RowsPass:
        """Inputs of different lengths are aligned at their ends; what pads them stands at position 0."""
        width = max(map(len, inputs))
        spans = tuple((len(ids), length + len(ids)) for length, ids in zip(lengths, inputs, strict=True))
        reach = max(end for _, end in spans)
        padding = torch.tensor([width - len(ids) for ids in inputs], device=self._device)[:, None]  # (rows, 1)
        columns = torch.arange(width, device=self._device)
        is_token = columns >= padding  # (rows, width)
        start = torch.tensor(lengths, device=self._device)[:, None]
        positions = (start + columns - padding).masked_fill(~is_token, 0)
        causal = None
        if len(inputs) > 1 or (width > 1 and lengths[0] > 0) or self._is_eager or not self._takes_kinds:
            causal = torch.arange(reach, device=self._device) <= positions[:, :, None]  # (rows, width, reach)
        packed = None
        if len(inputs) > 1 and self._packs:
            tokens = [(row, width - num + i, end - num + i) for row, (num, end) in enumerate(spans) for i in range(num)]
            packed = torch.tensor(tokens, device=self._device).T
        return RowsPass(first, len(inputs), reach, positions, causal, is_token, spans, packed)

    def _masks(self, layout: RowsPass) -> Any:
        """Which positions each token sees, in the form that the network takes; None where that is all before it."""
        config = self._network.config.get_text_config()
        alike = "sliding_attention" if getattr(config, "sliding_window", None) else "full_attention"
        kinds = set(config.layer_types) if self._takes_kinds else {alike}
        masks = {
            kind: self._attended(layout.causal if kind == "full_attention" else self._windowed(layout, config))
            for kind in kinds
        }
        if layout.packed is not None:
            return {kind: layout._replace(mask=mask) for kind, mask in masks.items()}
        return masks if self._takes_kinds else masks[alike]

    def _windowed(self, layout: RowsPass, config: Any) -> torch.Tensor:
        """The same for layers that see the last ``sliding_window`` tokens only."""
        seen = torch.arange(layout.reach, device=self._device)
        positions = layout.positions[:, :, None]
        return (seen <= positions) & (seen > positions - config.sliding_window)

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
            self._grow(len(self.lengths), layout.reach)
        return (
            self._put(self._keys, key_states, layer_idx, layout),
            self._put(self._values, value_states, layer_idx, layout),
        )

    def get_seq_length(self, layer_idx: int = 0) -> int:
        return max(self.lengths, default=0)

    def get_mask_sizes(self, query_length: int, layer_idx: int = 0) -> tuple[int, int]:
        return self._pass.reach, 0

    def _put(self, kept: list[torch.Tensor], states: torch.Tensor, layer: int, layout: RowsPass) -> torch.Tensor:
        if layer == len(kept):
            kept.append(self._room(states[0]))
        rows = kept[layer][layout.first : layout.first + layout.num_rows]
        if layout.packed is not None:
            row, _, position = layout.packed
            rows.transpose(1, 2)[row, position] = states[0].transpose(0, 1)
        elif layout.num_rows == 1:
            rows[:, :, layout.reach - states.shape[2] : layout.reach] = states
        else:
            places = layout.positions.masked_fill(~layout.is_token, self._capacity)
            numbers = torch.arange(layout.num_rows, device=states.device)[:, None]
            rows.transpose(1, 2)[numbers, places] = states.transpose(1, 2)
        return rows[:, :, : layout.reach]

    # Memory. ----------------------------------------------------------------------------------------------------

    def num_positions(self, num_rows: int, num_tokens: int) -> int:
        """The positions that so many rows of so many tokens take."""
        if self._compiled is None:
            return num_rows * num_tokens
        return rows_for(num_rows) * capacity_for(num_tokens)

    def _prepare(self, layers: Sequence[torch.Tensor], num_tokens: int) -> None:
        """Room for a new row that starts with ``layers``, (num_kv_heads, num_tokens, head_dim) each."""
        self._grow(len(self.lengths), num_tokens)
        for kept in (self._keys, self._values):
            kept += [self._room(layer) for layer in layers[len(kept) :]]

    def _room(self, row: torch.Tensor) -> torch.Tensor:
        """Memory for all rows of a layer, of which ``row``, (num_kv_heads, any, head_dim), is one."""
        shape = (self._num_rows, row.shape[0], self._capacity + 1, row.shape[2])
        return row.new_zeros(shape) if self._is_cleared else row.new_empty(shape)

    def _grow(self, num_rows: int, num_tokens: int) -> None:
        if num_rows <= self._num_rows and num_tokens <= self._capacity:
            return
        before, capacity = self._num_rows, self._capacity
        if num_rows > before:
            self._num_rows = num_rows if num_rows == 1 else max(num_rows, min(2 * before, self._most_rows))
        if num_tokens > capacity:
            step = -(-max(num_tokens, capacity + capacity // 4) // _STEP) * _STEP
            self._capacity = step if self._compiled is None else capacity_for(num_tokens)
        self._whole.clear()
        for kept in (self._keys, self._values):
            for layer, old in enumerate(kept):
                kept[layer] = self._room(old[0])
                kept[layer][:before, :, :capacity] = old[:, :, :capacity]


def cache_name(network: Any) -> str:
    """What the network calls its cache: transformers 5.24 renames ``past_key_values``."""
    parameters = inspect.signature(getattr(network, "forward", network)).parameters
    return "cache" if "cache" in parameters else "past_key_values"
