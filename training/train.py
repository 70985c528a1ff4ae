"""Train mini: ``python -m training.train --out build/mini`` (resumes from the folder's last checkpoint).

One core: 2,600 to 3,500 tokens/s. Progress goes to standard output and, as JSON lines, to ``log.jsonl`` in the folder.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from random import Random
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import Qwen2Config, Qwen2ForCausalLM

from training.batches import CURRICULA, Row, answer_text, batches, example_row, pad, prompt_text
from training.documents import Example, make_example
from training.muon import make_optimizers
from training.variants import make_variant, original

SEED = 20240315
NUM_STEPS = 400
WARM_UP = 15
DECAY = 0.35  # share of the steps in which the learning rate falls to zero
BATCH_TOKENS = 2048
ROW_LIMIT = 1100
LR_MATRICES, LR_REST = 0.02, 4e-3


def make_config(tokenizer: Tokenizer) -> Qwen2Config:
    end, pad_id = tokenizer.token_to_id("<|im_end|>"), tokenizer.token_to_id("<|endoftext|>")
    return Qwen2Config(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=256,
        intermediate_size=704,
        num_hidden_layers=4,
        num_attention_heads=8,
        num_key_value_heads=8,
        max_position_embeddings=4096,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=end,
        pad_token_id=pad_id,
    )


def weighted_loss(model: Qwen2ForCausalLM, ids: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """The loss to train on, and the loss on answers alone."""
    with torch.autocast("cpu", torch.bfloat16):
        logits = model(input_ids=ids[:, :-1], use_cache=False).logits  # (rows, length - 1, n_vocab)
    losses = cross_entropy(logits.float().flatten(0, 1), ids[:, 1:].flatten(), reduction="none")
    weight = weights[:, 1:].flatten()
    answer = (weight == 1.0).float()
    return (losses * weight).sum() / weight.sum(), (losses.detach() * answer).sum() / answer.sum()


@torch.no_grad()
def held_out_loss(model: Qwen2ForCausalLM, rows: list[Row]) -> float:
    return sum(float(weighted_loss(model, *pad([row]))[1]) for row in rows) / len(rows)


@torch.no_grad()
def answer(model: Qwen2ForCausalLM, tokenizer: Tokenizer, example: Example, max_tokens: int = 320) -> str:
    """The greedy answer, unconstrained."""
    ids = torch.tensor([tokenizer.encode(prompt_text(example)).ids])
    with torch.autocast("cpu", torch.bfloat16):
        output = model.generate(  # type: ignore[misc]
            ids, max_new_tokens=max_tokens, do_sample=False, pad_token_id=0
        )
    return tokenizer.decode(output[0, ids.shape[1] :].tolist(), skip_special_tokens=True)


def learning_rate(step: int, num_steps: int) -> float:
    """Factor of the learning rate: up in a line, constant, down in a line."""
    return min(1.0, (step + 1) / WARM_UP, max(0.0, (num_steps - step) / (num_steps * DECAY)))


def save(path: Path, model: Qwen2ForCausalLM, optimizers: list[torch.optim.Optimizer], step: int, tokens: int) -> None:
    state = {
        "model": model.state_dict(),
        "optimizers": [o.state_dict() for o in optimizers],
        "step": step,
        "tokens": tokens,
    }
    temporary = path.with_suffix(".part")
    torch.save(state, temporary)
    temporary.replace(path)


def report(out: Path, record: dict[str, Any]) -> None:
    print(" ".join(f"{k}={v:.4g}" if isinstance(v, float) else f"{k}={v}" for k, v in record.items()), flush=True)
    with (out / "log.jsonl").open("a") as file:
        file.write(json.dumps(record, ensure_ascii=False) + "\n")


def show_samples(model: Qwen2ForCausalLM, tokenizer: Tokenizer) -> None:
    for example in [
        original("invoice"),
        make_variant(Random("sample-0"), "contract"),
        make_example(Random("sample-1"), "form"),
        make_example(Random("sample-2")),
    ]:
        print(
            f"  wanted: {answer_text(example)[:200]}\n  given:  {answer(model, tokenizer, example, 120)[:200]}",
            flush=True,
        )


def run(out: Path, tokenizer_path: Path, num_steps: int, batch_tokens: int, curriculum: str) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    out.mkdir(parents=True, exist_ok=True)
    tokenizer = Tokenizer.from_file(str(tokenizer_path))
    model = Qwen2ForCausalLM(make_config(tokenizer))
    optimizers = make_optimizers(model, LR_MATRICES, LR_REST)
    base = [o.param_groups[0]["lr"] for o in optimizers]
    checkpoint, step, tokens = out / "checkpoint.pt", 0, 0
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        model.load_state_dict(state["model"])
        for optimizer, saved in zip(optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        step, tokens = state["step"], state["tokens"]
    held_out = [example_row(tokenizer, make_example(Random(f"held-out-{i}"))) for i in range(24)]
    started, seen, saved_at, total = time.time(), 0, time.time(), 0.0
    for ids, weights in batches(tokenizer, SEED, step, batch_tokens, ROW_LIMIT, curriculum):
        if step >= num_steps:
            break
        loss, answer_loss = weighted_loss(model, ids, weights)
        loss.backward()
        for optimizer, lr in zip(optimizers, base, strict=True):
            optimizer.param_groups[0]["lr"] = lr * learning_rate(step, num_steps)
            optimizer.step()
            optimizer.zero_grad()
        step += 1
        seen += ids.numel()
        tokens += ids.numel()
        total += float(answer_loss)
        if step % 20 == 0:
            report(
                out,
                {"step": step, "tokens": tokens, "train": total / 20, "tokens_per_s": seen / (time.time() - started)},
            )
            total = 0.0
        if step % 100 == 0:
            report(out, {"step": step, "tokens": tokens, "held_out": held_out_loss(model, held_out)})
        if step % 200 == 0:
            show_samples(model, tokenizer)
        if time.time() - saved_at > 180:
            save(checkpoint, model, optimizers, step, tokens)
            saved_at = time.time()
    save(checkpoint, model, optimizers, step, tokens)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("build/mini"))
    parser.add_argument("--tokenizer", type=Path, default=Path("qwen_struct/mini/tokenizer.json"))
    parser.add_argument("--steps", type=int, default=NUM_STEPS)
    parser.add_argument("--batch-tokens", type=int, default=BATCH_TOKENS)
    parser.add_argument("--curriculum", choices=sorted(CURRICULA), default="samples")
    options = parser.parse_args()
    run(options.out, options.tokenizer, options.steps, options.batch_tokens, options.curriculum)


if __name__ == "__main__":
    main()
