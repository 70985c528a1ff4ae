"""How far a checkpoint's positions reach, and how YaRN makes them reach further."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import ModelError

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

EXTENDABLE = ("default", "yarn")  # kinds of rotary positions that YaRN builds on


def context_length(config: PreTrainedConfig) -> int:
    """How many tokens the positions reach. Qwen2.5's YaRN setting multiplies what the checkpoint was trained with."""
    text = config.get_text_config()
    rope = getattr(text, "rope_parameters", None) or {}
    factor = rope.get("factor") or 1.0
    trained = rope.get("original_max_position_embeddings") or text.max_position_embeddings
    return max(int(trained * factor), int(text.max_position_embeddings))


def extend_context(name: str, config: PreTrainedConfig, num_tokens: int) -> None:
    """Switch YaRN on in ``config`` such that the positions reach ``num_tokens``; nothing changes if they do already.

    The factor is ``num_tokens`` over the length that the checkpoint was trained with. It holds for every text,
    however short.

    Raises:
        ModelError: the checkpoint's positions are of a kind that YaRN does not extend.
    """
    if num_tokens < 1:
        raise ValueError(f"context_length must be at least 1, not {num_tokens}")
    if num_tokens <= context_length(config):
        return
    text = config.get_text_config()
    rope = dict(getattr(text, "rope_parameters", None) or {})
    kind = rope.get("rope_type", "default")
    if kind not in EXTENDABLE or "rope_theta" not in rope:
        raise ModelError(
            f"the context of {name} is {context_length(config):,} tokens, and YaRN cannot extend its positions "
            f"(rope_type {kind!r}); leave context_length out"
        )
    trained = int(rope.get("original_max_position_embeddings") or text.max_position_embeddings)
    text.rope_parameters = {
        **rope,
        "rope_type": "yarn",
        "factor": num_tokens / trained,
        "original_max_position_embeddings": trained,
    }
    text.max_position_embeddings = num_tokens
