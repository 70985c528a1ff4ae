"""The decode loop: read, mask, choose, accept, until the grammar is finished or the limit is reached."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
import torch

from ..constraint import allocate_token_bitmask
from ..errors import TokenRejectedError
from .context import Context
from .sampling import Sampler, Sampling, allowed_tokens, forced_token
from .timings import Timings

if TYPE_CHECKING:
    from .model import Model

FinishReason = Literal["stop", "length"]


class Matcher(Protocol):
    """What the loop needs of a constraint; one for each answer."""

    def fill_next_token_bitmask(self, bitmask: np.ndarray, row: int) -> None: ...
    def accept_token(self, token_id: int) -> bool: ...
    def is_accepting(self) -> bool: ...
    def is_finished(self) -> bool: ...


@dataclass(frozen=True)
class Decoded:
    """The tokens of one answer, without the one that ends it; ``complete`` unless the limit cut it short."""

    token_ids: tuple[int, ...]
    finish_reason: FinishReason
    complete: bool
    num_forward_passes: int
    prefill_seconds: float
    decode_seconds: float
    mask_seconds: float
    first_token_seconds: float  # from the start of the prefill

    def timings(self, *, compile: float, before: float, total: float) -> Timings:
        """These times within a whole extraction's: ``before`` is what went by before the decode, in seconds."""
        return Timings(
            compile=compile,
            prefill=self.prefill_seconds,
            decode=self.decode_seconds,
            mask=self.mask_seconds,
            first_token=before + self.first_token_seconds,
            total=total,
            num_output_tokens=len(self.token_ids),
            num_forward_passes=self.num_forward_passes,
        )


def decode(
    model: Model, prompt_ids: Sequence[int], matcher: Matcher, *, max_tokens: int, sampling: Sampling
) -> Decoded:
    """Continue ``prompt_ids`` with what the model chooses among the tokens that ``matcher`` allows.

    A token that is the only one allowed is taken without asking the model; the next forward pass reads it along. The
    token that ends the answer does not count towards ``max_tokens``. ``matcher`` is left where the answer ends.
    """
    watch = _Stopwatch()
    constraint = _Constraint(model, matcher, watch)
    sampler = Sampler(sampling)
    context = Context(model)
    logits = context.extend(prompt_ids)[-1]  # (n_vocab,)
    logits[0].item()  # waits for the device, so that the prefill's time is its own
    watch.end_prefill()

    tokens: list[int] = []
    unread: list[int] = []  # chosen, but not yet seen by the network
    while True:
        token = constraint.forced()
        if token is None and len(tokens) < max_tokens:
            if unread:
                logits, unread = context.extend(unread)[-1], []
            token = sampler.choose(logits, constraint.allowed())
        if token in model.eos_token_ids:
            constraint.accept(token)
            return watch.finish(tokens, "stop", True, context)
        if token is None or len(tokens) == max_tokens:
            return watch.finish(tokens, "length", matcher.is_accepting(), context)
        constraint.accept(token)
        tokens.append(token)
        unread.append(token)
        watch.note_first_token()


class _Constraint:
    """A matcher with its one row of bitmask, and the time that both take."""

    def __init__(self, model: Model, matcher: Matcher, watch: _Stopwatch) -> None:
        self._matcher, self._watch = matcher, watch
        self._n_vocab, self._device = model.n_vocab, model.device
        self._bitmask = allocate_token_bitmask(1, model.n_vocab)

    def forced(self) -> int | None:
        """Fill the mask for the next token; the token, if there is only one."""
        with self._watch.masking():
            self._matcher.fill_next_token_bitmask(self._bitmask, 0)
            return forced_token(self._bitmask[0])

    def allowed(self) -> torch.Tensor:
        with self._watch.masking():
            return allowed_tokens(self._bitmask[0], self._n_vocab, self._device)

    def accept(self, token: int) -> None:
        with self._watch.masking():
            accepted = self._matcher.accept_token(token)
        if not accepted:
            raise TokenRejectedError(
                f"the constraint refused token {token}, which its mask had allowed; please report the schema"
            )


class _Stopwatch:
    """Seconds by phase of one answer."""

    def __init__(self) -> None:
        self._start = time.perf_counter()
        self._prefilled = self._start
        self._first_token: float | None = None
        self._mask = 0.0

    @contextmanager
    def masking(self) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self._mask += time.perf_counter() - start

    def note_first_token(self) -> None:
        if self._first_token is None:
            self._first_token = time.perf_counter()

    def end_prefill(self) -> None:
        self._prefilled = time.perf_counter()

    def finish(self, tokens: list[int], reason: FinishReason, complete: bool, context: Context) -> Decoded:
        end = time.perf_counter()
        return Decoded(
            token_ids=tuple(tokens),
            finish_reason=reason,
            complete=complete,
            num_forward_passes=context.num_passes,
            prefill_seconds=self._prefilled - self._start,
            decode_seconds=end - self._prefilled,
            mask_seconds=self._mask,
            first_token_seconds=(self._first_token or end) - self._start,
        )
