"""Attention for a forward pass whose tokens belong to several rows of a cache.

A pass reads few tokens in one row and many in another. Padded to the widest, two thirds of what the network multiplies
would be padding. So the tokens of all rows go through the network as one sequence, and only here, where each must see
its own row, are they laid out side by side.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch

ROWS = "qwen_struct_rows"  # the name of this attention among those of transformers
ROW_BY_ROW = ("cpu",)  # devices on which a call for each row costs less than padding


def reads_row_by_row(device: torch.device) -> bool:
    """Whether packed rows are attended to one by one, each to its own length."""
    return device.type in ROW_BY_ROW


class RowsPass(NamedTuple):
    """How one forward pass lies in the rows of a cache: which rows, how far they reach, where each token stands.

    ``positions`` (rows, width) int64; ``causal`` (rows, width, reach) bool, None where every token sees all before it;
    ``is_token`` (rows, width) bool, False where an input is padded; ``spans`` has each row's number of tokens in the
    pass, and of all tokens with them. Where the network reads the tokens as one sequence, row after row, ``packed``
    (3, num_tokens) int64 has the row, the column and the position of each, and ``mask`` what the attention of a layer
    takes for the padded layout.
    """

    first: int
    num_rows: int
    reach: int
    positions: torch.Tensor
    causal: torch.Tensor | None
    is_token: torch.Tensor
    spans: tuple[tuple[int, int], ...]
    packed: torch.Tensor | None = None
    mask: torch.Tensor | None = None


def attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: Any,
    **options: Any,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """transformers' scaled dot-product attention; packed rows are laid out for it and packed again.

    ``query`` is then (1, num_heads, num_tokens, head_dim), ``key`` and ``value`` (rows, num_kv_heads, reach, head_dim),
    ``attention_mask`` a :class:`RowsPass`.
    """
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    if not isinstance(attention_mask, RowsPass):
        return sdpa_attention_forward(module, query, key, value, attention_mask, **options)
    if reads_row_by_row(query.device):
        return _attend_row_by_row(module, query, key, value, attention_mask, **options), None
    assert attention_mask.packed is not None
    rows, columns, _ = attention_mask.packed
    laid_out = query.new_zeros((*attention_mask.is_token.shape, query.shape[1], query.shape[3]))
    laid_out[rows, columns] = query[0].transpose(0, 1)
    output, _ = sdpa_attention_forward(
        module, laid_out.transpose(1, 2), key, value, attention_mask.mask, **options
    )  # (rows, width, num_heads, head_dim)
    return output[rows, columns][None], None


def _attend_row_by_row(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    layout: RowsPass,
    **options: Any,
) -> torch.Tensor:
    """The same without padding, which on a CPU costs more than a call for each row."""
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    assert layout.mask is not None
    outputs, start, width = [], 0, layout.is_token.shape[1]
    for row, (length, reach) in enumerate(layout.spans):
        mask = layout.mask[row : row + 1, :, width - length :, :reach]
        output, _ = sdpa_attention_forward(
            module,
            query[:, :, start : start + length],
            key[row : row + 1, :, :reach],
            value[row : row + 1, :, :reach],
            mask,
            **options,
        )
        outputs.append(output)
        start += length
    return torch.cat(outputs, dim=1)


def use_rows(network: Any) -> None:
    """Switches a network that attends by scaled dot products to :func:`attend`, which is the same for other callers."""
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    if network.config._attn_implementation == "sdpa":
        AttentionInterface.register(ROWS, attend)
        AttentionMaskInterface.register(ROWS, sdpa_mask)
        network.set_attn_implementation(ROWS)
