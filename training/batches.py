"""Examples as token ids with loss weights, mixed by the curriculum and batched by length."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

import torch
from tokenizers import Tokenizer
from torch import Tensor

from qwen_struct.prompt import SYSTEM, build_messages
from training.copying import make_exercise
from training.documents import Example
from training.kinds import make_example
from training.variants import make_variant, sample

READ_WEIGHT = 0.1  # of the loss on read tokens that an earlier part of the row foretells; on the answer it is 1
POOL = 8  # batches drawn together, so that each holds examples of one length
HEAD = f"<|im_start|>system\n{SYSTEM}<|im_end|>\n<|im_start|>user\nJSON Schema:\n"  # how every prompt begins


@dataclass(frozen=True)
class Stage:
    """What is trained on from ``first_step`` on: shares of each source, the rest of 1 being documents of every kind."""

    first_step: int
    batch_tokens: int
    limit: int  # longer rows are left out
    repeats: float = 0.0  # random tokens, again and again
    exercises: float = 0.0
    variants: float = 0.0  # the shipped samples with other values
    samples: float = 0.0  # the shipped samples themselves


# "reader": copying, then looking up, then documents, short ones first. "samples": the shipped samples, with documents
# like them to keep the answers tied to what is read.
CURRICULA = {
    "reader": [
        Stage(0, 2048, 192, repeats=0.4, exercises=0.6),
        Stage(304, 3072, 288, repeats=0.05, exercises=0.6),
        Stage(800, 4096, 512, repeats=0.02, exercises=0.35, variants=0.05),
        Stage(2000, 6144, 512, repeats=0.02, exercises=0.2, variants=0.08),
        Stage(4000, 6144, 768, repeats=0.02, exercises=0.12, variants=0.1, samples=0.01),
        Stage(8000, 8192, 1100, repeats=0.01, exercises=0.1, variants=0.1, samples=0.01),
    ],
    "samples": [Stage(0, 4096, 1100, variants=0.5, samples=0.5)],
}


@dataclass(frozen=True)
class Row:
    """What follows the head: token ids and, for each, the weight of the loss of predicting it."""

    ids: list[int]
    weights: list[float]
    kind: str


@dataclass(frozen=True)
class Batch:
    ids: Tensor  # (rows, length)
    weights: Tensor  # (rows, length)
    kinds: list[str]


def stage_at(curriculum: str, step: int) -> Stage:
    return [stage for stage in CURRICULA[curriculum] if stage.first_step <= step][-1]


def prompt_text(example: Example) -> str:
    """The prompt as the chat template spells it."""
    messages = build_messages(example.schema, example.text, example.instructions)
    return "".join(f"<|im_start|>{m['role']}\n{m['content']}<|im_end|>\n" for m in messages) + "<|im_start|>assistant\n"


def answer_text(example: Example) -> str:
    return json.dumps(example.value, ensure_ascii=False)


def head_ids(tokenizer: Tokenizer) -> list[int]:
    ids: list[int] = tokenizer.encode(HEAD).ids
    return ids


def example_row(tokenizer: Tokenizer, example: Example) -> Row:
    prompt = prompt_text(example)
    assert prompt.startswith(HEAD)
    read = tokenizer.encode(prompt[len(HEAD) :]).ids
    answer = tokenizer.encode(answer_text(example) + "<|im_end|>").ids
    return Row(read + answer, foretold(read) + [1.0] * len(answer), example.kind)


def foretold(ids: list[int]) -> list[float]:
    """READ_WEIGHT where the two tokens before stood together earlier and the same one followed, else 0."""
    followers: dict[tuple[int, int], int] = {}
    weights = [0.0] * len(ids)
    for i in range(2, len(ids)):
        pair = (ids[i - 2], ids[i - 1])
        if followers.get(pair) == ids[i]:
            weights[i] = READ_WEIGHT
        followers[pair] = ids[i]
    return weights


def repeat_row(tokenizer: Tokenizer, rng: Random) -> Row:
    """Random tokens said two to four times, in whole or from somewhere within; only the repetitions count."""
    first = [rng.randrange(tokenizer.get_vocab_size()) for _ in range(rng.randint(4, 40))]
    ids, weights = list(first), [0.0] * len(first)
    for _ in range(rng.randint(1, 3)):
        start = rng.choice([0, rng.randrange(len(first))])
        ids += first[start:]
        weights += [0.0] + [1.0] * (len(first) - start - 1)
    return Row(ids, weights, "repeat")


def draw(tokenizer: Tokenizer, rng: Random, stage: Stage) -> Row:
    choice = rng.random()
    if choice < stage.repeats:
        return repeat_row(tokenizer, rng)
    choice -= stage.repeats
    if choice < stage.exercises:
        return example_row(tokenizer, make_exercise(rng))
    choice -= stage.exercises
    if choice < stage.variants:
        return example_row(tokenizer, make_variant(rng))
    choice -= stage.variants
    if choice < stage.samples:
        return example_row(tokenizer, sample(rng))
    return example_row(tokenizer, make_example(rng))


def batches(tokenizer: Tokenizer, seed: int, first_step: int, curriculum: str = "reader") -> Iterator[Batch]:
    """Endless batches; the same from any first step."""
    pool_index = first_step // POOL
    skip = first_step % POOL
    while True:
        rng = Random(f"{seed}/{pool_index}")
        stage = stage_at(curriculum, pool_index * POOL)
        rows: list[Row] = []
        while sum(len(row.ids) for row in rows) < POOL * stage.batch_tokens * 0.97:
            row = draw(tokenizer, rng, stage)
            if len(row.ids) <= stage.limit and any(weight == 1.0 for weight in row.weights):
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


def pad(rows: list[Row]) -> Batch:
    length = max(len(row.ids) for row in rows)
    ids = torch.zeros(len(rows), length, dtype=torch.long)
    weights = torch.zeros(len(rows), length)
    for i, row in enumerate(rows):
        ids[i, : len(row.ids)] = torch.tensor(row.ids)
        weights[i, : len(row.ids)] = torch.tensor(row.weights)
    return Batch(ids, weights, [row.kind for row in rows])
