"""Train mini: ``python -m training.train --out build/mini``, resumed by the same command; the folder has a tokenizer.

The learning rate rises, stays, and falls only in a run with ``--cooldown``, which starts from the checkpoint, leaves it
as it is and writes ``cooled.pt``; while it is under way it is kept in ``cooling.pt``, and the same command resumes it.
So training goes on over as many sittings as there are, and any of them can end in a model. Where only a model is left,
not the checkpoint, ``--weights qwen_struct/mini --first-step 3000`` goes on from that. Progress goes to standard
output and, as JSON lines, to ``log.jsonl`` in the folder.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import json
import signal
import time
from collections import defaultdict
from pathlib import Path
from random import Random
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor
from transformers import Qwen2ForCausalLM

from training.batches import CURRICULA, READ_WEIGHT, Batch, Row, batches, example_row, head_ids, pad, stage_at
from training.copying import make_exercise
from training.kinds import GROUPS
from training.muon import make_optimizers
from training.network import keep_scores_small, losses, make_config, make_model
from training.variants import make_variant

SEED = 20240315
WARM_UP = 40
LR_MATRICES, LR_REST = 0.02, 3e-3
POINTING_WEIGHT = 1.0
CLIP_EVERY, CLIP_TOKENS = 10, 1_024  # steps; tokens that are looked at, since all of them take a step's time
AVERAGED = 0.997  # of the running average of the weights, which stands in for a cooldown when measuring
SAVE_EVERY, EVALUATE_EVERY = 300.0, 1800.0  # seconds


class Run:
    """A model in training, its optimisers, and how far it has come."""

    def __init__(self, out: Path, tokenizer: Tokenizer, curriculum: str) -> None:
        self.out, self.tokenizer, self.curriculum = out, tokenizer, curriculum
        self.model = make_model(make_config(tokenizer))
        self.average = {name: tensor.clone() for name, tensor in self.model.state_dict().items()}
        self.optimizers = make_optimizers(self.model, LR_MATRICES, LR_REST)
        self.base = [o.param_groups[0]["lr"] for o in self.optimizers]
        self.step = self.tokens = self.began = 0
        self.until = 0  # the step at which a cooldown under way ends
        self.head = torch.tensor(head_ids(tokenizer))

    def load(self, path: Path) -> None:
        state = torch.load(path, weights_only=True)
        self.model.load_state_dict(state["model"])
        self.average = state["average"]
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.step, self.tokens, self.until = state["step"], state["tokens"], state.get("until", 0)

    def begin_with(self, folder: Path, step: int) -> None:
        """Take exported weights, as if they had come from ``step`` steps here; the optimisers start afresh."""
        self.model.load_state_dict(Qwen2ForCausalLM.from_pretrained(folder, dtype=torch.float32).state_dict())
        self.average = {name: tensor.clone() for name, tensor in self.model.state_dict().items()}
        self.step = self.began = step

    def save(self, name: str) -> None:
        state = {
            "model": self.model.state_dict(),
            "average": self.average,
            "optimizers": [o.state_dict() for o in self.optimizers],
            "step": self.step,
            "tokens": self.tokens,
            "until": self.until,
        }
        part = self.out / (name + ".part")
        torch.save(state, part)
        part.replace(self.out / name)

    def train_on(self, batch: Batch, rate: float) -> dict[str, tuple[float, int]]:
        """One step at ``rate`` of the full learning rate; the answers' loss, summed, and their tokens by kind."""
        each, counted, pointing = losses(self.model, self.head, batch.ids, batch.weights, batch.sources)
        weight = batch.weights[:, 1:][counted]
        ((each * weight).sum() / weight.sum() + POINTING_WEIGHT * pointing).backward()
        for optimizer, lr in zip(self.optimizers, self.base, strict=True):
            optimizer.param_groups[0]["lr"] = lr * rate
            optimizer.step()
            optimizer.zero_grad()
        if self.step % CLIP_EVERY == 0:
            keep_scores_small(self.model, self.head, batch.ids[: max(1, CLIP_TOKENS // batch.ids.shape[1])])
        self.step += 1
        self.tokens += batch.ids.numel()
        keep = min(AVERAGED, (self.step - self.began) / (self.step - self.began + 10))
        for name, tensor in self.model.state_dict().items():
            self.average[name].lerp_(tensor, 1 - keep)
        return by_kind(batch, each.detach(), weight, counted)

    def averaged(self) -> Qwen2ForCausalLM:
        model = make_model(self.model.config)
        model.load_state_dict(self.average)
        return model

    def report(self, **record: Any) -> None:
        record = {"step": self.step, "tokens": self.tokens, **record}
        print(time.strftime("%H:%M:%S"), json.dumps(record, ensure_ascii=False), flush=True)
        with (self.out / "log.jsonl").open("a") as file:
            file.write(json.dumps(record, ensure_ascii=False) + "\n")


def by_kind(batch: Batch, each: Tensor, weight: Tensor, counted: Tensor) -> dict[str, tuple[float, int]]:
    rows = counted.nonzero()[:, 0]
    sums: dict[str, tuple[float, int]] = {}
    for index, kind in enumerate(batch.kinds):
        chosen = each[(rows == index) & (weight > READ_WEIGHT)]
        total, count = sums.get(kind, (0.0, 0))
        sums[kind] = (total + float(chosen.sum()), count + len(chosen))
    return sums


def mean(sums: dict[str, tuple[float, int]]) -> float:
    return sum(total for total, _ in sums.values()) / max(1, sum(count for _, count in sums.values()))


def held_out_rows(tokenizer: Tokenizer) -> dict[str, list[Row]]:
    """Documents that no batch holds."""
    seeds = [f"held-out-{i}" for i in range(40)]
    return {
        "exercises": [example_row(tokenizer, make_exercise(Random(seed))) for seed in seeds],
        "variants": [example_row(tokenizer, make_variant(Random(seed))) for seed in seeds],
        **{name: [example_row(tokenizer, make(Random(seed))) for seed in seeds] for name, make in GROUPS.items()},
    }


@torch.no_grad()
def held_out_loss(model: Qwen2ForCausalLM, head: Tensor, rows: list[Row]) -> float:
    sums: dict[str, tuple[float, int]] = {}
    for index, row in enumerate(rows):
        batch = pad([row])
        each, counted, _ = losses(model, head, batch.ids, batch.weights)
        found = by_kind(batch, each, batch.weights[:, 1:][counted], counted)
        sums |= {f"{index} {kind}": pair for kind, pair in found.items()}
    return mean(sums)


def evaluate(run: Run) -> None:
    """Fields through the extractor, on a few documents of each group; a mistake there does not end the training."""
    started = time.time()
    try:
        from training.evaluate import quick_score

        run.report(fields=quick_score(run.averaged(), run.out), seconds=round(time.time() - started))
    except Exception as error:
        run.report(error=repr(error))


def give_back_memory() -> None:
    """Batches of many shapes leave holes in glibc's heap, 4 GB of them within 20 minutes."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def train(run: Run, last_step: int, cooldown: int) -> None:
    """Train up to ``last_step``, or ``cooldown`` steps from here with a falling learning rate."""
    stopped: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _frame: stopped.append(number))
    held_out = held_out_rows(run.tokenizer)
    name = "cooling.pt" if cooldown else "checkpoint.pt"
    if cooldown:
        last_step = run.until = run.until or run.step + cooldown
    seen, since, saved, evaluated = 0, time.time(), time.time(), time.time()
    sums: dict[str, list[float]] = defaultdict(lambda: [0.0, 0])
    for batch in batches(run.tokenizer, SEED, run.step, run.curriculum):
        if run.step >= last_step or stopped:
            break
        rate = min(1.0, (run.step - run.began + 1) / WARM_UP, (last_step - run.step) / cooldown if cooldown else 1.0)
        for kind, (total, count) in run.train_on(batch, rate).items():
            sums[kind][0] += total
            sums[kind][1] += count
        seen += batch.ids.numel()
        if run.step % 10 == 0:
            give_back_memory()
        if run.step % 50 == 0:
            kinds = {kind: round(total / max(1, count), 3) for kind, (total, count) in sorted(sums.items())}
            train_loss = round(mean({k: (a, int(b)) for k, (a, b) in sums.items()}), 4)
            stage = stage_at(run.curriculum, run.step).first_step
            run.report(stage=stage, train=train_loss, kinds=kinds, tokens_per_s=round(seen / (time.time() - since)))
            seen, since = 0, time.time()
            sums.clear()
        if run.step % 250 == 0:
            model = run.averaged()
            run.report(held_out={k: round(held_out_loss(model, run.head, rows), 4) for k, rows in held_out.items()})
        if time.time() - saved > SAVE_EVERY:
            run.save(name)
            saved = time.time()
        if time.time() - evaluated > EVALUATE_EVERY:
            evaluate(run)
            evaluated, since, seen = time.time(), time.time(), 0
    if cooldown and run.step >= last_step:
        run.save("cooled.pt")
        (run.out / name).unlink(missing_ok=True)
    else:
        run.save(name)
    if not stopped:
        evaluate(run)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("build/mini"))
    parser.add_argument("--curriculum", choices=sorted(CURRICULA), default="reader")
    parser.add_argument("--steps", type=int, default=100_000, help="where to stop, counted from the very beginning")
    parser.add_argument("--cooldown", type=int, default=0, help="steps in which the learning rate falls to zero")
    parser.add_argument("--weights", type=Path, help="a model's folder to start from, where there is no checkpoint yet")
    parser.add_argument("--first-step", type=int, default=0, help="where in the curriculum such a start stands")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(SEED)
    options.out.mkdir(parents=True, exist_ok=True)
    run = Run(options.out, Tokenizer.from_file(str(options.out / "tokenizer.json")), options.curriculum)
    places = [options.out / name for name in (["cooling.pt"] if options.cooldown else []) + ["checkpoint.pt"]]
    checkpoint = next((place for place in places if place.exists()), None)
    if checkpoint is not None:
        run.load(checkpoint)
    elif options.weights is not None:
        run.begin_with(options.weights, options.first_step)
    train(run, options.steps, options.cooldown)


if __name__ == "__main__":
    main()
