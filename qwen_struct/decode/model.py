"""A model ready to decode with: its network, its tokenizer, and the facts about them that the loop needs."""

from __future__ import annotations

import io
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ..errors import ModelError
from .compiled import CompiledPasses, check_compiles
from .device import available_bytes, choose_device, choose_dtype
from .locate import locate
from .memory import check_fits, plan_memory
from .positions import context_length, extend_context
from .quantisation import check_packages, quantisation_of, quantise_while_loading
from .rows import use_rows
from .slots import cache_name

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
    compiled: CompiledPasses | None = None  # how its passes are run where they are compiled


def load_model(
    spec: str | os.PathLike[str],
    *,
    device: str | torch.device | None = None,
    dtype: str | torch.dtype | None = None,
    progress: bool | None = None,
    quantization: str | None = None,
    context_length: int | None = None,
    check_memory: bool = True,
    compile: bool = False,
) -> Model:
    """Load the checkpoint called ``spec``: "mini", a folder, or a hub name such as "Qwen/Qwen2.5-7B-Instruct".

    ``progress`` writes to standard error what is being loaded; None does so at a terminal, but not for "mini".
    ``quantization`` "bnb-4bit" or "bnb-8bit" quantises plain weights with bitsandbytes as they are read.
    ``context_length`` is the model's context in tokens; where that is more than the checkpoint's positions reach, YaRN
    extends them. ``check_memory`` refuses, before any weights are read, what will not fit into the device's free
    memory with a short context. ``compile`` compiles the passes that write answers, see :mod:`.compiled`.

    Raises:
        ModelError: it cannot be found, is not a decoder-only language model, does not fit, or does not load.
    """
    name = os.fspath(spec)
    show = progress if progress is not None else name != "mini" and sys.stderr.isatty()
    say = _say if show else _say_nothing
    start = time.perf_counter()
    say(f"looking for {name}")
    with _quiet_transformers(show_bars=show):
        folder = locate(spec)
        config = _load_config(name, folder)
        if context_length is not None:
            extend_context(name, config, context_length)
        target = choose_device(device)
        if compile:
            check_compiles(target)
        number_format = choose_dtype(dtype, target, config)
        bnb = None if quantization is None else quantise_while_loading(name, quantization, config, number_format)
        if check_memory:
            _check_memory(name, config, target, number_format, quantization)
        say(f"loading {name} on {target} ({str(number_format).removeprefix('torch.')})")
        tokenizer = _load_tokenizer(name, folder)
        with _prints_kept_out(config, show):
            network = _load_network(name, folder, target, config=config, dtype=number_format, quantization_config=bnb)
    say(f"loaded {name} in {time.perf_counter() - start:.1f} s")
    model = wrap_model(network, tokenizer, name=name, compile=compile)
    return model if context_length is None else replace(model, context_length=context_length)


def wrap_model(
    network: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, *, name: str | None = None, compile: bool = False
) -> Model:
    """A :class:`Model` from parts that are loaded already.

    The network is put into evaluation mode, and its scaled dot-product attention learns to read the rows of a batch.
    ``compile`` as in :func:`load_model`.

    Raises:
        ModelError: network and tokenizer do not belong together, nothing ends an answer, or it cannot be compiled.
    """
    if compile:
        check_compiles(network.device)
    n_vocab = logits_width(network)
    if len(tokenizer) > n_vocab:
        raise ModelError(
            f"the tokenizer has {len(tokenizer):,} tokens and the network only {n_vocab:,} logits, so they do not "
            "belong together; take both from one checkpoint"
        )
    network.eval()
    use_rows(network)
    return Model(
        name=name or getattr(network, "name_or_path", "") or type(network).__name__,
        network=network,
        tokenizer=tokenizer,
        n_vocab=n_vocab,
        eos_token_ids=_eos_token_ids(network, tokenizer),
        context_length=context_length(network.config),
        device=network.device,
        compiled=CompiledPasses(network, cache_name(network)) if compile else None,
    )


def logits_width(network: PreTrainedModel) -> int:
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
    check_packages(name, quantisation_of(config))
    return config


def _check_memory(
    name: str, config: PreTrainedConfig, device: torch.device, dtype: torch.dtype | str, quantization: str | None
) -> None:
    own = None if isinstance(dtype, str) else dtype
    plan = replace(plan_memory(config, device=device, dtype=own, quantization=quantization), name=name)
    check_fits(plan)
    free = available_bytes("cpu")
    if not _reads_onto(device) and plan.weight_bytes > free:
        raise ModelError(
            f"the weights of {name}, {plan.weight_bytes / 1e9:.2f} GB, pass through the CPU's memory, where "
            f"{free / 1e9:.2f} GB are free; run: pip install accelerate, which reads them onto {device} directly"
        )


def _load_tokenizer(name: str, folder: Path) -> PreTrainedTokenizerBase:
    from transformers import AutoTokenizer

    with _explained(name, "its tokenizer"):
        return AutoTokenizer.from_pretrained(folder, local_files_only=True)


def _load_network(name: str, folder: Path, device: torch.device, **settings: Any) -> PreTrainedModel:
    """``settings`` are those of ``from_pretrained``."""
    from transformers import AutoModelForCausalLM

    quantised = settings["quantization_config"] is not None or quantisation_of(settings["config"]) is not None
    placed = find_spec("accelerate") is not None and (device.type != "cpu" or quantised)
    placement = {"device_map": {"": device}} if placed else {}
    with _explained(name, "its weights"):
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            folder, local_files_only=True, output_loading_info=True, **settings, **placement
        )
        network, info = loaded[0] if placed else loaded[0].to(device), loaded[1]
    # transformers fills what a file lacks with random numbers and goes on; nobody wants that model.
    missing = sorted(info["missing_keys"])
    if missing:
        some = ", ".join(missing[:3])
        raise ModelError(f"{name} lacks {len(missing)} of its weights ({some} ...); download it again")
    return network


def _reads_onto(device: torch.device) -> bool:
    """Whether weights are read into the device's memory directly; without accelerate the CPU's holds them first."""
    return device.type == "cpu" or find_spec("accelerate") is not None


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
