"""Where a model runs and in which number format, when the caller does not say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from ..errors import ModelError

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

SHORT_NAMES = {"fp32": "float32", "fp16": "float16", "bf16": "bfloat16"}
DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}

# On a CPU with bfloat16 instructions a step of a 0.5B model took 84 ms against 141 ms in float32 and its prefill half
# the time (2 cores); for a 5M model there was nothing to gain. The line is drawn between them.
LARGE_ON_CPU = 100_000_000


def choose_device(asked: str | torch.device | None) -> torch.device:
    """The device asked for if it is there; else CUDA, Apple's GPU or the CPU, the first that is.

    Raises:
        ModelError: the device asked for is unknown or absent.
    """
    if asked is None:
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
        return torch.device(name)
    try:
        device = torch.device(asked)
        torch.empty(0, device=device)  # the one test that every backend answers
    except Exception as error:  # backends fail with AssertionError, RuntimeError and others
        reason = str(error).splitlines()[0]
        raise ModelError(f"device {str(asked)!r} cannot be used: {reason}; try device='cpu' or None") from error
    return device


def choose_dtype(asked: str | torch.dtype | None, device: torch.device, config: PreTrainedConfig) -> torch.dtype | str:
    """The number format asked for; else bfloat16 where the device is fast at it, else one that the device has.

    A quantised checkpoint keeps its own ("auto"), since its kernels were made for it.
    """
    if isinstance(asked, torch.dtype):
        return asked
    if asked is not None:
        name = SHORT_NAMES.get(asked, asked)
        if name not in DTYPES:
            raise ModelError(f"unknown dtype {asked!r}; take one of {', '.join(DTYPES)}")
        return DTYPES[name]
    if getattr(config, "quantization_config", None) is not None:
        return "auto"
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
    if device.type == "mps":
        return torch.bfloat16
    pays = num_block_parameters(config) >= LARGE_ON_CPU and _cpu_has_bfloat16()
    return torch.bfloat16 if pays else torch.float32


def num_block_parameters(config: PreTrainedConfig) -> int:
    """About how many parameters the transformer blocks have: attention and MLP are near 12 h^2 a layer."""
    text = config.get_text_config()
    return 12 * text.num_hidden_layers * text.hidden_size**2


def _cpu_has_bfloat16() -> bool:
    """Whether the CPU multiplies bfloat16 in hardware; torch keeps the questions private, so one may be missing."""
    questions = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, question, bool)() for question in questions)
