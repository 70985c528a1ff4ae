"""A model ready to decode with: its network, its tokenizer, and the facts about them that the loop needs."""

from __future__ import annotations

import io
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ..errors import ModelError
from .device import choose_device, choose_dtype
from .locate import locate

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

# Both end an answer in Qwen's chat format, whichever of them a checkpoint's generation_config.json remembers.
CHATML_ENDS = ("<|im_end|>", "<|endoftext|>")


@dataclass(frozen=True, eq=False)
class Model:
    """A causal language model. ``n_vocab`` is the width of its logits, which is often more than its tokenizer has."""

    name: str
    network: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    n_vocab: int
    eos_token_ids: tuple[int, ...]
    context_length: int  # tokens, prompt and answer together
    device: torch.device


def load_model(
    spec: str | os.PathLike[str],
    *,
    device: str | torch.device | None = None,
    dtype: str | torch.dtype | None = None,
    progress: bool | None = None,
) -> Model:
    """Load the checkpoint called ``spec``: "mini", a folder, or a hub name such as "Qwen/Qwen2.5-7B-Instruct".

    ``progress`` writes to standard error what is being loaded; None does so at a terminal, but not for "mini".

    Raises:
        ModelError: it cannot be found, is not a decoder-only language model, or does not load.
    """
    name = os.fspath(spec)
    show = progress if progress is not None else name != "mini" and sys.stderr.isatty()
    say = _say if show else _say_nothing
    start = time.perf_counter()
    say(f"looking for {name}")
    with _quiet_transformers(show_bars=show):
        folder = locate(spec)
        config = _load_config(name, folder)
        target = choose_device(device)
        number_format = choose_dtype(dtype, target, config)
        say(f"loading {name} on {target} ({str(number_format).removeprefix('torch.')})")
        tokenizer = _load_tokenizer(name, folder)
        with _prints_kept_out(config, show):
            network = _load_network(name, folder, target, number_format)
    say(f"loaded {name} in {time.perf_counter() - start:.1f} s")
    return wrap_model(network, tokenizer, name=name)


def wrap_model(network: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, name: str | None = None) -> Model:
    """A :class:`Model` from parts that are loaded already; puts the network into evaluation mode.

    Raises:
        ModelError: network and tokenizer do not belong together, or nothing ends an answer.
    """
    n_vocab = _n_vocab(network)
    if len(tokenizer) > n_vocab:
        raise ModelError(
            f"the tokenizer has {len(tokenizer):,} tokens and the network only {n_vocab:,} logits, so they do not "
            "belong together; take both from one checkpoint"
        )
    network.eval()
    return Model(
        name=name or getattr(network, "name_or_path", "") or type(network).__name__,
        network=network,
        tokenizer=tokenizer,
        n_vocab=n_vocab,
        eos_token_ids=_eos_token_ids(network, tokenizer),
        context_length=context_length(network.config),
        device=network.device,
    )


def context_length(config: PreTrainedConfig) -> int:
    """How many tokens the positions reach. Qwen2.5's YaRN setting multiplies what the checkpoint was trained with."""
    text = config.get_text_config()
    rope = getattr(text, "rope_parameters", None) or {}
    factor = rope.get("factor") or 1.0
    trained = rope.get("original_max_position_embeddings") or text.max_position_embeddings
    return max(int(trained * factor), int(text.max_position_embeddings))


def _n_vocab(network: PreTrainedModel) -> int:
    head = network.get_output_embeddings()
    width = getattr(head, "out_features", None)  # quantised heads have no plain weight, but know their width
    return int(width if width is not None else network.config.get_text_config().vocab_size)


def _eos_token_ids(network: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> tuple[int, ...]:
    """Every token that ends an answer: the checkpoint's settings, then the tokenizer's, then ChatML's own."""
    found: list[int] = []
    for source in (getattr(network, "generation_config", None), network.config, tokenizer):
        ids = getattr(source, "eos_token_id", None)
        found += ids if isinstance(ids, list) else [] if ids is None else [ids]
    added = tokenizer.get_added_vocab()
    found += [added[token] for token in CHATML_ENDS if token in added]
    if not found:
        raise ModelError("neither model nor tokenizer names a token that ends an answer; set tokenizer.eos_token")
    return tuple(dict.fromkeys(found))


def _load_config(name: str, folder: Path) -> PreTrainedConfig:
    """The checkpoint's configuration, once it is clear that it can be loaded and decoded with."""
    from transformers import MODEL_FOR_CAUSAL_LM_MAPPING, AutoConfig

    with _explained(name, "its config.json"):
        config = AutoConfig.from_pretrained(folder, local_files_only=True)
    kinds = config.architectures or []
    decodes = all(kind.endswith(("ForCausalLM", "LMHeadModel")) for kind in kinds)
    if type(config) not in MODEL_FOR_CAUSAL_LM_MAPPING or not decodes:
        raise ModelError(
            f"{name} is a {', '.join(kinds) or config.model_type}, not a decoder-only language model; take a Qwen2.5 "
            "checkpoint such as 'Qwen/Qwen2.5-7B-Instruct'"
        )
    _check_quantisation(name, config)
    return config


def _check_quantisation(name: str, config: PreTrainedConfig) -> None:
    settings: Any = getattr(config, "quantization_config", None) or {}
    method = settings.get("quant_method") if isinstance(settings, dict) else settings.quant_method
    lacking = [package for package in ("gptqmodel", "optimum") if find_spec(package) is None]
    if method == "gptq" and lacking:
        raise ModelError(
            f"{name} is quantised with GPTQ, which needs {' and '.join(lacking)}; run: pip install 'qwen-struct[gptq]'"
        )


def _load_tokenizer(name: str, folder: Path) -> PreTrainedTokenizerBase:
    from transformers import AutoTokenizer

    with _explained(name, "its tokenizer"):
        return AutoTokenizer.from_pretrained(folder, local_files_only=True)


def _load_network(name: str, folder: Path, device: torch.device, dtype: torch.dtype | str) -> PreTrainedModel:
    from transformers import AutoModelForCausalLM

    # With accelerate the weights go straight to the device, without it through the CPU's memory.
    placement = {"device_map": {"": device}} if find_spec("accelerate") and device.type != "cpu" else {}
    with _explained(name, "its weights"):
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            folder, dtype=dtype, local_files_only=True, output_loading_info=True, **placement
        )
        network, info = loaded[0] if placement else loaded[0].to(device), loaded[1]
    # transformers fills what a file lacks with random numbers and goes on; nobody wants that model.
    missing = sorted(info["missing_keys"])
    if missing:
        some = ", ".join(missing[:3])
        raise ModelError(f"{name} lacks {len(missing)} of its weights ({some} ...); download it again")
    return network


@contextmanager
def _explained(name: str, what: str) -> Iterator[None]:
    """Turn whatever a loader raises into a ModelError that says which part of which model failed."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise ModelError(f"{name} does not fit into the device's memory; take a smaller checkpoint, or GPTQ") from error
    except Exception as error:  # configuration, tokenizer, safetensors and quantisation libraries: each has its own
        reason = (str(error).strip().splitlines() or [""])[0]
        raise ModelError(f"{name} was found, but {what} cannot be loaded: {type(error).__name__}: {reason}") from error


@contextmanager
def _quiet_transformers(show_bars: bool) -> Iterator[None]:
    """Silence transformers' notices while a model loads, and its progress bars unless asked for; then as before."""
    from transformers.utils import logging

    level, had_bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    if not show_bars:
        logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if had_bars:
            logging.enable_progress_bar()


@contextmanager
def _prints_kept_out(config: PreTrainedConfig, show: bool) -> Iterator[None]:
    """Keep what quantisation libraries print off standard output, which belongs to the answer."""
    if getattr(config, "quantization_config", None) is None:
        yield
        return
    with redirect_stdout(sys.stderr if show else io.StringIO()):
        yield


def _say(message: str) -> None:
    print(f"qwen_struct: {message}", file=sys.stderr, flush=True)


def _say_nothing(message: str) -> None:
    pass
