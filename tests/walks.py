"""Random walks through a grammar's masks: what a model with arbitrary logits could make of a schema."""

from __future__ import annotations

from random import Random

from qwen_struct.constraint import Grammar, allocate_token_bitmask, allowed_tokens

_ENDINGS = (b'"', b"}", b"]", *(b"%d" % d for d in range(10)), b",", b"e", b"l", b"\\")


def random_walk(grammar: Grammar, rng: Random, num_free: int = 30, limit: int = 1500) -> str | None:
    """The text of an output whose every token was drawn from the mask; None when ``limit`` tokens did not finish it.

    The first ``num_free`` tokens are drawn uniformly; then tokens that bring the document to an end are preferred, as
    uniform draws from 150,000 tokens hardly ever close a string. Fails on an empty mask or a token refused in spite of it.
    """
    vocabulary = grammar.vocabulary
    tokens, eos = vocabulary.tokens, set(vocabulary.eos_token_ids)
    matcher = grammar.matcher()
    bitmask = allocate_token_bitmask(1, vocabulary.n_vocab)
    for step in range(limit):
        matcher.fill_next_token_bitmask(bitmask, 0)
        allowed = allowed_tokens(bitmask[0])
        assert allowed, f"empty mask after {matcher.text!r}"
        ends = eos.intersection(allowed)
        assert bool(ends) == matcher.is_accepting()
        if ends and (step >= num_free or len(allowed) == len(ends)):
            assert matcher.accept_token(min(ends))
            assert matcher.is_finished()
            return matcher.text.decode()
        choices = [t for t in allowed if t not in ends]
        if step >= num_free:
            short = [t for t in choices if (tokens[t] or b"").startswith(_ENDINGS) and len(tokens[t] or b"") < 4]
            closing = [t for t in short if tokens[t] in (b'"', b"}", b"]")]
            choices = closing if closing and rng.random() < 0.7 else short or choices
        token = rng.choice(choices)
        assert matcher.accept_token(token), f"refused {tokens[token]!r} after {matcher.text!r}"
    return None
