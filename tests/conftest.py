"""What all tests share. None of them reaches for a network: what one needs is made here, or it is skipped."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# Before torch is imported: a model of two layers is slower on two threads than on one.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["HF_HUB_OFFLINE"] = "1"

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("QWEN_STRUCT_SHARED", ROOT.parent / "shared"))


@pytest.fixture(scope="session")
def qwen_tokenizer_path() -> Path:
    """The folder of Qwen2.5's own tokenizer, which is too large to keep beside the tests."""
    path = SHARED / "qwen2.5-tokenizer"
    if not (path / "tokenizer.json").exists():
        pytest.skip(f"Qwen2.5's tokenizer is not at {path}; name its parent folder in QWEN_STRUCT_SHARED")
    return path


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Qwen2 checkpoint with random weights, as a user's folder would hold one."""
    from fakes import save_checkpoint

    return save_checkpoint(tmp_path_factory.mktemp("checkpoint") / "tiny-qwen2")


@pytest.fixture(scope="session")
def wide_checkpoint(tmp_path_factory: pytest.TempPathFactory, qwen_tokenizer_path: Path) -> Path:
    """Random weights under Qwen2.5's own tokenizer, with logits as wide as the 7B's: 152,064 for 151,665 tokens."""
    from fakes import save_checkpoint

    folder = save_checkpoint(tmp_path_factory.mktemp("wide") / "wide-qwen2", n_vocab=152_064)
    for file in ("chat_template.jinja", "generation_config.json"):
        (folder / file).unlink()
    for file in ("tokenizer.json", "tokenizer_config.json"):
        (folder / file).write_bytes((qwen_tokenizer_path / file).read_bytes())
    return folder
