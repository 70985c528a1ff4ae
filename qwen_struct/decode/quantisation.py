"""Quantised weights: the scheme of a checkpoint, the packages that it needs, and how many bytes it makes of a layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from ..errors import ModelError

if TYPE_CHECKING:
    import torch
    from transformers import BitsAndBytesConfig, PreTrainedConfig

# By transformers' quant_method: what its loader imports, and what brings it.
PACKAGES = {
    "gptq": (("gptqmodel", "optimum"), "pip install 'qwen-struct[gptq]'"),
    "awq": (("gptqmodel", "accelerate"), "pip install 'qwen-struct[gptq]'"),
    "bitsandbytes": (("bitsandbytes", "accelerate"), "pip install bitsandbytes accelerate"),
}
# What can be asked for by name. The first two plan memory only: their weights are made from calibration text.
NAMED = {
    "gptq-4bit": {"quant_method": "gptq", "bits": 4, "group_size": 128},
    "awq-4bit": {"quant_method": "awq", "bits": 4, "group_size": 128},
    "bnb-4bit": {"quant_method": "bitsandbytes", "load_in_4bit": True},
    "bnb-8bit": {"quant_method": "bitsandbytes", "load_in_8bit": True},
}
WHILE_LOADING = ("bnb-4bit", "bnb-8bit")
BNB_BLOCK = 64  # weights that share a scale in bitsandbytes' 4 bits
BNB_SCALES = 256  # scales that share one of their own when they are quantised too


@dataclass(frozen=True)
class Quantisation:
    """How the weights of linear layers are stored. ``method`` is transformers' ``quant_method``."""

    method: str
    bits: int
    group_size: int = -1  # inputs that share a scale; -1 is all of them
    double: bool = False  # bitsandbytes: the scales are quantised as well
    skipped: tuple[str, ...] = ()  # parts of names of modules that stay as they were
    head: bool = False  # whether the output head is quantised too

    def __str__(self) -> str:
        groups = f" in groups of {self.group_size}" if self.group_size > 0 else ""
        return f"{self.method} {self.bits}-bit{groups}"

    def skips(self, module: str) -> bool:
        """Whether the module of this name keeps its plain weights."""
        return any(part in module for part in self.skipped)

    def bytes_of(self, num_inputs: int, num_outputs: int) -> int | None:
        """Bytes of a linear layer's weights and scales, without its bias; None for a scheme that is not known here."""
        weights = num_inputs * num_outputs
        if self.method in ("gptq", "awq"):
            groups = -(-num_inputs // self.group_size) if self.group_size > 0 else 1
            packed = weights * self.bits // 8 + groups * num_outputs * self.bits // 8  # weights and zero points
            order = 4 * num_inputs if self.method == "gptq" else 0  # the group of each input, as int32
            return packed + 2 * groups * num_outputs + order  # scales in float16
        if self.method == "bitsandbytes" and self.bits == 8:
            return weights + 4 * num_outputs
        if self.method == "bitsandbytes":
            blocks = -(-weights // BNB_BLOCK)
            return (weights + 1) // 2 + (blocks + 4 * -(-blocks // BNB_SCALES) if self.double else 4 * blocks)
        return None


def quantisation_of(config: PreTrainedConfig) -> Quantisation | None:
    """The scheme that a checkpoint's configuration names; None where the weights are plain numbers."""
    settings: Any = getattr(config, "quantization_config", None)
    if not settings:
        return None
    return parse_quantisation(settings if isinstance(settings, Mapping) else settings.to_dict())


def parse_quantisation(settings: Mapping[str, Any]) -> Quantisation:
    """The scheme in a ``quantization_config`` as config.json has it."""
    method = str(getattr(settings.get("quant_method"), "value", settings.get("quant_method")))
    if method == "bitsandbytes":
        return Quantisation(
            method,
            bits=4 if settings.get("load_in_4bit") else 8,
            double=bool(settings.get("bnb_4bit_use_double_quant")),
            skipped=tuple(settings.get("llm_int8_skip_modules") or ()),
        )
    return Quantisation(
        method,
        bits=int(settings.get("bits") or settings.get("w_bit") or 4),
        group_size=int(settings.get("group_size") or settings.get("q_group_size") or -1),
        skipped=tuple(settings.get("modules_to_not_convert") or ()),
        head=bool(settings.get("lm_head")),
    )


def named_quantisation(name: str) -> Quantisation:
    """The scheme called ``name``, for planning.

    Raises:
        ModelError: there is none of that name.
    """
    if name not in NAMED:
        raise ModelError(f"unknown quantization {name!r}; take one of {', '.join(NAMED)}")
    return parse_quantisation(NAMED[name])


def check_packages(name: str, quantisation: Quantisation | None) -> None:
    """Tell what a quantised checkpoint needs and is not installed, before anything is read.

    Raises:
        ModelError: a package is missing.
    """
    if quantisation is None or quantisation.method not in PACKAGES:
        return
    packages, command = PACKAGES[quantisation.method]
    lacking = [package for package in packages if find_spec(package) is None]
    if lacking:
        called = {"gptq": "GPTQ", "awq": "AWQ"}.get(quantisation.method, quantisation.method)
        raise ModelError(f"{name} is quantised with {called}, which needs {' and '.join(lacking)}; run: {command}")


def quantise_while_loading(
    name: str, asked: str, config: PreTrainedConfig, dtype: torch.dtype | str
) -> BitsAndBytesConfig:
    """transformers' settings for plain weights that are to be quantised as they are read.

    Raises:
        ModelError: ``asked`` is unknown, needs calibration, or the checkpoint is quantised already.
    """
    from transformers import BitsAndBytesConfig

    if asked not in WHILE_LOADING:
        raise ModelError(
            f"weights cannot be quantised to {asked!r} while they load; take one of {', '.join(WHILE_LOADING)}, or a "
            "checkpoint that is quantised already"
        )
    own = quantisation_of(config)
    if own is not None:
        raise ModelError(f"{name} is quantised already ({own}); leave quantization out")
    check_packages(name, named_quantisation(asked))
    if asked == "bnb-8bit":
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype)
