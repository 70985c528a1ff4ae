"""Random walks through a grammar's masks: what a model with arbitrary logits could make of a schema."""

from __future__ import annotations

from functools import cache
from random import Random

import numpy as np

from qwen_struct.constraint import Grammar, Vocabulary, allocate_token_bitmask, allowed_tokens
from qwen_struct.constraint.bitmask import Bitmask, row_of

_CLOSING = (b'"', b"}", b"]")
_ENDINGS = (*_CLOSING, *(b"%d" % d for d in range(10)), b",", b"e", b"l", b"\\")


@cache
def _ending_rows(vocabulary: Vocabulary) -> tuple[Bitmask, Bitmask]:
    closing = [i for i, t in enumerate(vocabulary.tokens) if t in _CLOSING]
    ending = [i for i, t in enumerate(vocabulary.tokens) if t is not None and t.startswith(_ENDINGS) and len(t) < 4]
    return row_of(closing, vocabulary.n_vocab), row_of(ending, vocabulary.n_vocab)


def random_walk(grammar: Grammar, rng: Random, num_free: int = 30, limit: int = 1500) -> str | None:
    """The text of an output whose every token was drawn from the mask; None when ``limit`` tokens did not finish it.

    The first ``num_free`` tokens are drawn uniformly; then tokens that bring the document to an end are preferred, as
    uniform draws from 150,000 tokens hardly ever close a string. Fails on an empty mask or a token refused in spite
    of it.
    """
    vocabulary = grammar.vocabulary
    closing, ending = _ending_rows(vocabulary)
    matcher = grammar.matcher()
    bitmask = allocate_token_bitmask(1, vocabulary.n_vocab)
    row = bitmask[0]
    for step in range(limit):
        matcher.fill_next_token_bitmask(bitmask, 0)
        assert row.any(), f"empty mask after {matcher.text!r}"
        ends = [t for t in vocabulary.eos_token_ids if row[t >> 5] >> (t & 31) & 1]
        assert bool(ends) == matcher.is_accepting()
        if ends:
            only_ends = np.array_equal(row, row_of(ends, vocabulary.n_vocab))
            if step >= num_free or only_ends:
                assert matcher.accept_token(ends[0]) and matcher.is_finished()
                return matcher.text.decode()
            row &= ~row_of(ends, vocabulary.n_vocab)
        if step >= num_free:
            for preferred in (closing, ending) if rng.random() < 0.7 else (ending,):
                if (row & preferred).any():
                    row &= preferred
                    break
        token = rng.choice(allowed_tokens(row))
        assert matcher.accept_token(token), f"refused {vocabulary.tokens[token]!r} after {matcher.text!r}"
    return None
