"""Examples as token ids with loss weights, mixed by the curriculum and batched by length."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

import torch
from tokenizers import Tokenizer
from torch import Tensor

from qwen_struct.prompt import build_messages
from training.copying import Exercise, make_exercise
from training.documents import Example, make_example
from training.variants import make_variant, sample

READ_WEIGHT = 0.02  # of the loss on what is read; on the answer it is 1
POOL = 8  # batches drawn together, so that each holds examples of one length


@dataclass(frozen=True)
class Mixture:
    """Shares of what is trained on; the rest of 1 are documents of every kind."""

    repeats: float  # random tokens, again and again
    exercises: float
    variants: float  # the shipped samples with other values
    samples: float  # the shipped samples themselves


# (first step, mixture) by name. "general": copying first, then documents, at last also the shipped samples' families.
# "samples": the shipped samples, with documents like them to keep the answers tied to what is read.
CURRICULA = {
    "general": [
        (0, Mixture(1.0, 0.0, 0.0, 0.0)),
        (200, Mixture(0.2, 0.7, 0.0, 0.0)),
        (400, Mixture(0.05, 0.45, 0.1, 0.0)),
        (700, Mixture(0.02, 0.1, 0.25, 0.02)),
    ],
    "samples": [(0, Mixture(0.0, 0.0, 0.25, 0.75)), (320, Mixture(0.0, 0.0, 0.0, 1.0))],
}


@dataclass(frozen=True)
class Row:
    """Token ids and, for each, the weight of the loss of predicting it."""

    ids: list[int]
    weights: list[float]


def mixture_at(curriculum: str, step: int) -> Mixture:
    return [mixture for first, mixture in CURRICULA[curriculum] if first <= step][-1]


def prompt_text(example: Example) -> str:
    """The prompt as the chat template spells it."""
    messages = build_messages(example.schema, example.text, example.instructions)
    return "".join(f"<|im_start|>{m['role']}\n{m['content']}<|im_end|>\n" for m in messages) + "<|im_start|>assistant\n"


def answer_text(example: Example) -> str:
    return json.dumps(example.value, ensure_ascii=False)


def example_row(tokenizer: Tokenizer, example: Example) -> Row:
    system, user = prompt_text(example).split("<|im_end|>\n", 1)
    return _row(
        tokenizer, [(system + "<|im_end|>\n", 0.0), (user, READ_WEIGHT), (answer_text(example) + "<|im_end|>", 1.0)]
    )


def repeat_row(tokenizer: Tokenizer, rng: Random) -> Row:
    """Random tokens said two to four times, in whole or from somewhere within; only the repetitions count."""
    first = [rng.randrange(tokenizer.get_vocab_size()) for _ in range(rng.randint(4, 40))]
    ids, weights = list(first), [0.0] * len(first)
    for _ in range(rng.randint(1, 3)):
        start = rng.choice([0, rng.randrange(len(first))])
        ids += first[start:]
        weights += [0.0] + [1.0] * (len(first) - start - 1)
    return Row(ids, weights)


def exercise_row(tokenizer: Tokenizer, exercise: Exercise) -> Row:
    read, answer = exercise
    opening = f"<|im_start|>user\n{read}<|im_end|>\n<|im_start|>assistant\n"
    return _row(tokenizer, [(opening, 0.0), (answer + "<|im_end|>", 1.0)])


def _row(tokenizer: Tokenizer, parts: list[tuple[str, float]]) -> Row:
    ids: list[int] = []
    weights: list[float] = []
    for text, weight in parts:
        piece = tokenizer.encode(text).ids
        ids += piece
        weights += [weight] * len(piece)
    return Row(ids, weights)


def draw(tokenizer: Tokenizer, rng: Random, mixture: Mixture) -> Row:
    choice = rng.random()
    if choice < mixture.repeats:
        return repeat_row(tokenizer, rng)
    choice -= mixture.repeats
    if choice < mixture.exercises:
        return exercise_row(tokenizer, make_exercise(rng))
    choice -= mixture.exercises
    if choice < mixture.variants:
        return example_row(tokenizer, make_variant(rng))
    choice -= mixture.variants
    if choice < mixture.samples:
        return example_row(tokenizer, sample(rng))
    return example_row(tokenizer, make_example(rng))


def batches(
    tokenizer: Tokenizer, seed: int, first_step: int, num_tokens: int, limit: int, curriculum: str = "general"
) -> Iterator[tuple[Tensor, Tensor]]:
    """Endless (ids, weights) pairs, each (rows, length) of about ``num_tokens``; the same from any first step."""
    pool_index = first_step // POOL
    skip = first_step % POOL
    while True:
        rng = Random(f"{seed}/{pool_index}")
        mixture = mixture_at(curriculum, pool_index * POOL)
        rows: list[Row] = []
        while sum(len(row.ids) for row in rows) < POOL * num_tokens * 0.97:
            row = draw(tokenizer, rng, mixture)
            if len(row.ids) <= limit:
                rows.append(row)
        rows.sort(key=lambda row: len(row.ids))
        groups = _split_evenly(rows)
        rng.shuffle(groups)
        for group in groups[skip:]:
            yield pad(group)
        pool_index, skip = pool_index + 1, 0


def _split_evenly(rows: list[Row]) -> list[list[Row]]:
    """``rows`` in POOL groups of about as many tokens each."""
    total = sum(len(row.ids) for row in rows)
    groups: list[list[Row]] = [[] for _ in range(POOL)]
    seen = 0
    for row in rows:
        groups[min(POOL - 1, seen * POOL // total)].append(row)
        seen += len(row.ids)
    return groups


def pad(rows: list[Row]) -> tuple[Tensor, Tensor]:
    length = max(len(row.ids) for row in rows)
    ids = torch.zeros(len(rows), length, dtype=torch.long)
    weights = torch.zeros(len(rows), length)
    for i, row in enumerate(rows):
        ids[i, : len(row.ids)] = torch.tensor(row.ids)
        weights[i, : len(row.ids)] = torch.tensor(row.weights)
    return ids, weights
