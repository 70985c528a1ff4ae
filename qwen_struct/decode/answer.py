"""One answer under way: which tokens it reads next, where it asks the model, and what it makes of the reply.

A forward pass reads the tokens chosen since the last one and, behind them, a guess at how the answer goes on: text
drafted from the source, and whatever the grammar leaves no choice about. After the pass the model's own choices are
compared with the guess, from the first on; those that agree have cost no pass of their own. What the model chooses is
the same with and without a guess.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, NamedTuple, Protocol

import numpy as np

from ..constraint import allocate_token_bitmask
from ..errors import DecodingError, TokenRejectedError
from .loops import Loop, LoopGuard
from .sampling import Sampler, Sampling
from .timings import Timings

FinishReason = Literal["stop", "length"]
MAX_READ = 64  # tokens of a guess, forced ones included, that one pass reads


class Matcher(Protocol):
    """What an answer needs of a constraint; :class:`qwen_struct.constraint.Matcher` has it."""

    def fill_next_token_bitmask(self, bitmask: np.ndarray, row: int) -> object: ...
    def fill_within(self, bitmask: np.ndarray, row: int, num_tokens: int) -> object: ...
    def accept_token(self, token_id: int) -> bool: ...

    @property
    def min_tokens(self) -> int:
        """How many more tokens complete the document."""
        ...

    def rollback(self, num_tokens: int) -> None: ...
    def is_accepting(self) -> bool: ...


class Guide(Protocol):
    """What knows how an answer goes on without asking the model; see :class:`.guide.SourceGuide`."""

    def forced(self) -> Sequence[int]:
        """The tokens that come next whatever the document."""
        ...

    def draft(self, limit: int) -> Sequence[int]:
        """A guess at the next tokens, at most ``limit``; the matcher accepts them one after another."""
        ...

    def learn(self, num_drafted: int, num_accepted: int) -> None: ...

    def place(self) -> str:
        """The JSON Pointer of the value that is being written."""
        ...


@dataclass(frozen=True)
class Decoded:
    """The tokens of one answer, without the one that ends it; ``complete`` unless the limit cut it short.

    ``steered`` has JSON Pointers of the values at which the limit kept the model from a token that it would have
    chosen. ``num_drafted`` and ``num_accepted`` count guessed tokens, forced ones left out.
    """

    token_ids: tuple[int, ...]
    finish_reason: FinishReason
    complete: bool
    steered: tuple[str, ...]
    num_forward_passes: int
    num_forced: int
    num_drafted: int
    num_accepted: int
    loop: Loop | None  # the longest stretch that repeats itself, if there is one
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


class Choice(NamedTuple):
    """A place where the model is asked, after ``offset`` tokens of the guess; ``mask`` (ceil(n_vocab / 32),) int32."""

    offset: int
    mask: np.ndarray


#: What the model chooses at a choice, given by its number, under its own mask or the one given.
Pick = Callable[[int, np.ndarray | None], int]


class Answer:
    """The state of one answer. ``matcher`` is left where the answer ends.

    Between passes, ``unread`` are tokens that the network has yet to read, ``guess`` those that it may read along, and
    ``choices`` the places where its logits are wanted: one after ``unread``, the others inside or after the guess.
    """

    def __init__(
        self,
        prompt_ids: Sequence[int],
        matcher: Matcher,
        *,
        n_vocab: int,
        eos_token_ids: Sequence[int],
        max_tokens: int,
        sampling: Sampling,
        guide: Guide | None = None,
        prefix_length: int = 0,
    ) -> None:
        self.prompt_ids, self.max_tokens = prompt_ids, max_tokens
        self.prefix_length = prefix_length  # of the prompt's tokens, shared with other prompts
        self.sampler = Sampler(sampling)
        self.tokens: list[int] = []
        self.unread: list[int] = []
        self.guess: list[int] = []
        self.choices: list[Choice] = []
        self.num_passes = 0
        self.finish_reason: FinishReason | None = None
        self._matcher, self._guide = matcher, guide
        self._eos = frozenset(eos_token_ids)
        self._masks = allocate_token_bitmask(1, n_vocab)
        self._end: FinishReason = "stop"  # why the answer ends, where it does
        self._ends_after_guess: FinishReason | None = None
        self._sure: list[int] = []  # forced tokens to come, the next one last
        self._steered: dict[str, None] = {}
        self._num_forced = self._num_drafted = self._num_accepted = 0
        self._loops = LoopGuard()
        self._times = _Times()

    @property
    def started(self) -> float:
        """When it began, by ``time.perf_counter``."""
        return self._times.started

    @property
    def is_finished(self) -> bool:
        return self.finish_reason is not None

    @property
    def num_reserved(self) -> int:
        """The tokens of cache that it may come to need."""
        return len(self.prompt_ids) + self.max_tokens + MAX_READ

    def begin(self) -> None:
        """Starts the clock, and takes what is forced before the model has said anything."""
        self._times.start()
        with self._times.constraint():
            self._go_on()

    def prepare(self) -> None:
        """Before a pass: makes a guess, and the masks for the places in it where the model will be asked."""
        if self.is_finished:
            return
        with self._times.constraint():
            self._walk(self._guide.draft(MAX_READ) if self._guide is not None else ())

    def take(self, pick: Pick) -> int:
        """After a pass: accepts what the model chose; returns how many tokens of the guess the network must forget."""
        self.num_passes += 1
        with self._times.constraint():
            return self._take(pick)

    def note_prefill(self) -> None:
        self._times.end_prefill()

    def note_constraint(self, seconds: float) -> None:
        """Counts time that was spent on this answer's masks elsewhere."""
        self._times.seconds += seconds

    def result(self) -> Decoded:
        """What came of it, once it is finished."""
        assert self.finish_reason is not None
        prefill, decode, first = self._times.phases()
        return Decoded(
            token_ids=tuple(self.tokens),
            finish_reason=self.finish_reason,
            complete=self.finish_reason == "stop" or self._matcher.is_accepting(),
            steered=tuple(self._steered),
            num_forward_passes=self.num_passes,
            num_forced=self._num_forced,
            num_drafted=self._num_drafted,
            num_accepted=self._num_accepted,
            loop=self._loops.loop,
            prefill_seconds=prefill,
            decode_seconds=decode,
            mask_seconds=self._times.seconds,
            first_token_seconds=first,
        )

    # The guess. -------------------------------------------------------------------------------------------------

    def _walk(self, drafted: Sequence[int]) -> None:
        """Follows a guess with the matcher, collects masks on the way, and goes back."""
        self._ends_after_guess = None
        waiting = list(reversed(drafted))
        choice = self.choices[0]
        while waiting and _is_set(choice.mask, waiting[-1]) and self._guess(waiting.pop()):
            step = self._forced_or_choice(len(self.guess))
            while isinstance(step, int) and step not in self._eos and len(self.guess) < MAX_READ and self._guess(step):
                if not waiting or waiting.pop() != step:
                    waiting = []  # spelled otherwise than the grammar's own text
                step = self._forced_or_choice(len(self.guess))
            if isinstance(step, Choice) and len(self.guess) < MAX_READ:
                choice = step
                self.choices.append(choice)
            elif isinstance(step, int) and step in self._eos:
                self._ends_after_guess = self._end
                break
            else:  # too far, or more than the limit leaves: back to the last choice
                self._go_back(len(self.guess) - choice.offset)
                del self.guess[choice.offset :]
                break
        self._go_back(len(self.guess))

    def _guess(self, token: int) -> bool:
        """Adds a token to the guess, unless the limit is against it."""
        if not self._fits(token, len(self.guess)):
            return False
        self.guess.append(token)
        return True

    def _take(self, pick: Pick) -> int:
        at = num_accepted = 0
        token: int | None = None
        for choice in self.choices:
            self._confirm(self.guess[at : choice.offset])
            at = choice.offset
            token = pick(num_accepted, None)
            if at == len(self.guess) or self.guess[at] != token:
                break
            num_accepted += 1
        else:  # the guess was right to the end of the document
            self._confirm(self.guess[at:])
            at, token = len(self.guess), None
        num_forgotten = len(self.guess) - at
        self._learn(num_accepted)
        self.unread, self.guess, self.choices = [], [], []
        if token is None:
            assert self._ends_after_guess is not None
            self._finish(self._ends_after_guess)
        elif token in self._eos:
            self._accept(token)
            self._finish("stop")
        else:
            if not self._fits(token, 0):
                self._note_steered()
                token = self._take_within(partial(pick, num_accepted))
            self.unread.append(token)
            self._note(token, False)
            self._go_on()
        return num_forgotten

    def _learn(self, num_accepted: int) -> None:
        num_drafted = len(self.choices) - (self._ends_after_guess is None)
        self._num_drafted += num_drafted
        self._num_accepted += num_accepted
        if self._guide is not None and num_drafted:
            self._guide.learn(num_drafted, num_accepted)

    # The answer itself. -----------------------------------------------------------------------------------------

    def _go_on(self) -> None:
        """Takes the tokens about which there is no choice, up to the next choice or the end."""
        while True:
            step = self._forced_or_choice(0)
            if isinstance(step, int) and step not in self._eos and not self._fits(step, 0):
                step = self._choice_within()
            if isinstance(step, Choice):
                self.choices = [step]
                return
            if step is None or step in self._eos:
                if step is not None:
                    self._accept(step)
                self._finish(self._end)
                return
            self.unread.append(step)
            self._note(step, True)

    def _confirm(self, tokens: Sequence[int]) -> None:
        """Accepts a part of the guess: a drafted token, and forced ones after it."""
        for i, token in enumerate(tokens):
            self._accept(token)
            self._note(token, i > 0)

    def _note(self, token: int, forced: bool) -> None:
        self.tokens.append(token)
        self._num_forced += forced
        self._loops.add(token, forced)
        self._times.note_token()

    def _left(self, offset: int) -> int:
        """How many tokens the limit leaves after ``offset`` tokens of a guess."""
        return self.max_tokens - len(self.tokens) - offset

    def _forced_or_choice(self, offset: int) -> int | Choice | None:
        """What comes after ``offset`` tokens of a guess: a token without a choice, or a choice.

        An end-of-sequence token when nothing else may come; None where the limit is reached. ``_end`` says in both
        cases why the answer ends.
        """
        if self._sure:
            return self._sure.pop()
        self._matcher.fill_next_token_bitmask(self._masks, 0)
        mask = self._masks[0]
        only = _only_tokens(mask, 1 + len(self._eos))
        if only is not None and all(token in self._eos for token in only):
            self._end = "stop"
            return only[0]
        if self._left(offset) <= 0:
            self._end = "length"
            return None
        forced = self._guide.forced() if self._guide is not None else ()
        if forced:
            self._sure = list(reversed(forced))
            return self._sure.pop()
        if only is not None and len(only) == 1:
            return only[0]
        return Choice(offset, mask.copy())

    def _fits(self, token: int, offset: int) -> bool:
        """Accepts ``token`` after ``offset`` tokens of a guess, if the document can be completed in time then."""
        self._accept(token)
        if self._matcher.min_tokens < self._left(offset):
            return True
        self._go_back(1)
        return False

    def _go_back(self, num_tokens: int) -> None:
        self._matcher.rollback(num_tokens)
        self._sure = []

    def _take_within(self, pick: Callable[[np.ndarray], int]) -> int:
        """Takes one of the tokens after which the document can be completed in time."""
        choice = self._choice_within()
        if isinstance(choice, Choice):
            token = pick(choice.mask)
            self._accept(token)
            return token
        return choice

    def _choice_within(self) -> int | Choice:
        """What may come next if the document is to be completed in time; a single token is accepted."""
        self._matcher.fill_within(self._masks, 0, self._left(0))
        only = _only_tokens(self._masks[0], 1)
        if only is None:
            return Choice(0, self._masks[0].copy())
        self._accept(only[0])
        return only[0]

    def _accept(self, token: int) -> None:
        if not self._matcher.accept_token(token):
            raise TokenRejectedError(
                f"the constraint refused token {token}, which its mask had allowed; please report the schema"
            )

    def _note_steered(self) -> None:
        if self._guide is not None:
            self._steered[self._guide.place()] = None

    def _finish(self, reason: FinishReason) -> None:
        self.finish_reason = reason
        self.choices, self.guess = [], []
        self._times.end()


class _Times:
    """Seconds by phase of one answer."""

    def __init__(self) -> None:
        self.seconds = 0.0  # of the constraint
        self.started = self._prefilled = self._ended = time.perf_counter()
        self._first_token: float | None = None

    def start(self) -> None:
        self.started = self._prefilled = time.perf_counter()

    def constraint(self) -> _Counting:
        return _Counting(self)

    def note_token(self) -> None:
        if self._first_token is None:
            self._first_token = time.perf_counter()

    def end_prefill(self) -> None:
        self._prefilled = time.perf_counter()

    def end(self) -> None:
        self._ended = time.perf_counter()

    def phases(self) -> tuple[float, float, float]:
        """The seconds of the prefill, of what came after it, and up to the first token."""
        end = max(self._ended, self._prefilled)
        first = max(self._first_token or end, self._prefilled)  # forced tokens come before, but nobody sees them yet
        return self._prefilled - self.started, end - self._prefilled, first - self.started


class _Counting:
    """Adds the time inside a ``with`` block to that of the constraint."""

    __slots__ = ("_since", "_times")

    def __init__(self, times: _Times) -> None:
        self._times = times

    def __enter__(self) -> None:
        self._since = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self._times.seconds += time.perf_counter() - self._since


def _is_set(mask: np.ndarray, token: int) -> bool:
    return bool(int(mask[token >> 5]) >> (token & 31) & 1)


def _only_tokens(mask: np.ndarray, most: int) -> list[int] | None:
    """The tokens of a mask if they are at most ``most``, else None.

    Raises:
        DecodingError: there is none.
    """
    words = mask.nonzero()[0]
    if len(words) > most:
        return None
    found = [int(word) * 32 + bit for word in words.tolist() for bit in range(32) if int(mask[word]) >> bit & 1]
    if not found:
        raise DecodingError(
            "the constraint allows no token here, which it promises never to do; please report the schema"
        )
    return found if len(found) <= most else None
