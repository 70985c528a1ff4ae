"""What the network has read so far: a KV cache that grows with each pass and can be cut back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from transformers import DynamicCache

if TYPE_CHECKING:
    from .model import Model


class Context:
    """The tokens that one answer's network has read. Not shared between answers."""

    def __init__(self, model: Model) -> None:
        self._network, self._device = model.network, model.device
        self._cache = DynamicCache(config=model.network.config)
        self.num_tokens = 0
        self.num_passes = 0

    def extend(self, token_ids: Sequence[int], num_logits: int = 1) -> torch.Tensor:
        """Read ``token_ids`` in one forward pass; the logits that follow the last ``num_logits`` of them.

        The shape is (num_logits, n_vocab), in the network's own dtype and on its device.
        """
        ids = torch.tensor([list(token_ids)], dtype=torch.long, device=self._device)  # (1, len(token_ids))
        with torch.inference_mode():
            output = self._network(
                input_ids=ids, past_key_values=self._cache, use_cache=True, logits_to_keep=num_logits
            )
        self.num_tokens += len(token_ids)
        self.num_passes += 1
        return output.logits[0]

    def rollback(self, num_tokens: int) -> None:
        """Forget the last ``num_tokens`` tokens; costs no forward pass."""
        if not 0 <= num_tokens <= self.num_tokens:
            raise ValueError(f"cannot forget {num_tokens} of {self.num_tokens} tokens")
        if num_tokens:
            self._cache.crop(-num_tokens)
            self.num_tokens -= num_tokens
