"""One token out of those that the mask allows: the likeliest, or one drawn at random."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import numpy as np
import torch

from ..errors import ModelError

NUCLEUS_GUESS = 256  # how many tokens a nucleus mostly fits into


@dataclass(frozen=True)
class Sampling:
    """How to choose a token: at temperature 0 the likeliest; above it a draw, which ``seed`` makes repeatable.

    Both numbers act on the distribution under the mask: top_p 0.9 keeps nine tenths of what the schema leaves.
    """

    temperature: float = 0.0
    top_p: float = 1.0
    seed: int | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.temperature) and self.temperature >= 0):
            raise ValueError(f"temperature must be a finite number of at least 0, not {self.temperature}")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top_p must be above 0 and at most 1, not {self.top_p}")


class Sampler:
    """The choices of one answer: a :class:`Sampling` with a random generator of its own."""

    def __init__(self, sampling: Sampling) -> None:
        self._temperature, self._top_p = sampling.temperature, sampling.top_p
        self._random = Random(sampling.seed)

    def choose(self, scores: torch.Tensor, best: float, token: int) -> int:
        """A token by ``scores``, (n_vocab,) float32, -inf where it may not be; ``best`` is the highest, ``token``'s.

        Raises:
            ModelError: the scores are not finite.
        """
        if not math.isfinite(best):  # NaN wins every max, so it is seen here too
            raise ModelError("the model's logits are not finite; load it with dtype='float32' or 'bfloat16'")
        if self._temperature == 0:
            return token
        # Where the scaled differences overflow, at a tiny temperature, exp(-inf) = 0 is the right weight.
        weights = torch.exp((scores - best) / self._temperature)
        if self._top_p < 1:
            weights = _nucleus(weights, self._top_p)
        return _draw(weights, self._random.random())


def masked(logits: torch.Tensor, masks: Sequence[np.ndarray]) -> torch.Tensor:
    """``logits`` (num_choices, n_vocab) in float32, -inf where a choice's mask, a row of a token bitmask, forbids."""
    allowed = allowed_tokens(np.stack(masks), logits.shape[-1], logits.device)
    return torch.where(allowed, logits.float(), -math.inf)


def _draw(weights: torch.Tensor, uniform: float) -> int:
    """The token at ``uniform``, in [0, 1), of the weights' sum: one random number a token, whatever the vocabulary.

    At 152,064 tokens on a CPU this takes a tenth of the time of ``torch.multinomial``, which draws one for each token.
    """
    cumulated = weights.cumsum(dim=-1)
    total = np.float32(cumulated[-1].item())
    point = min(np.float32(uniform * total), np.nextafter(total, np.float32(0)))  # rounded, it could reach the total
    # The first token whose sum is above the point; a token without weight does not raise the sum, so it is never it.
    return int((cumulated <= float(point)).sum().item())


def _nucleus(weights: torch.Tensor, top_p: float) -> torch.Tensor:
    """The fewest heaviest tokens that hold ``top_p`` of the sum together, the others at zero."""
    enough = top_p * weights.sum()
    for num in (NUCLEUS_GUESS, len(weights)):  # to sort all takes 11 ms at 152,064 tokens, the largest 256 0.3 ms
        heaviest, order = weights.topk(min(num, len(weights)))
        before = heaviest.cumsum(dim=-1) - heaviest
        if before[-1] >= enough:  # the line is crossed within these
            break
    kept = torch.where(before < enough, heaviest, 0.0)  # the token that crosses the line stays in
    return torch.zeros_like(weights).scatter(-1, order, kept)


def allowed_tokens(bitmask: np.ndarray, n_vocab: int, device: torch.device) -> torch.Tensor:
    """Rows of a token bitmask as booleans, (..., n_vocab): bit t of word t >> 5 becomes element t.

    A device other than the CPU is sent the words and unpacks them itself.
    """
    if device.type == "cpu":
        octets = bitmask.astype("<i4", copy=False).view(np.uint8)
        bits = np.unpackbits(octets, axis=-1, count=n_vocab, bitorder="little")
        return torch.from_numpy(bits.view(np.bool_))
    return unpacked(torch.from_numpy(np.ascontiguousarray(bitmask)).to(device, non_blocking=True), n_vocab)


def unpacked(words: torch.Tensor, n_vocab: int) -> torch.Tensor:
    """The same for ``words``, int32, on their device."""
    shifts = torch.arange(32, dtype=torch.int32, device=words.device)
    bits = (words.unsqueeze(-1) >> shifts) & 1  # (..., num_words, 32)
    return bits.flatten(-2)[..., :n_vocab].bool()
