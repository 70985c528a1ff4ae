"""Write a training run's model: ``python -m training.export --run build/mini --folder build/export``."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import torch
from tokenizers import Tokenizer
from transformers import Qwen2ForCausalLM
from transformers.utils import logging

from training.network import make_config


def export(run: Path, folder: Path) -> int:
    """Save the weights in bfloat16 with the run's tokenizer; returns their size in bytes.

    The weights are those of ``cooled.pt`` or of the cooldown under way, else the running average of ``checkpoint.pt``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    cooled = next((run / name for name in ("cooled.pt", "cooling.pt") if (run / name).exists()), None)
    state = torch.load(cooled or run / "checkpoint.pt", weights_only=True)
    model = Qwen2ForCausalLM(make_config(Tokenizer.from_file(str(run / "tokenizer.json"))))
    model.load_state_dict(state["model" if cooled is not None else "average"])
    model.bfloat16().save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(run / name, folder / name)
    return (folder / "model.safetensors").stat().st_size


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, default=Path("build/mini"))
    parser.add_argument("--folder", type=Path, required=True)
    options = parser.parse_args()
    logging.disable_progress_bar()
    print(f"{export(options.run, options.folder) / 1e6:.1f} MB of weights written to {options.folder}")


if __name__ == "__main__":
    main()
