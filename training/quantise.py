"""Make the 4-bit variant of a checkpoint with GPTQ: ``python -m training.quantise --model build/export --folder OUT``.

Needs ``pip install 'qwen-struct[gptq]'``. Calibrated on documents like those of the training; prints the loss on the
answers of other documents before and after.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
from pathlib import Path
from random import Random
from typing import Any

import torch
from tokenizers import Tokenizer
from transformers import PreTrainedModel

from qwen_struct.decode.model import load_model
from training.batches import READ_WEIGHT, Row, example_row, head_ids
from training.kinds import make_example

GROUP_SIZE = 64  # divides the widths of mini, 256 and 704; 128 does not
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "generation_config.json")
KEPT_SETTINGS = ("bits", "group_size", "desc_act", "sym", "lm_head", "quant_method", "checkpoint_format", "pack_dtype")


def quantise(model: Path, folder: Path, *, calibration: list[list[int]], group_size: int = GROUP_SIZE) -> None:
    """Write ``model``'s checkpoint to ``folder`` with the linear layers of its blocks in 4 bits.

    ``calibration`` is token ids of typical texts. Embeddings and head stay as they are.
    """
    os.environ.setdefault("GPTQMODEL_CPU_WORKERS", "2")  # read at import; on two cores its own choice is an error
    from gptqmodel import GPTQModel, QuantizeConfig

    settings = QuantizeConfig(bits=4, group_size=group_size, desc_act=False, device="cpu")
    network = GPTQModel.load(str(model), settings)
    network.quantize([{"input_ids": ids, "attention_mask": [1] * len(ids)} for ids in calibration], batch_size=1)
    network.save(str(folder))
    _tidy(model, folder)


def _tidy(model: Path, folder: Path) -> None:
    """Keep what a loader reads: the tokenizer as it was, and of the settings those that describe the weights."""
    for name in ("quant_log.csv", "quantize_config.json"):
        (folder / name).unlink(missing_ok=True)
    for name in TOKENIZER_FILES:
        if (model / name).exists():
            shutil.copyfile(model / name, folder / name)
        else:
            (folder / name).unlink(missing_ok=True)
    config = json.loads((folder / "config.json").read_text())
    config["quantization_config"] = {key: config["quantization_config"][key] for key in KEPT_SETTINGS}
    own = json.loads((model / "config.json").read_text())
    config = {key: value for key, value in config.items() if key in own or key == "quantization_config"}
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")


def draw_rows(tokenizer: Tokenizer, seed: str, num_rows: int, limit: int = 1100) -> list[Row]:
    """Whole prompts of documents of every kind with their answers, none longer than ``limit`` tokens."""
    rng, head = Random(seed), head_ids(tokenizer)
    rows: list[Row] = []
    while len(rows) < num_rows:
        row = example_row(tokenizer, make_example(rng))
        if len(head) + len(row.ids) <= limit:
            rows.append(Row(head + row.ids, [0.0] * len(head) + row.weights, row.kind))
    return rows


@torch.inference_mode()
def answer_loss(network: PreTrainedModel, rows: list[Row]) -> float:
    """Mean cross entropy of the answers' tokens, in nats."""
    total, count = 0.0, 0
    for row in rows:
        ids = torch.tensor([row.ids])
        logits: Any = network(input_ids=ids).logits
        losses = torch.nn.functional.cross_entropy(logits[0, :-1].float(), ids[0, 1:], reduction="none")
        answered = torch.tensor(row.weights[1:]) > READ_WEIGHT
        total, count = total + float(losses[answered].sum()), count + int(answered.sum())
    return total / count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=Path("qwen_struct/mini"))
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--group-size", type=int, default=GROUP_SIZE)
    parser.add_argument("--documents", type=int, default=256, help="to calibrate on")
    options = parser.parse_args()
    tokenizer = Tokenizer.from_file(str(options.model / "tokenizer.json"))
    calibration = [row.ids for row in draw_rows(tokenizer, "calibration", options.documents)]
    quantise(options.model, options.folder, calibration=calibration, group_size=options.group_size)
    held_out = draw_rows(tokenizer, "held out", 64)
    for folder in (options.model, options.folder):
        loss = answer_loss(load_model(folder, device="cpu").network, held_out)
        megabytes = sum(file.stat().st_size for file in folder.glob("*.safetensors")) / 1e6
        print(f"{folder}: {megabytes:.1f} MB of weights, loss of the answers {loss:.4f}")


if __name__ == "__main__":
    main()
