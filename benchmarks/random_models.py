"""Networks of Qwen2.5's sizes with random weights, for what a forward pass costs when no checkpoint is at hand."""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from common import SHARED
from transformers import AutoModelForCausalLM, AutoTokenizer, Qwen2Config
from transformers.utils import logging

from qwen_struct.decode.model import Model, load_model, wrap_model

TOKENIZER = SHARED / "qwen2.5-tokenizer"
SIZES: dict[str, dict[str, Any]] = {
    "tiny": {
        "hidden_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "intermediate_size": 256,
        "vocab_size": 151_936,
        "tie_word_embeddings": True,
    },
    "0.5b": {
        "hidden_size": 896,
        "num_hidden_layers": 24,
        "num_attention_heads": 14,
        "num_key_value_heads": 2,
        "intermediate_size": 4_864,
        "vocab_size": 151_936,
        "tie_word_embeddings": True,
    },
    "7b": {
        "hidden_size": 3_584,
        "num_hidden_layers": 28,
        "num_attention_heads": 28,
        "num_key_value_heads": 4,
        "intermediate_size": 18_944,
        "vocab_size": 152_064,
        "tie_word_embeddings": False,
    },
}
GROUP_SIZE = 128  # columns that share a scale in a quantised layer
LAYERS = {  # of a block: module name -> (inputs, outputs), by the names in a configuration
    "self_attn.q_proj": ("hidden_size", "hidden_size"),
    "self_attn.k_proj": ("hidden_size", "kv_size"),
    "self_attn.v_proj": ("hidden_size", "kv_size"),
    "self_attn.o_proj": ("hidden_size", "hidden_size"),
    "mlp.gate_proj": ("hidden_size", "intermediate_size"),
    "mlp.up_proj": ("hidden_size", "intermediate_size"),
    "mlp.down_proj": ("intermediate_size", "hidden_size"),
}


def random_model(size: str, *, device: torch.device, dtype: torch.dtype, seed: int = 0) -> Model:
    """A network of ``size`` with weights drawn by ``seed`` and the tokenizer of Qwen2.5; nothing is written to disk."""
    torch.manual_seed(seed)
    with device:
        network = AutoModelForCausalLM.from_config(_config(size), dtype=dtype)
    return wrap_model(network, AutoTokenizer.from_pretrained(TOKENIZER), name=f"random {size}")


def random_quantised(size: str, *, device: torch.device, seed: int = 0) -> Model:
    """The same with the linear layers in 4 bits, in GPTQ's format, by way of a file; needs gptqmodel."""
    torch.manual_seed(seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config = _config(size)
        _write_quantised(config, folder)
        AutoTokenizer.from_pretrained(TOKENIZER).save_pretrained(folder)
        return replace(load_model(folder, device=device), name=f"random {size}, GPTQ")


def _config(size: str) -> Qwen2Config:
    config = Qwen2Config(**SIZES[size], max_position_embeddings=32_768, rope_theta=1e6, eos_token_id=[151_645, 151_643])
    config.architectures = ["Qwen2ForCausalLM"]
    return config


def _write_quantised(config: Qwen2Config, folder: Path) -> None:
    from safetensors.torch import save_file

    logging.disable_progress_bar()
    quantisation = {
        "bits": 4,
        "group_size": GROUP_SIZE,
        "desc_act": False,
        "sym": True,
        "quant_method": "gptq",
        "checkpoint_format": "gptq",
    }
    written = {**config.to_dict(), "quantization_config": quantisation, "dtype": "float16"}
    (folder / "config.json").write_text(json.dumps(written))
    hidden, width = config.hidden_size, config.vocab_size
    tensors = {
        "model.embed_tokens.weight": _normal(width, hidden),
        "model.norm.weight": torch.ones(hidden, dtype=torch.float16),
    }
    if not config.tie_word_embeddings:
        tensors["lm_head.weight"] = _normal(width, hidden)
    sizes = {
        "hidden_size": hidden,
        "intermediate_size": config.intermediate_size,
        "kv_size": hidden // config.num_attention_heads * config.num_key_value_heads,
    }
    for layer in range(config.num_hidden_layers):
        block = f"model.layers.{layer}."
        for norm in ("input_layernorm", "post_attention_layernorm"):
            tensors[f"{block}{norm}.weight"] = torch.ones(hidden, dtype=torch.float16)
        for module, (inputs, outputs) in LAYERS.items():
            for part, tensor in _quantised(sizes[inputs], sizes[outputs]).items():
                tensors[f"{block}{module}.{part}"] = tensor
            if module.endswith(("q_proj", "k_proj", "v_proj")):
                tensors[f"{block}{module}.bias"] = torch.zeros(sizes[outputs], dtype=torch.float16)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def _normal(*shape: int) -> torch.Tensor:
    return torch.empty(shape, dtype=torch.float16).normal_(std=0.02)


def _quantised(num_inputs: int, num_outputs: int) -> dict[str, torch.Tensor]:
    """A linear layer in GPTQ's format: eight 4-bit numbers to an int32, a scale and a zero for each group of inputs."""
    any_bits = torch.iinfo(torch.int32)
    num_groups = num_inputs // GROUP_SIZE
    return {
        "qweight": torch.randint(any_bits.min, any_bits.max, (num_inputs // 8, num_outputs), dtype=torch.int32),
        "qzeros": torch.full((num_groups, num_outputs // 8), 0x77777777, dtype=torch.int32),  # 8 in each, stored less 1
        "scales": torch.full((num_groups, num_outputs), 0.02 / 4.6, dtype=torch.float16),  # 4.6: the deviation of 0..15
        "g_idx": torch.arange(num_inputs, dtype=torch.int32) // GROUP_SIZE,
    }
