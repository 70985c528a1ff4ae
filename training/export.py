"""Write a checkpoint as the package's model: ``python -m training.export --checkpoint build/mini/checkpoint.pt``."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from tokenizers import Tokenizer
from transformers import Qwen2ForCausalLM
from transformers.utils import logging

from training.train import make_config


def export(checkpoint: Path, folder: Path) -> int:
    """Save the weights in bfloat16 next to the tokenizer of ``folder``; returns their size in bytes."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    model = Qwen2ForCausalLM(make_config(tokenizer))
    model.load_state_dict(torch.load(checkpoint, weights_only=True)["model"])
    model.bfloat16().save_pretrained(folder)
    return (folder / "model.safetensors").stat().st_size


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path, default=Path("build/mini/checkpoint.pt"))
    parser.add_argument("--folder", type=Path, default=Path("qwen_struct/mini"))
    options = parser.parse_args()
    logging.disable_progress_bar()
    print(f"{export(options.checkpoint, options.folder) / 1e6:.1f} MB of weights written to {options.folder}")


if __name__ == "__main__":
    main()
