"""The constraint as a logits processor, for ``model.generate()`` and pipelines of transformers."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from hashlib import blake2b
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from transformers import LogitsProcessor

from ..constraint import Grammar, Matcher, Vocabulary, allocate_token_bitmask, compile_schema
from ..constraint.bitmask import row_of
from ..decode.model import logits_width
from ..errors import BudgetError, ModelError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from ..schema.references import Retrieve

GENERATIONS_KEPT = 8  # by one processor: more than one where an assistant drafts in text of its own
PREFIXES_KEPT = 64  # matchers that are remembered, or four a row where there are more rows


class SchemaLogitsProcessor(LogitsProcessor):
    """Lets ``generate()`` choose only tokens after which the answer can still become JSON of a schema.

    ``schema`` is whatever :func:`qwen_struct.extract` takes, a compiled :class:`~qwen_struct.constraint.Grammar`, or a
    list of them, one for each prompt of the batch. ``tokenizer`` is the model's fast tokenizer; ``model`` the model, or
    the width of its logits, in which case only the tokenizer's own end token ends an answer. A
    :class:`~qwen_struct.Vocabulary` in place of the tokenizer needs no model.

    What it returns depends on ``input_ids`` alone, so it works with greedy search, sampling, beams,
    ``num_return_sequences``, batches padded on the left, prompt look-up and assisted generation. ``scores`` are not
    changed, and a row always keeps a token: after the end of an answer, and after tokens that the schema does not
    allow, only those that end it.

    The prompt is what ``input_ids`` hold at the first call. Another prompt begins a new generation, and so does
    :meth:`reset`; where ``generate()`` is to go on with an answer that has begun, ``prompt_length`` says how many
    tokens stand before it, padding included.

    ``max_new_tokens``, the same as given to ``generate()``, keeps answers within it: they are complete, valid JSON when
    it is reached. A processor serves one generation at a time; grammars are shared between processors of one tokenizer.

    Raises:
        SchemaError: a schema is invalid, or asks for what cannot be enforced.
        ModelError: a tokenizer that is not byte-level BPE, or that does not belong to the model.
        BudgetError: ``max_new_tokens`` is below what a schema needs.
    """

    def __init__(
        self,
        schema: Any,
        tokenizer: PreTrainedTokenizerBase | Vocabulary,
        model: PreTrainedModel | int | None = None,
        *,
        prompt_length: int | None = None,
        max_new_tokens: int | None = None,
        retrieve: Retrieve | None = None,
    ) -> None:
        self.vocabulary = tokenizer if isinstance(tokenizer, Vocabulary) else vocabulary_of(tokenizer, model)
        if not self.vocabulary.eos_token_ids:
            raise ModelError("nothing ends an answer: the vocabulary names no end-of-sequence token; set one")
        schemas = schema if isinstance(schema, list | tuple) else [schema]
        self.grammars = tuple(self._grammar(each, retrieve) for each in schemas)
        if not self.grammars:
            raise ValueError("schema is an empty list; give one schema, or one for each prompt")
        self._max_new_tokens = max_new_tokens
        if max_new_tokens is not None:
            self._check_budget(max_new_tokens)
        self._prompt_length = prompt_length
        self._generations: list[_Generation] = []  # the last used at the end
        self._prefixes = _Prefixes(self.grammars)
        self._ends = row_of(self.vocabulary.eos_token_ids, self.vocabulary.n_vocab)

    def reset(self) -> None:
        """Takes the next call as the first of a new generation."""
        self._generations = []

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """``scores``, (rows, n_vocab), with -inf for every token that a row of ``input_ids`` must not go on with."""
        allowed = torch.from_numpy(self._allowed(self._answers(input_ids), scores.shape[-1])).to(scores.device)
        masked = scores.masked_fill(~allowed, -torch.inf)
        lost = masked.amax(dim=-1, keepdim=True) == -torch.inf  # (rows, 1)
        if lost.any():  # what other processors have left is nothing that the schema allows
            masked = masked.masked_fill(lost & allowed, 0.0)
        return masked

    def _answers(self, input_ids: torch.Tensor) -> NDArray[np.int32]:
        """The tokens of the answers so far, (rows, tokens), after noting the prompt if it is a new one."""
        start = self._generation(input_ids).start if self._prompt_length is None else self._prompt_length
        return _on_cpu(input_ids[:, start:])

    def _generation(self, input_ids: torch.Tensor) -> _Generation:
        """The one that this call belongs to; of several, that with the shortest prompt.

        An assistant whose text is encoded anew for each draft has generations of its own beside that of the model.
        """
        for generation in sorted(self._generations, key=lambda generation: generation.start):
            if generation.goes_on_with(input_ids):
                self._generations.remove(generation)
                break
        else:
            generation = _Generation(input_ids)
        self._generations = [*self._generations, generation][-GENERATIONS_KEPT:]
        return generation

    def _allowed(self, answers: NDArray[np.int32], width: int) -> NDArray[np.bool_]:
        """Which tokens each row may go on with, (rows, width)."""
        n_vocab = self.vocabulary.n_vocab
        bitmask = allocate_token_bitmask(len(answers), n_vocab)
        rows_each = self._rows_each(len(answers))
        for row, tokens in enumerate(answers):
            matcher = self._prefixes.matcher(row // rows_each, tokens, num_rows=len(answers))
            if matcher is not None:
                self._fill(matcher, bitmask, row, len(tokens))
            if not bitmask[row].any():
                bitmask[row] = self._ends
        bits = np.unpackbits(bitmask.astype("<i4", copy=False).view(np.uint8), axis=1, bitorder="little")
        _check_width(width, len(self.vocabulary.tokens))
        missing = width - bits.shape[1]
        return (np.pad(bits, ((0, 0), (0, missing))) if missing > 0 else bits[:, :width]).view(np.bool_)

    def _fill(self, matcher: Matcher, bitmask: NDArray[np.int32], row: int, num_tokens: int) -> None:
        if self._max_new_tokens is None:
            matcher.fill_next_token_bitmask(bitmask, row)
        else:
            with suppress(BudgetError):  # a draft that leaves no room any more: the mask is there, without a limit
                matcher.fill_within(bitmask, row, max(0, self._max_new_tokens - num_tokens))

    def _rows_each(self, num_rows: int) -> int:
        """How many rows each schema has: beams and returned sequences of one prompt stand side by side."""
        rows_each, left = divmod(num_rows, len(self.grammars))
        if left or not rows_each:
            raise ValueError(
                f"{num_rows} rows cannot be shared among {len(self.grammars)} schemas; give one schema for each prompt "
                "of the batch, in its order"
            )
        return rows_each

    def _grammar(self, schema: Any, retrieve: Retrieve | None) -> Grammar:
        if not isinstance(schema, Grammar):
            from ..schema.inputs import load_schema

            asked = load_schema(schema, retrieve=retrieve).constraint_schema
            return compile_schema(asked, self.vocabulary, key_order="schema", float_integers=False, retrieve=retrieve)
        if schema.vocabulary is not self.vocabulary:
            raise ValueError("the grammar was compiled for another vocabulary; pass grammar.vocabulary as tokenizer")
        return schema

    def _check_budget(self, limit: int) -> None:
        for grammar in self.grammars:
            if limit < grammar.min_tokens:
                raise BudgetError(
                    f"max_new_tokens is {limit:,} and the schema's shortest document takes "
                    f"{grammar.min_tokens:,} tokens; set it to at least that",
                    minimum=grammar.min_tokens,
                )


class _Generation:
    """One run of ``generate()``, by its prompt and the answers that it has come through."""

    def __init__(self, input_ids: torch.Tensor) -> None:
        self._prompt = input_ids.clone()  # (rows, start)
        self.start = input_ids.shape[1]
        self._seen = {_digest(b"")}

    def goes_on_with(self, input_ids: torch.Tensor) -> bool:
        """Whether this call belongs to it: the same prompt, and answers seen before, or before their last token."""
        if not torch.equal(self._prompt, input_ids[:, : self.start]):
            return False
        answers = _on_cpu(input_ids[:, self.start :])
        digests = [_digest(tokens.tobytes()) for tokens in answers]
        known = all(
            digest in self._seen or _digest(tokens[:-1].tobytes()) in self._seen
            for tokens, digest in zip(answers, digests, strict=True)
        )
        self._seen.update(digests if known else ())
        return known


def _on_cpu(token_ids: torch.Tensor) -> NDArray[np.int32]:
    return token_ids.to("cpu", torch.int32).contiguous().numpy()


def _digest(tokens: bytes) -> bytes:
    return blake2b(tokens, digest_size=12).digest()


class _Prefixes:
    """Matchers by the tokens they have read, the least recently used dropped: a step costs one accepted token a row."""

    def __init__(self, grammars: Sequence[Grammar]) -> None:
        self._grammars = grammars
        self._kept: OrderedDict[tuple[int, bytes], Matcher | None] = OrderedDict()

    def matcher(self, number: int, tokens: NDArray[np.int32], *, num_rows: int) -> Matcher | None:
        """Where ``tokens`` lead in grammar ``number``; None when they are not allowed. Not to be changed."""
        key = (number, tokens.tobytes())
        if key not in self._kept:
            before = (number, tokens[:-1].tobytes())
            if len(tokens) and before in self._kept:
                found = self._kept[before]
                self._kept[key] = _after(None if found is None else found.copy(), tokens[-1:])
            else:
                self._kept[key] = _after(self._grammars[number].matcher(), tokens)
            while len(self._kept) > max(PREFIXES_KEPT, 4 * num_rows):
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key]


def _after(matcher: Matcher | None, tokens: NDArray[np.int32]) -> Matcher | None:
    """``matcher`` after ``tokens``, of which those after the end of the document are padding; None when refused."""
    for token in tokens.tolist():
        if matcher is None or matcher.is_finished():
            break
        if not matcher.accept_token(token):
            return None
    return matcher


def vocabulary_of(tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel | int | None) -> Vocabulary:
    """The vocabulary of a tokenizer under a model, or under logits of that width; made once for each such pair."""
    if model is None:
        raise TypeError("beside a tokenizer, give the model or the width of its logits")
    n_vocab = model if isinstance(model, int) else logits_width(model)
    ends = tuple(sorted(_ends(tokenizer, None if isinstance(model, int) else model)))
    key = (n_vocab, ends, len(tokenizer))
    with _lock:
        known = _vocabularies.setdefault(tokenizer, {})
        if key not in known:
            _check_width(n_vocab, len(tokenizer))
            known[key] = Vocabulary.from_tokenizer(tokenizer, n_vocab=n_vocab, eos_token_ids=ends)
        return known[key]


def _check_width(width: int, num_tokens: int) -> None:
    if width < num_tokens:
        raise ModelError(
            f"the tokenizer has {num_tokens:,} tokens and the logits are only {width:,} wide, so they do not belong "
            "together; take both from one checkpoint"
        )


_vocabularies: WeakKeyDictionary[Any, dict[Any, Vocabulary]] = WeakKeyDictionary()
_lock = threading.Lock()


def _ends(tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel | None) -> list[int]:
    """The tokens at which ``generate()`` stops, or else the tokenizer's end token."""
    ids = None if model is None else getattr(model.generation_config, "eos_token_id", None)
    ids = tokenizer.eos_token_id if ids is None else ids
    return list(ids) if isinstance(ids, list | tuple) else [] if ids is None else [int(ids)]
