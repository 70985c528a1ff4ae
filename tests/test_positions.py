"""How far positions reach, and YaRN as an option of loading."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from fakes import edit_json, save_checkpoint

from qwen_struct.decode.model import load_model
from qwen_struct.errors import ModelError

TRAINED = 64  # tokens that the checkpoint was "trained" with


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return save_checkpoint(tmp_path / "short", max_position_embeddings=TRAINED)


def logits(checkpoint: Path, num_tokens: int, **options: int) -> torch.Tensor:
    """After each of ``num_tokens`` different tokens."""
    network = load_model(checkpoint, **options).network  # type: ignore[arg-type]
    with torch.inference_mode():
        return network(input_ids=torch.arange(num_tokens)[None] % 250).logits[0]


def test_a_longer_context_switches_yarn_on(checkpoint: Path) -> None:
    model = load_model(checkpoint, context_length=4 * TRAINED)
    rotary = model.network.model.rotary_emb
    assert model.context_length == 4 * TRAINED
    assert model.network.config.rope_parameters == {
        "rope_type": "yarn",
        "rope_theta": 10000.0,
        "factor": 4.0,
        "original_max_position_embeddings": TRAINED,
    }
    assert rotary.attention_scaling == pytest.approx(0.1 * torch.tensor(4.0).log().item() + 1)
    assert torch.isfinite(logits(checkpoint, 4 * TRAINED, context_length=4 * TRAINED)).all()


def test_it_is_the_yarn_of_a_checkpoint_that_names_it(checkpoint: Path, tmp_path: Path) -> None:
    """As Qwen2.5's model card has it added to config.json, in the spelling of transformers 4."""
    named = Path(shutil.copytree(checkpoint, tmp_path / "named"))
    scaling = {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": TRAINED}
    edit_json(named / "config.json", rope_scaling=scaling, rope_theta=10000.0, rope_parameters=None)
    assert load_model(named).context_length == 4 * TRAINED
    assert torch.equal(logits(named, 200), logits(checkpoint, 200, context_length=4 * TRAINED))


def test_yarn_changes_short_texts_too(checkpoint: Path) -> None:
    assert not torch.allclose(logits(checkpoint, 20), logits(checkpoint, 20, context_length=4 * TRAINED), atol=1e-3)


def test_a_context_within_reach_changes_the_limit_alone(checkpoint: Path) -> None:
    assert load_model(checkpoint, context_length=32).context_length == 32
    assert torch.equal(logits(checkpoint, 20), logits(checkpoint, 20, context_length=32))


def test_yarn_that_is_on_already_is_extended_from_the_trained_length(checkpoint: Path) -> None:
    yarn = {
        "rope_type": "yarn",
        "rope_theta": 10000.0,
        "factor": 2.0,
        "original_max_position_embeddings": TRAINED,
    }
    edit_json(checkpoint / "config.json", rope_parameters=yarn)
    assert load_model(checkpoint).context_length == 2 * TRAINED
    model = load_model(checkpoint, context_length=3 * TRAINED)
    assert (model.context_length, model.network.config.rope_parameters["factor"]) == (3 * TRAINED, 3.0)


def test_other_kinds_of_positions_are_not_extended(checkpoint: Path) -> None:
    linear = {"rope_type": "linear", "rope_theta": 10000.0, "factor": 2.0}
    edit_json(checkpoint / "config.json", rope_parameters=linear)
    with pytest.raises(ModelError, match=r"128 tokens, and YaRN cannot extend its positions \(rope_type 'linear'\)"):
        load_model(checkpoint, context_length=1000)


def test_a_context_of_nothing(checkpoint: Path) -> None:
    with pytest.raises(ValueError, match="context_length must be at least 1, not 0"):
        load_model(checkpoint, context_length=0)
