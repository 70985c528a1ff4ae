"""What fits: the bytes of a checkpoint's weights, of its KV cache and of a forward pass, against a device's memory.

    bytes(context, batch) = weights + 1.25 * batch * context * kv_bytes_per_token + workspace(context, batch) + reserve

Weights and the cache's bytes a token are exact. The factor is how far a cache that grows may be ahead of what it holds;
the workspace is an upper bound on the tensors of one forward pass as transformers runs it; the reserve stands for what
torch and the driver take for themselves.
"""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from ..errors import ModelError
from .answer import MAX_READ
from .device import available_bytes, named_dtype
from .drafts import MOST_DRAFTED
from .locate import BUNDLED
from .positions import context_length
from .quantisation import Quantisation, named_quantisation, quantisation_of
from .slots import CHUNK

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

    ConfigSpec = PreTrainedConfig | str | os.PathLike[str] | Mapping[str, Any]

GPU_BYTES = 24e9
CONTEXTS = tuple(2**power for power in range(11, 18))  # 2,048 to 131,072
BATCHES = (1, 2, 4, 8, 16, 32)
WIDTH = 1 + MAX_READ  # tokens that a pass reads in each row while answers are written, but for longer forced stretches
CHOICES = 1 + MOST_DRAFTED  # tokens of each row after which logits are wanted
GROWTH = 1.25  # the cache's room over what it holds, at most
MINIMAL_CONTEXT = 2048  # tokens; what must fit for a model to be worth loading
RESERVE = 600_000_000  # on a GPU: the context of CUDA, the workspaces of cuBLAS, blocks that the allocator cannot use


@dataclass(frozen=True)
class MemoryPlan:
    """Which contexts and batches fit; ``str(plan)`` is the table.

    A context is tokens, prompt and answer together; a batch is so many answers side by side, each with that context.
    """

    name: str
    num_parameters: int
    number_format: str  # of the weights: "bfloat16", or the quantisation
    weight_bytes: int
    kv_bytes_per_token: int
    memory_bytes: int  # what all of it must fit into
    reserve_bytes: int
    context_length: int  # what the checkpoint's positions reach
    contexts: tuple[int, ...]
    batches: tuple[int, ...]
    workspace: Workspace

    def needed_bytes(self, context: int, batch: int = 1) -> int:
        """What ``batch`` rows of ``context`` tokens take, with the weights and everything else."""
        cache = int(GROWTH * self.kv_bytes_per_token * context * batch)
        return self.weight_bytes + self.reserve_bytes + cache + self.workspace.num_bytes(context, batch)

    def fits(self, context: int, batch: int = 1) -> bool:
        """Whether ``batch`` rows of ``context`` tokens fit."""
        return self.needed_bytes(context, batch) <= self.memory_bytes

    def largest_context(self, batch: int = 1) -> int:
        """The longest context that fits ``batch`` times, at most what the positions reach; 0 if none does."""
        return _largest(self.context_length, lambda context: self.fits(context, batch))

    def largest_batch(self, context: int) -> int:
        """How many rows of ``context`` tokens fit; 0 if none does."""
        bound = max(0, self.memory_bytes - self.weight_bytes) // (self.kv_bytes_per_token * context)
        return _largest(bound, lambda batch: self.fits(context, batch))

    def __str__(self) -> str:
        return "\n".join([*self._facts(), "", *self._table(), *self._notes()])

    def _facts(self) -> Iterator[str]:
        yield f"{self.name}, {_count(self.num_parameters)} parameters, {self.number_format}"
        yield (
            f"weights {_gigabytes(self.weight_bytes)}, KV cache {self.kv_bytes_per_token:,} bytes a token, "
            f"memory {_gigabytes(self.memory_bytes)} ({_gigabytes(self.reserve_bytes)} of it kept back)"
        )

    def _table(self) -> Iterator[str]:
        yield "context  " + "".join(f"{f'batch {batch}':>10}" for batch in self.batches)
        for context in self.contexts:
            cells = [_cell(self.needed_bytes(context, batch), self.fits(context, batch)) for batch in self.batches]
            mark = "*" if context > self.context_length else " "
            yield f"{context:>7,}{mark} {''.join(cells)}".rstrip()

    def _notes(self) -> Iterator[str]:
        yield "GB needed; in parentheses what does not fit"
        if any(context > self.context_length for context in self.contexts):
            yield f"* beyond the {self.context_length:,} tokens that the checkpoint's positions reach"


@dataclass(frozen=True)
class Workspace:
    """What a forward pass holds at its fullest, beside weights and cache, while one layer is under way.

    A prompt is read alone, ``prompt_tokens`` in a pass; answers are written side by side.
    """

    hidden_size: int
    intermediate_size: int
    num_heads: int
    num_kv_heads: int
    head_dim: int
    n_vocab: int
    itemsize: int  # bytes of a number in activations and cache
    prompt_tokens: int

    def num_bytes(self, context: int, batch: int) -> int:
        """An upper bound for ``batch`` rows of ``context`` tokens."""
        prompt = self.pass_bytes(1, min(self.prompt_tokens, context), context)
        return max(prompt, self.pass_bytes(batch, min(WIDTH, context), context))

    def pass_bytes(self, rows: int, width: int, context: int) -> int:
        """An upper bound for a pass that reads ``width`` tokens in each of ``rows`` rows, up to ``context``."""
        tokens = rows * width
        layer = max(self._attention(rows, tokens, context) + self._mask(tokens, context), self._mlp(tokens))
        return self._stream(tokens) + max(layer, self._logits(rows * min(width, CHOICES)))

    def _stream(self, tokens: int) -> int:
        """The residual, the normalised input of the layer, and both in float32 while it is normalised."""
        return tokens * self.hidden_size * (2 * self.itemsize + 8)

    def _mlp(self, tokens: int) -> int:
        """Gate, its activation, up, and their product."""
        return 4 * tokens * self.intermediate_size * self.itemsize

    def _attention(self, rows: int, tokens: int, context: int) -> int:
        """Query, key and value, each rotated; a layer of the cache, copied as it grows and repeated for every head."""
        states = 4 * tokens * (self.num_heads + 2 * self.num_kv_heads)
        repeated = self.num_heads if self.num_heads > self.num_kv_heads else 0
        cached = 2 * rows * context * (self.num_kv_heads + repeated)
        return (states + cached) * self.head_dim * self.itemsize

    def _mask(self, tokens: int, context: int) -> int:
        """Which positions a token sees, as booleans and as numbers to add."""
        return tokens * context * (1 + self.itemsize)

    def _logits(self, positions: int) -> int:
        """Logits as the network gives them, and in float32 before and after the mask."""
        return positions * self.n_vocab * (self.itemsize + 8)


def plan_memory(
    config: ConfigSpec,
    *,
    gpu_bytes: float = GPU_BYTES,
    device: str | torch.device | None = None,
    dtype: str | torch.dtype | None = None,
    quantization: str | None = None,
    contexts: tuple[int, ...] = CONTEXTS,
    batches: tuple[int, ...] = BATCHES,
    prompt_tokens: int = CHUNK,
) -> MemoryPlan:
    """What context and batch fit into a device's memory, before anything is loaded.

    ``config`` is a transformers configuration, the members of a config.json, a checkpoint's folder, "mini", or a hub
    name, of which only config.json is fetched. ``gpu_bytes`` is the memory to plan for; ``device`` plans for what is
    free on that device now instead. ``dtype`` is that of plain weights, activations and cache: bfloat16, or what a
    quantised checkpoint names. ``quantization`` plans for weights that ``config`` does not describe: "gptq-4bit" and
    "awq-4bit" (groups of 128), "bnb-4bit" or "bnb-8bit". ``prompt_tokens`` is how many tokens of a prompt a forward
    pass reads.

    Raises:
        ModelError: the configuration cannot be read, or its quantisation is unknown and its files are not there.
    """
    parsed, folder = _read(config)
    scheme = named_quantisation(quantization) if quantization is not None else quantisation_of(parsed)
    number_format = named_dtype(dtype) if dtype is not None else _own_dtype(parsed, scheme)
    skeleton = _skeleton(parsed)
    on_gpu = device is None or torch.device(device).type != "cpu"
    return MemoryPlan(
        name=_name(config, parsed),
        num_parameters=sum(weight.numel() for weight in skeleton.parameters()),
        number_format=str(number_format).removeprefix("torch.") if scheme is None else str(scheme),
        weight_bytes=_weight_bytes(skeleton, scheme, number_format.itemsize, folder if quantization is None else None),
        kv_bytes_per_token=kv_bytes_per_token(parsed, number_format),
        memory_bytes=int(gpu_bytes) if device is None else available_bytes(device),
        reserve_bytes=RESERVE if on_gpu else 0,
        context_length=context_length(parsed),
        contexts=contexts,
        batches=batches,
        workspace=_workspace(parsed, number_format.itemsize, prompt_tokens),
    )


def kv_bytes_per_token(config: PreTrainedConfig, dtype: str | torch.dtype) -> int:
    """Bytes that one token takes in the KV cache: a key and a value for each layer and key-value head."""
    text = config.get_text_config()
    return 2 * text.num_hidden_layers * _num_kv_heads(text) * _head_dim(text) * named_dtype(dtype).itemsize


def check_fits(plan: MemoryPlan) -> None:
    """Refuse a model that cannot do anything useful in the memory that there is.

    Raises:
        ModelError: the weights and one short context do not fit; the message has the table.
    """
    context = min(MINIMAL_CONTEXT, plan.context_length)
    if not plan.fits(context):
        raise ModelError(
            f"{plan.name} needs {_gigabytes(plan.needed_bytes(context))} for its weights and {context:,} tokens of "
            f"context, and {_gigabytes(plan.memory_bytes)} are free; free some, take a smaller or a quantised "
            f"checkpoint or another device, or load it all the same with check_memory=False\n\n{plan}"
        )


def _read(spec: ConfigSpec) -> tuple[PreTrainedConfig, Path | None]:
    """The configuration, and the folder with the weights if there is one."""
    from transformers import AutoConfig, PreTrainedConfig

    if isinstance(spec, PreTrainedConfig):
        origin = Path(spec.name_or_path) if spec.name_or_path else None
        return spec, origin if origin is not None and origin.is_dir() else None
    try:
        if isinstance(spec, Mapping):
            members = dict(spec)
            return AutoConfig.for_model(members.pop("model_type"), **members), None
        folder = BUNDLED if spec == "mini" else Path(spec).expanduser()
        if folder.is_dir():
            return AutoConfig.from_pretrained(folder, local_files_only=True), folder
        return AutoConfig.from_pretrained(os.fspath(spec)), None
    except Exception as error:  # a missing member, a damaged file, an unknown architecture, no network
        reason = (str(error).strip().splitlines() or [""])[0]
        raise ModelError(
            f"no configuration to plan for: {type(error).__name__}: {reason}; pass a transformers configuration, the "
            "members of a config.json with their model_type, a checkpoint's folder or a hub name"
        ) from error


def _name(spec: ConfigSpec, config: PreTrainedConfig) -> str:
    if isinstance(spec, str | os.PathLike):
        return os.fspath(spec)
    return config.name_or_path or config.model_type


def _own_dtype(config: PreTrainedConfig, scheme: Quantisation | None) -> torch.dtype:
    own = getattr(config.get_text_config(), "dtype", None)
    if scheme is None or own is None:
        return torch.bfloat16 if scheme is None else torch.float16
    return own if isinstance(own, torch.dtype) else named_dtype(own)


def _skeleton(config: PreTrainedConfig) -> PreTrainedModel:
    """The network with shapes and without numbers, so that whatever the architecture, its weights can be counted."""
    from transformers import AutoModelForCausalLM

    plain = copy.deepcopy(config)
    plain.__dict__.pop("quantization_config", None)
    try:
        with torch.device("meta"):
            return AutoModelForCausalLM.from_config(plain)
    except Exception as error:  # sizes that contradict each other, an architecture that does not decode
        raise ModelError(f"no decoder-only network can be made from the configuration: {error}") from error


def _weight_bytes(skeleton: PreTrainedModel, scheme: Quantisation | None, itemsize: int, folder: Path | None) -> int:
    """From the files where they are there and quantised; else from the shapes, which say the same."""
    if scheme is None:
        return itemsize * sum(weight.numel() for weight in skeleton.parameters())
    stored = _stored_bytes(folder) if folder is not None else 0
    return stored or _quantised_bytes(skeleton, scheme, itemsize)


def _stored_bytes(folder: Path) -> int:
    """Bytes of all tensors in a checkpoint's files; 0 if it has no safetensors."""
    index = folder / "model.safetensors.index.json"
    if index.exists():
        files = [folder / name for name in sorted(set(json.loads(index.read_text())["weight_map"].values()))]
    else:
        files = sorted(folder.glob("*.safetensors"))
    return sum(map(_tensor_bytes, files))


def _tensor_bytes(file: Path) -> int:
    """From a safetensors header: its length as 8 bytes, then JSON with the place of each tensor."""
    with file.open("rb") as stream:
        header = json.loads(stream.read(int.from_bytes(stream.read(8), "little")))
    places = [entry["data_offsets"] for name, entry in header.items() if name != "__metadata__"]
    return sum(end - start for start, end in places)


def _quantised_bytes(skeleton: PreTrainedModel, scheme: Quantisation, itemsize: int) -> int:
    head = skeleton.get_output_embeddings()
    tied = skeleton.get_input_embeddings().weight is getattr(head, "weight", None)
    total = itemsize * sum(weight.numel() for weight in skeleton.parameters())
    for name, module in skeleton.named_modules():
        is_plain = module is head and (tied or not scheme.head)
        if not isinstance(module, nn.Linear) or is_plain or scheme.skips(name):
            continue
        packed = scheme.bytes_of(module.in_features, module.out_features)
        if packed is None:
            raise ModelError(f"how large weights get in {scheme} is not known here; pass a folder that holds them")
        total += packed - itemsize * module.weight.numel()
    return total


def _workspace(config: PreTrainedConfig, itemsize: int, prompt_tokens: int) -> Workspace:
    text = config.get_text_config()
    return Workspace(
        hidden_size=text.hidden_size,
        intermediate_size=getattr(text, "intermediate_size", None) or 4 * text.hidden_size,
        num_heads=text.num_attention_heads,
        num_kv_heads=_num_kv_heads(text),
        head_dim=_head_dim(text),
        n_vocab=text.vocab_size,
        itemsize=itemsize,
        prompt_tokens=prompt_tokens,
    )


def _num_kv_heads(text: PreTrainedConfig) -> int:
    return getattr(text, "num_key_value_heads", None) or text.num_attention_heads


def _head_dim(text: PreTrainedConfig) -> int:
    return getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads


def _largest(bound: int, fits: Callable[[int], bool]) -> int:
    """The largest number up to ``bound`` that fits, where all smaller ones do; 0 if none does."""
    low, high = 0, bound
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low


def _count(number: int) -> str:
    return f"{number / 1e9:.2f} B" if number >= 1e9 else f"{number / 1e6:.1f} M"


def _gigabytes(num_bytes: int) -> str:
    return f"{num_bytes / 1e9:.2f} GB"


def _cell(needed: int, fits: bool) -> str:
    shown = f"{needed / 1e9:.{1 if needed >= 1e9 else 2}f}"
    return f"{shown} ".rjust(10) if fits else f"({shown})".rjust(10)
