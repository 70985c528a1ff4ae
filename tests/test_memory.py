"""What a plan says against what is known, what is in files, and what a forward pass really holds."""

from __future__ import annotations

import json
import sys
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from fakes import edit_json, tiny_network
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from transformers import AutoConfig, PreTrainedModel, Qwen2Config, Qwen2ForCausalLM, StaticCache

from qwen_struct import plan_memory
from qwen_struct.decode import device as device_module
from qwen_struct.decode.device import available_bytes
from qwen_struct.decode.memory import CHOICES, MINIMAL_CONTEXT, RESERVE, kv_bytes_per_token
from qwen_struct.decode.model import load_model
from qwen_struct.errors import ModelError

TINY_GPTQ = Path(__file__).parent / "data" / "tiny-gptq"


def qwen(hidden: int, layers: int, heads: int, kv_heads: int, intermediate: int, vocab: int, tied: bool) -> dict:
    return {
        "model_type": "qwen2",
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "intermediate_size": intermediate,
        "vocab_size": vocab,
        "tie_word_embeddings": tied,
        "max_position_embeddings": 32768,
    }


# Qwen2.5's published configurations, their parameters, and bytes of KV cache a token in bfloat16.
QWEN = {
    "0.5B": (qwen(896, 24, 14, 2, 4864, 151936, True), 494_032_768, 12_288),
    "1.5B": (qwen(1536, 28, 12, 2, 8960, 151936, True), 1_543_714_304, 28_672),
    "3B": (qwen(2048, 36, 16, 2, 11008, 151936, True), 3_085_938_688, 36_864),
    "7B": (qwen(3584, 28, 28, 4, 18944, 152064, False), 7_615_616_512, 57_344),
    "14B": (qwen(5120, 48, 40, 8, 13824, 152064, False), 14_770_033_664, 196_608),
}
SEVEN_B = QWEN["7B"][0]


# What is known


@pytest.mark.parametrize("size", QWEN)
def test_weights_and_cache_of_the_published_sizes(size: str) -> None:
    config, num_parameters, kv_bytes = QWEN[size]
    plan = plan_memory(config)
    assert (plan.num_parameters, plan.kv_bytes_per_token) == (num_parameters, kv_bytes)
    assert plan.weight_bytes == 2 * num_parameters
    assert plan_memory(config, dtype="fp32").weight_bytes == 4 * num_parameters
    assert plan_memory(config, dtype="float32").kv_bytes_per_token == 2 * kv_bytes


@pytest.mark.parametrize(
    ("quantization", "gigabytes"),
    # of the published files: 5.58 of Qwen2.5-7B-Instruct-GPTQ-Int4, 5.57 of -AWQ
    [(None, 15.23), ("gptq-4bit", 5.58), ("awq-4bit", 5.57), ("bnb-4bit", 5.85), ("bnb-8bit", 8.71)],
)
def test_the_7b_in_each_format(quantization: str | None, gigabytes: float) -> None:
    assert round(plan_memory(SEVEN_B, quantization=quantization).weight_bytes / 1e9, 2) == gigabytes


def test_what_fits_into_24_gigabytes() -> None:
    plain, packed = plan_memory(SEVEN_B), plan_memory(SEVEN_B, quantization="gptq-4bit")
    assert plain.fits(32_768)
    assert not plain.fits(131_072)
    assert packed.fits(131_072)
    assert packed.fits(32_768, 4)
    assert not plan_memory(QWEN["14B"][0]).fits(MINIMAL_CONTEXT)


def test_the_table_in_full() -> None:
    plan = plan_memory(SEVEN_B, contexts=(2048, 65536), batches=(1, 16))
    assert str(plan).splitlines() == [
        "qwen2, 7.62 B parameters, bfloat16",
        "weights 15.23 GB, KV cache 57,344 bytes a token, memory 24.00 GB (0.60 GB of it kept back)",
        "",
        "context     batch 1  batch 16",
        f"  2,048  {plan.needed_bytes(2048) / 1e9:9.1f} {plan.needed_bytes(2048, 16) / 1e9:9.1f}",
        f" 65,536* {plan.needed_bytes(65536) / 1e9:9.1f}    ({plan.needed_bytes(65536, 16) / 1e9:.1f})",
        "GB needed; in parentheses what does not fit",
        "* beyond the 32,768 tokens that the checkpoint's positions reach",
    ]


@pytest.mark.parametrize("gpu_bytes", [16e9, 24e9, 80e9])
def test_the_largest_context_and_batch_are_where_it_stops_fitting(gpu_bytes: float) -> None:
    plan = plan_memory({**SEVEN_B, "max_position_embeddings": 10**7}, gpu_bytes=gpu_bytes)
    for batch in (1, 7):
        context = plan.largest_context(batch)
        assert context == 0 or plan.fits(context, batch)
        assert not plan.fits(context + 1, batch)
    most = plan.largest_batch(4096)
    assert most == 0 or plan.fits(4096, most)
    assert not plan.fits(4096, most + 1)


def test_the_largest_context_is_at_most_what_the_positions_reach() -> None:
    assert plan_memory(SEVEN_B, gpu_bytes=1e12).largest_context() == 32_768
    assert (
        plan_memory(SEVEN_B, gpu_bytes=1e9).largest_context()
        == plan_memory(SEVEN_B, gpu_bytes=1e9).largest_batch(1)
        == 0
    )


# What is in files


def test_a_quantised_checkpoint_takes_what_its_shapes_say() -> None:
    file = TINY_GPTQ / "model.safetensors"
    with file.open("rb") as stream:
        header = 8 + int.from_bytes(stream.read(8), "little")
    in_files = plan_memory(TINY_GPTQ)
    from_shapes = plan_memory(json.loads((TINY_GPTQ / "config.json").read_text()))
    assert in_files.weight_bytes == from_shapes.weight_bytes == file.stat().st_size - header
    assert in_files.number_format == "gptq 4-bit in groups of 32"


def test_a_checkpoint_in_several_files_whose_scheme_is_unknown(tmp_path: Path) -> None:
    network = tiny_network(384).half()
    network.save_pretrained(tmp_path, max_shard_size="30KB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 1
    edit_json(tmp_path / "config.json", quantization_config={"quant_method": "of-tomorrow"})
    (tmp_path / "consolidated.safetensors").write_bytes(b"another copy, which the index does not name")
    assert plan_memory(tmp_path).weight_bytes == 2 * sum(weight.numel() for weight in network.parameters())
    with pytest.raises(ModelError, match="of-tomorrow 4-bit is not known here; pass a folder that holds them"):
        plan_memory(json.loads((tmp_path / "config.json").read_text()))


def test_a_configuration_a_folder_and_mini_say_the_same(tiny_checkpoint: Path) -> None:
    config = AutoConfig.from_pretrained(tiny_checkpoint)
    plan = plan_memory(tiny_checkpoint)
    assert plan.weight_bytes == plan_memory(config).weight_bytes == plan_memory(config.to_dict()).weight_bytes
    assert plan.context_length == 4096
    assert plan_memory("mini").name == "mini"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"hidden_size": 8}, "no configuration to plan for: KeyError: 'model_type'; pass a transformers configuration"),
        ("no/such-model", "no configuration to plan for: "),
        ({**SEVEN_B, "num_attention_heads": 0}, "no "),
        ({"model_type": "vit"}, "no decoder-only network can be made from"),
    ],
    ids=["no architecture", "no such name", "no heads", "no decoder"],
)
def test_what_cannot_be_planned_for(spec: Any, message: str) -> None:
    with pytest.raises(ModelError) as caught:
        plan_memory(spec)
    assert str(caught.value).startswith(message)


def test_an_unknown_quantisation() -> None:
    with pytest.raises(ModelError, match="unknown quantization 'int3'; take one of gptq-4bit, awq-4bit, bnb-4bit"):
        plan_memory(SEVEN_B, quantization="int3")


# What a forward pass holds


class PeakMemory(TorchDispatchMode):
    """The most bytes that tensors made inside it took at one time."""

    def __init__(self) -> None:
        super().__init__()
        self.peak = self._now = 0
        self._sizes: dict[int, int] = {}

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        for tensor in tree_leaves((args, kwargs)):
            self._count(tensor, is_new=False)
        result = function(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            self._count(tensor, is_new=True)
        self.peak = max(self.peak, self._now)
        return result

    def _count(self, tensor: object, is_new: bool) -> None:
        if not isinstance(tensor, torch.Tensor) or tensor.untyped_storage()._cdata in self._sizes:
            return
        storage = tensor.untyped_storage()
        self._sizes[storage._cdata] = storage.nbytes() if is_new else 0
        self._now += self._sizes[storage._cdata]
        weakref.finalize(storage, self._forget, storage._cdata)

    def _forget(self, key: int) -> None:
        self._now -= self._sizes.pop(key)


def peak_of_a_pass(network: PreTrainedModel, rows: int, width: int, context: int) -> int:
    """Bytes of a pass over the last ``width`` tokens of each row, with the cache filled and its memory taken before."""
    cache = StaticCache(config=network.config, max_cache_len=context)
    read = {"past_key_values": cache, "logits_to_keep": min(width, CHOICES)}
    with torch.inference_mode():
        network(input_ids=torch.zeros(rows, context - width, dtype=torch.long), **read)
        with PeakMemory() as memory:
            network(input_ids=torch.zeros(rows, width, dtype=torch.long), **read)
    return memory.peak


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize(
    ("shape", "rows", "width", "context", "slack"),
    [
        ({"intermediate_size": 676}, 1, 512, 1024, 2.0),  # the MLP is the fullest point
        ({"num_key_value_heads": 2}, 1, 64, 2048, 2.0),  # repeated keys and values
        ({"num_key_value_heads": 2}, 8, 65, 512, 2.0),
        ({"vocab_size": 30_000}, 4, 49, 128, 5.1),  # logits, which the plan counts twice more in float32
    ],
    ids=["mlp", "attention", "rows", "logits"],
)
def test_the_workspace_bounds_what_a_pass_holds(
    dtype: str, shape: dict[str, int], rows: int, width: int, context: int, slack: float
) -> None:
    sizes = {"vocab_size": 384, "hidden_size": 128, "intermediate_size": 256, "num_key_value_heads": 8, **shape}
    config = Qwen2Config(num_hidden_layers=2, num_attention_heads=8, max_position_embeddings=4096, **sizes)
    network = Qwen2ForCausalLM(config).to(getattr(torch, dtype)).eval()
    planned = plan_memory(config, dtype=dtype).workspace.pass_bytes(rows, width, context)
    held = peak_of_a_pass(network, rows, width, context)
    assert held <= planned <= slack * held


def test_the_cache_of_a_pass_takes_what_the_plan_says(tiny_checkpoint: Path) -> None:
    network = load_model(tiny_checkpoint).network
    cache = network(input_ids=torch.zeros(3, 50, dtype=torch.long), use_cache=True).past_key_values
    taken = sum(layer.keys.nbytes + layer.values.nbytes for layer in cache.layers)
    assert taken == 3 * 50 * kv_bytes_per_token(network.config, network.dtype)


# Loading


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Makes it look as if so many bytes were free."""

    def set_free(num_bytes: int) -> None:
        for module in ("memory", "model"):
            monkeypatch.setattr(f"qwen_struct.decode.{module}.available_bytes", lambda device: num_bytes)

    return set_free


def test_loading_refuses_with_the_table_before_it_reads_weights(
    tiny_checkpoint: Path, free: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    free(1_000_000)
    monkeypatch.setattr("qwen_struct.decode.model._load_network", lambda *_, **__: pytest.fail("read the weights"))
    with pytest.raises(ModelError) as caught:
        load_model(tiny_checkpoint)
    first, _, table = str(caught.value).partition("\n\n")
    assert first.startswith(f"{tiny_checkpoint} needs 0.0")
    assert "for its weights and 2,048 tokens of context, and 0.00 GB are free; free some, take a smaller" in first
    assert "load it all the same with check_memory=False" in first
    assert "context     batch 1" in table
    assert "(0.0" in table


def test_the_refusal_can_be_overridden(tiny_checkpoint: Path, free: Callable[[int], None]) -> None:
    free(1_000_000)
    assert load_model(tiny_checkpoint, check_memory=False).n_vocab == 384


def test_loading_goes_on_where_it_fits_exactly(tiny_checkpoint: Path, free: Callable[[int], None]) -> None:
    needed = plan_memory(tiny_checkpoint, dtype="float32").needed_bytes(MINIMAL_CONTEXT) - RESERVE  # none on a CPU
    free(needed)
    assert load_model(tiny_checkpoint).n_vocab == 384
    free(needed - 1)
    with pytest.raises(ModelError, match="needs 0.0"):
        load_model(tiny_checkpoint)


# What is free


def test_the_cpu_has_memory_but_not_without_end() -> None:
    assert 10_000_000 < available_bytes("cpu") < 2**50


def test_linux_says_what_it_can_give(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal:  16384 kB\nMemFree:  100 kB\nMemAvailable:  8192 kB\n")
    monkeypatch.setattr(device_module, "MEMINFO", meminfo)
    monkeypatch.setattr(device_module, "CGROUPS", ())
    assert available_bytes("cpu") == 8192 * 1024


@pytest.mark.parametrize(("limit", "left"), [("1000000", 1_000_000 - 700_000 + 50_000), ("max", None), ("oops", None)])
def test_a_container_leaves_what_its_limit_leaves(
    limit: str, left: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [tmp_path / name for name in ("max", "current", "stat")]
    for file, text in zip(files, (limit, "700000", "anon 600000\ninactive_file 50000"), strict=True):
        file.write_text(text + "\n")
    monkeypatch.setattr(device_module, "CGROUPS", ((*map(str, files), "inactive_file"),))
    monkeypatch.setattr(device_module, "_free_ram", lambda: 10**12)
    assert available_bytes("cpu") == (10**12 if left is None else left)


def test_a_system_that_does_not_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_module, "MEMINFO", tmp_path / "none")
    monkeypatch.setattr(device_module, "CGROUPS", ())
    monkeypatch.delattr("os.sysconf")
    assert available_bytes("cpu") == sys.maxsize


def test_cuda_counts_what_torch_holds_unused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda device: (5_000, 24_000))
    monkeypatch.setattr("torch.cuda.memory_reserved", lambda device: 700)
    monkeypatch.setattr("torch.cuda.memory_allocated", lambda device: 500)
    assert available_bytes("cuda") == 5_200


def test_a_plan_for_a_device_is_for_what_is_free_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qwen_struct.decode.memory.available_bytes", lambda device: 40_000_000_000)
    on_gpu, on_cpu = plan_memory(SEVEN_B, device="cuda:0"), plan_memory(SEVEN_B, device="cpu")
    assert (on_gpu.memory_bytes, on_gpu.reserve_bytes) == (40_000_000_000, RESERVE)
    assert (on_cpu.memory_bytes, on_cpu.reserve_bytes) == (40_000_000_000, 0)
