"""Where a model runs and in which number format, when the caller does not say; and how much memory is free there."""

from __future__ import annotations

import os
import sys
from pathlib import Path
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


MEMINFO = Path("/proc/meminfo")
# (limit, used, statistics, the pages among them that are given back when memory runs short) of a container's memory
CGROUPS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current", "/sys/fs/cgroup/memory.stat", "inactive_file"),
    (
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
        "/sys/fs/cgroup/memory/memory.usage_in_bytes",
        "/sys/fs/cgroup/memory/memory.stat",
        "total_inactive_file",
    ),
)


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
    if asked is not None:
        return named_dtype(asked)
    if getattr(config, "quantization_config", None) is not None:
        return "auto"
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
    if device.type == "mps":
        return torch.bfloat16
    pays = num_block_parameters(config) >= LARGE_ON_CPU and _cpu_has_bfloat16()
    return torch.bfloat16 if pays else torch.float32


def named_dtype(asked: str | torch.dtype) -> torch.dtype:
    """The number format called ``asked``: "bfloat16" or "bf16", "float16" or "fp16", "float32" or "fp32".

    Raises:
        ModelError: there is none of that name.
    """
    if isinstance(asked, torch.dtype):
        return asked
    name = SHORT_NAMES.get(asked, asked)
    if name not in DTYPES:
        raise ModelError(f"unknown dtype {asked!r}; take one of {', '.join(DTYPES)}")
    return DTYPES[name]


def available_bytes(device: str | torch.device) -> int:
    """How many bytes of ``device``'s memory can still be allocated now; ``sys.maxsize`` where that cannot be found out.

    On a CUDA device that is what the driver calls free and what torch holds without using it; on a CPU what Linux
    can give without swapping, within the limit of the container (macOS: all the memory that the machine has).
    """
    device = torch.device(device)
    if device.type == "cuda":
        held = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + held
    if device.type == "mps":
        return max(0, torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory())
    return min(_free_ram(), _left_in_container()) if device.type == "cpu" else sys.maxsize


def _free_ram() -> int:
    try:
        for line in MEMINFO.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:  # not Linux: all there is, where the system says that much
        pass
    known = hasattr(os, "sysconf") and {"SC_PHYS_PAGES", "SC_PAGE_SIZE"} <= set(os.sysconf_names)
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if known else sys.maxsize


def _left_in_container() -> int:
    """What a Linux control group leaves of its limit; pages of files that it can drop do not count as used."""
    for limit, used, statistics, droppable in CGROUPS:
        try:
            allowed = Path(limit).read_text().strip()
            if allowed == "max":
                continue
            counts = dict(line.split() for line in Path(statistics).read_text().splitlines())
            return max(0, int(allowed) - int(Path(used).read_text()) + int(counts.get(droppable, 0)))
        except (OSError, ValueError):
            continue
    return sys.maxsize


def num_block_parameters(config: PreTrainedConfig) -> int:
    """About how many parameters the transformer blocks have: attention and MLP are near 12 h^2 a layer."""
    text = config.get_text_config()
    return 12 * text.num_hidden_layers * text.hidden_size**2


def _cpu_has_bfloat16() -> bool:
    """Whether the CPU multiplies bfloat16 in hardware; torch keeps the questions private, so one may be missing."""
    questions = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, question, bool)() for question in questions)
