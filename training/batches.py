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
from training.copying import make_exercise, make_recall
from training.documents import Example
from training.dressing import dress
from training.kinds import make_example
from training.naming import make_naming
from training.pointing import NOWHERE, sources_of, weights_of
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
    recall: float = 0.0  # as many look-ups to a row as go in
    naming: float = 0.0
    variants: float = 0.0  # the shipped samples with other values
    samples: float = 0.0  # the shipped samples themselves


# "reader": copying, then looking up, then documents, short ones first. "finish": for a cooldown, with shipped samples.
# "samples": these alone, with documents like them to keep the answers tied to what is read.
CURRICULA = {
    "reader": [
        Stage(0, 2048, 224, repeats=0.2, exercises=0.35, recall=0.4),
        Stage(240, 3072, 320, repeats=0.03, exercises=0.3, recall=0.2),
        Stage(800, 4096, 600, repeats=0.01, exercises=0.12, recall=0.05, naming=0.25, variants=0.05),
        Stage(2000, 4096, 640, exercises=0.08, recall=0.02, naming=0.2, variants=0.08),
        Stage(3000, 6144, 1100, exercises=0.06, naming=0.1, variants=0.1, samples=0.01),
    ],
    "finish": [Stage(0, 6144, 1100, exercises=0.04, naming=0.08, variants=0.12, samples=0.06)],
    "samples": [Stage(0, 4096, 1100, variants=0.5, samples=0.5)],
}


@dataclass(frozen=True)
class Row:
    """What follows the head: token ids and, for each, the weight of the loss of predicting it."""

    ids: list[int]
    weights: list[float]
    kind: str
    sources: list[int] | None = None  # for each token the index of the one that it repeats, or NOWHERE


@dataclass(frozen=True)
class Batch:
    ids: Tensor  # (rows, length)
    weights: Tensor  # (rows, length)
    kinds: list[str]
    sources: Tensor  # (rows, length): where the token stands that this one repeats, counted in the row, or NOWHERE


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
    read_text, answer = prompt[len(HEAD) :], answer_text(example)
    read, written = tokenizer.encode(read_text), tokenizer.encode(answer + "<|im_end|>")
    document = max(0, read_text.rfind(example.text))
    sources = sources_of(answer, written, read_text, read, document)
    return Row(
        read.ids + written.ids,
        foretold(read.ids) + weights_of(answer, written),
        example.kind,
        [NOWHERE] * len(read.ids) + sources,
    )


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
    if choice < stage.recall:
        return example_row(tokenizer, make_recall(rng))
    choice -= stage.recall
    if choice < stage.naming:
        return example_row(tokenizer, make_naming(rng))
    choice -= stage.naming
    if choice < stage.variants:
        return example_row(tokenizer, make_variant(rng))
    choice -= stage.variants
    if choice < stage.samples:
        return example_row(tokenizer, sample(rng))
    return example_row(tokenizer, dress(rng, make_example(rng)))


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
            if len(row.ids) <= stage.limit and any(weight > READ_WEIGHT for weight in row.weights):
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
    sources = torch.full((len(rows), length), NOWHERE)
    for i, row in enumerate(rows):
        ids[i, : len(row.ids)] = torch.tensor(row.ids)
        weights[i, : len(row.ids)] = torch.tensor(row.weights)
        if row.sources is not None:
            sources[i, : len(row.ids)] = torch.tensor(row.sources)
    return Batch(ids, weights, [row.kind for row in rows], sources)
