"""Where the time of one extraction went."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Timings:
    """Seconds by phase, and the number of forward passes. Loading the model is not part of them.

    ``compile`` is the schema's grammar (zero when it was cached), ``prefill`` the pass over the prompt, ``decode`` all
    that follows it. ``mask`` is the constraint's part of these two: masks, drafts, and the choice under a mask. Where
    answers are written side by side, each counts the time in which the others were moved on with it.
    ``first_token`` runs from the call to the first chosen token, ``total`` to the validated value.
    """

    compile: float
    prefill: float
    decode: float
    mask: float
    first_token: float
    total: float
    num_output_tokens: int
    num_forward_passes: int  # the prefill among them; a forced token needs none of its own

    @property
    def tokens_per_second(self) -> float:
        """Output tokens by second of decoding, the prefill left out."""
        return self.num_output_tokens / self.decode if self.decode else 0.0

    @property
    def mask_share(self) -> float:
        """The constraint's part of prefill and decode, between 0 and 1."""
        spent = self.prefill + self.decode
        return self.mask / spent if spent else 0.0
