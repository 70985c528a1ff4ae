"""One token out of those that the mask allows: the likeliest, or one drawn at random."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from ..errors import DecodingError, ModelError


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

    def __init__(self, sampling: Sampling, device: torch.device) -> None:
        self._temperature, self._top_p = sampling.temperature, sampling.top_p
        self._generator = torch.Generator(device)
        if sampling.seed is None:
            self._generator.seed()
        else:
            self._generator.manual_seed(sampling.seed)

    def choose(self, logits: torch.Tensor, allowed: torch.Tensor) -> int:
        """A token id where ``allowed`` is True. Both are (n_vocab,), logits in any float dtype.

        Raises:
            ModelError: the logits are not finite.
        """
        scores = logits.float().masked_fill(~allowed, -math.inf)
        best, token = scores.max(dim=-1)
        if not math.isfinite(best.item()):  # NaN wins every max, so it is seen here too
            raise ModelError(
                f"the model's logits are not finite (dtype {str(logits.dtype).removeprefix('torch.')}); "
                "load it with dtype='float32' or 'bfloat16'"
            )
        if self._temperature == 0:
            return int(token.item())
        probabilities = torch.softmax((scores - best) / self._temperature, dim=-1)
        if self._top_p < 1:
            probabilities = _nucleus(probabilities, self._top_p)
        return int(torch.multinomial(probabilities, 1, generator=self._generator).item())


def _nucleus(probabilities: torch.Tensor, top_p: float) -> torch.Tensor:
    """The fewest likeliest tokens that hold ``top_p`` together, the others at zero; not normalised again."""
    ordered, order = probabilities.sort(descending=True)
    outside = ordered.cumsum(dim=-1) - ordered >= top_p  # the token that crosses the line stays in
    return probabilities.scatter(-1, order, ordered.masked_fill(outside, 0.0))


def allowed_tokens(bitmask_row: np.ndarray, n_vocab: int, device: torch.device) -> torch.Tensor:
    """A row of a token bitmask as booleans, (n_vocab,): bit t of word t >> 5 becomes element t."""
    octets = bitmask_row.astype("<i4", copy=False).view(np.uint8)
    bits = np.unpackbits(octets, count=n_vocab, bitorder="little")
    return torch.from_numpy(bits.view(np.bool_)).to(device)


def forced_token(bitmask_row: np.ndarray) -> int | None:
    """The token that a row of a bitmask leaves, if it is only one.

    Raises:
        DecodingError: it leaves none.
    """
    words = bitmask_row.nonzero()[0]
    if len(words) == 0:
        raise DecodingError(
            "the constraint allows no token here, which it promises never to do; please report the schema"
        )
    if len(words) > 1:
        return None
    word = int(bitmask_row[words[0]]) & 0xFFFFFFFF
    if word & (word - 1):
        return None
    return int(words[0]) * 32 + word.bit_length() - 1
