"""Answers written side by side: one forward pass moves all of them on; who ends leaves, and the next takes the room.

Rows of a pass differ in what they read, so an answer gets what it would get alone, up to the rounding of the hardware.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch

from .answer import Answer, Decoded, Guide, Matcher
from .sampling import Sampling, masked
from .slots import CHUNK, Slots

if TYPE_CHECKING:
    from .model import Model
    from .prefixes import PrefixStore

MAX_ROWS = 16  # answers side by side unless the caller says otherwise


class Batch:
    """The answers being written, up to ``max_rows``. ``prefixes`` provides and keeps what prompts share."""

    def __init__(self, model: Model, prefixes: PrefixStore | None = None, max_rows: int = 1) -> None:
        self._slots = Slots(model, max_rows)
        self._prefixes = prefixes
        self.active: list[Answer] = []  # answer i has row i

    def num_reserved_with(self, answer: Answer) -> int:
        """The tokens of cache that the answers may come to need with another one, all rows as long as the longest."""
        longest = max(other.num_reserved for other in (*self.active, answer))
        return self._slots.num_positions(len(self.active) + 1, longest)

    def admit(self, answer: Answer) -> list[Answer]:
        """Takes in an answer and reads its prompt; returns it if that was all there is to it."""
        answer.begin()
        if answer.is_finished:
            answer.note_prefill()
            return [answer]
        prompt = answer.prompt_ids
        prefix = self._prefixes.find(prompt) if self._prefixes is not None else None
        row = self._slots.add(prefix)
        self.active.append(answer)
        answer.unread[:0] = prompt if prefix is None else prompt[prefix.num_tokens :]
        finished = self._advance(row, [answer])
        wanted = answer.prefix_length
        if self._prefixes is not None and wanted and (prefix is None or prefix.num_tokens < wanted):
            self._prefixes.keep(prompt[:wanted], self._slots.prefix(row, wanted))
        answer.note_prefill()
        self._leave(finished)
        return finished

    def step(self) -> list[Answer]:
        """One forward pass for all; returns those that are finished with it."""
        finished = self._advance(0, self.active)
        self._leave(finished)
        return finished

    def _advance(self, first: int, answers: Sequence[Answer]) -> list[Answer]:
        for row, answer in enumerate(answers, first):
            answer.prepare()
            if len(answer.unread) > CHUNK:
                at = len(answer.unread) - CHUNK
                self._slots.read_prompt(row, answer.unread[:at])
                del answer.unread[:at]
        inputs = [answer.unread + answer.guess for answer in answers]
        wanted = [[len(a.unread) - 1 + choice.offset for choice in a.choices] for a in answers]
        picks = _Picks(self._slots.read(inputs, wanted, first), answers)
        for row, (answer, number) in enumerate(zip(answers, picks.starts, strict=True), first):
            self._slots.forget(row, answer.take(partial(picks.pick, answer, number)))
        return [answer for answer in answers if answer.is_finished]

    def _leave(self, finished: Sequence[Answer]) -> None:
        for answer in finished:
            row = self.active.index(answer)
            self._slots.remove(row)
            self.active[row] = self.active[-1]
            self.active.pop()


class _Picks:
    """What the model chooses at each of the answers' places, once their masks are applied; in one go for all.

    ``logits`` (num_choices, n_vocab), one answer's choices after the other's. ``starts[i]`` is the number of answer i's
    first.
    """

    def __init__(self, logits: torch.Tensor, answers: Sequence[Answer]) -> None:
        begin = time.perf_counter()
        self._logits = logits
        self.starts = [0]
        for answer in answers[:-1]:
            self.starts.append(self.starts[-1] + len(answer.choices))
        self._scores = masked(self._logits, [choice.mask for answer in answers for choice in answer.choices])
        best, tokens = self._scores.max(dim=-1)
        self._best: list[float] = best.tolist()
        self._tokens: list[int] = tokens.tolist()
        share = (time.perf_counter() - begin) / len(answers)
        for answer in answers:
            answer.note_constraint(share)

    def pick(self, answer: Answer, start: int, number: int, mask: np.ndarray | None) -> int:
        """The token at choice ``start + number``, under ``mask`` if there is one."""
        at = start + number
        if mask is None:
            return answer.sampler.choose(self._scores[at], self._best[at], self._tokens[at])
        scores = masked(self._logits[at : at + 1], [mask])[0]
        best, token = scores.max(dim=-1)
        return answer.sampler.choose(scores, best.item(), int(token.item()))


def write(
    model: Model,
    answers: Iterable[Answer],
    *,
    prefixes: PrefixStore | None = None,
    max_rows: int = MAX_ROWS,
    max_tokens: int | None = None,
) -> Iterator[Answer]:
    """Writes ``answers`` to their ends; each comes out when it is finished, in no certain order.

    At most ``max_rows`` are under way, and as many as ``max_tokens`` of cache can hold whatever they grow to; the
    others wait. One that takes more than that by itself is written alone.
    """
    batch = Batch(model, prefixes, max_rows)
    waiting = iter(answers)
    following = next(waiting, None)
    while following is not None or batch.active:
        while following is not None and (not batch.active or _has_room(batch, following, max_rows, max_tokens)):
            yield from batch.admit(following)
            following = next(waiting, None)
        if batch.active:
            yield from batch.step()


def _has_room(batch: Batch, answer: Answer, max_rows: int, max_tokens: int | None) -> bool:
    if len(batch.active) >= max_rows:
        return False
    return max_tokens is None or batch.num_reserved_with(answer) <= max_tokens


def decode(
    model: Model,
    prompt_ids: Sequence[int],
    matcher: Matcher,
    *,
    max_tokens: int,
    sampling: Sampling,
    guide: Guide | None = None,
) -> Decoded:
    """Continue ``prompt_ids`` with what the model chooses among the tokens that ``matcher`` allows.

    The token that ends the answer does not count towards ``max_tokens``. ``matcher`` is left where the answer ends.
    """
    answer = Answer(
        prompt_ids,
        matcher,
        n_vocab=model.n_vocab,
        eos_token_ids=model.eos_token_ids,
        max_tokens=max_tokens,
        sampling=sampling,
        guide=guide,
    )
    for finished in write(model, [answer]):
        return finished.result()
    raise AssertionError("the answer did not finish")
