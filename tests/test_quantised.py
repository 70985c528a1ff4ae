"""Quantised checkpoints: the ones that other packages read, and what is said where such a package is missing.

``tests/data/tiny-gptq`` is a Qwen2 with random weights, 4 bits in groups of 32. Where gptqmodel is installed,
``PYTHONPATH=. python tests/test_quantised.py`` makes it again.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from fakes import edit_json, toy_tokenizer
from safetensors.torch import load_file, save_file
from test_schemas import NAMES
from transformers import PreTrainedModel, Qwen2Config, Qwen2ForCausalLM

from qwen_struct import Extractor, plan_memory
from qwen_struct.decode.model import load_model
from qwen_struct.decode.quantisation import parse_quantisation
from qwen_struct.errors import ModelError

TINY_GPTQ = Path(__file__).parent / "data" / "tiny-gptq"
MINI_GPTQ = Path(__file__).parent / "data" / "mini-gptq"  # mini's 4-bit variant, by training/quantise.py
SAMPLES = Path(__file__).parents[1] / "schemas"
SCHEMA = {
    "type": "object",
    "properties": {"paid": {"type": "boolean"}, "total": {"type": "integer", "minimum": 0, "maximum": 999}},
    "required": ["paid", "total"],
    "additionalProperties": False,
}
# As auto-gptq 0.7 and the transformers of its time wrote it: no layer types, no rope_parameters, kernels by name.
AUTO_GPTQ = {
    "batch_size": 1,
    "bits": 4,
    "block_name_to_quantize": None,
    "cache_block_outputs": True,
    "damp_percent": 0.01,
    "dataset": None,
    "desc_act": False,
    "exllama_config": {"version": 1},
    "group_size": 32,
    "max_input_length": None,
    "model_seqlen": None,
    "module_name_preceding_first_block": None,
    "modules_in_block_to_quantize": None,
    "pad_token_id": None,
    "quant_method": "gptq",
    "sym": True,
    "tokenizer": None,
    "true_sequential": True,
    "use_cuda_fp16": False,
    "use_exllama": True,
}
AWQ = {"quant_method": "awq", "bits": 4, "group_size": 32, "zero_point": True, "version": "gemm"}
BNB = {"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_quant_type": "nf4"}


def needs(*packages: str) -> pytest.MarkDecorator:
    lacking = [package for package in packages if find_spec(package) is None]
    return pytest.mark.skipif(bool(lacking), reason=f"{' and '.join(lacking)} not installed")


needs_gptq = needs("gptqmodel", "optimum", "accelerate")
needs_bnb = needs("bitsandbytes", "accelerate")


def save_plain(folder: Path) -> Path:
    """The checkpoint that the quantised ones are made from: wide enough for groups of 32."""
    tokenizer = toy_tokenizer()
    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=320,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=4096,
        initializer_range=0.2,
        eos_token_id=tokenizer.convert_tokens_to_ids("<|im_end|>"),
    )
    Qwen2ForCausalLM(config).half().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def quantise_plain(source: Path, folder: Path) -> None:
    from training.quantise import quantise

    ids: Any = toy_tokenizer()("the invoice of the company, total 12.50 " * 8)["input_ids"]
    quantise(source, folder, calibration=[ids] * 8, group_size=32)


def next_logits(network: PreTrainedModel) -> torch.Tensor:
    with torch.inference_mode():
        return network(input_ids=torch.tensor([[5, 6, 7, 8]])).logits[0, -1].float()


def num_packed(network: PreTrainedModel) -> int:
    return sum(hasattr(module, "qweight") for module in network.modules())


def packed_awq(quarters: torch.Tensor) -> torch.Tensor:
    """Numbers of 4 bits, (rows, columns), as AWQ's GEMM layout packs them: eight columns in an int32, interleaved."""
    eights = quarters.long().reshape(len(quarters), -1, 8)
    words = sum(eights[:, :, column] << 4 * place for place, column in enumerate((0, 2, 4, 6, 1, 3, 5, 7)))
    return torch.where(words >= 2**31, words - 2**32, words).int().contiguous()


def rounded_to_awq(weight: torch.Tensor, group: int = 32) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """A weight rounded to 4 bits, (outputs, inputs), and the tensors that an AWQ checkpoint has in its place."""
    groups = weight.float().T.reshape(-1, group, len(weight))  # (groups, inputs of one, outputs)
    low, high = groups.amin(1).clamp(max=0), groups.amax(1).clamp(min=0)
    scales = ((high - low) / 15).half()
    zeros = (-low / scales.float()).round().clamp(0, 15)
    quarters = (groups / scales.float()[:, None] + zeros[:, None]).round().clamp(0, 15)
    rounded = ((quarters - zeros[:, None]) * scales.float()[:, None]).reshape(-1, len(weight)).T
    packed = packed_awq(quarters.reshape(-1, len(weight)))
    return rounded, {"qweight": packed, "qzeros": packed_awq(zeros), "scales": scales.contiguous()}


def save_awq(plain: Path, folder: Path) -> None:
    """Turn the plain checkpoint's layers into AWQ's in ``folder``, and round its own to the same numbers."""
    shutil.copytree(plain, folder)
    plain_weights = load_file(plain / "model.safetensors")
    awq_weights = dict(plain_weights)
    for name in [name for name in plain_weights if name.endswith("_proj.weight")]:
        rounded, packed = rounded_to_awq(plain_weights[name])
        plain_weights[name] = rounded.half().contiguous()
        awq_weights.update({name.removesuffix("weight") + part: tensor for part, tensor in packed.items()})
        del awq_weights[name]
    save_file(plain_weights, plain / "model.safetensors", {"format": "pt"})
    save_file(awq_weights, folder / "model.safetensors", {"format": "pt"})
    edit_json(folder / "config.json", quantization_config=AWQ)


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    return save_plain(tmp_path / "plain")


@pytest.fixture
def old_style(tmp_path: Path) -> Path:
    """The committed checkpoint with the configuration that auto-gptq would have given it."""
    folder = Path(shutil.copytree(TINY_GPTQ, tmp_path / "auto-gptq"))
    config = json.loads((folder / "config.json").read_text())
    for newer in ("dtype", "layer_types", "rope_parameters"):
        del config[newer]
    config.update(torch_dtype="float16", transformers_version="4.39.3", rope_theta=10000.0)
    config["quantization_config"] = AUTO_GPTQ
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def refusal(load: Callable[[], object]) -> str:
    with pytest.raises(ModelError) as caught:
        load()
    return str(caught.value)


# Without the packages


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (None, "is quantised with GPTQ, which needs gptqmodel and optimum; run: pip install 'qwen-struct[gptq]'"),
        (AUTO_GPTQ, "is quantised with GPTQ, which needs gptqmodel and optimum; run: pip install 'qwen-struct[gptq]'"),
        (AWQ, "is quantised with AWQ, which needs gptqmodel and accelerate; run: pip install 'qwen-struct[gptq]'"),
        (BNB, "is quantised with bitsandbytes, which needs bitsandbytes and accelerate; run: pip install bitsandbytes"),
    ],
    ids=["gptq", "auto-gptq", "awq", "bitsandbytes"],
)
def test_a_missing_package_is_named_before_anything_is_read(
    settings: dict[str, Any] | None, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(shutil.copytree(TINY_GPTQ, tmp_path / "quantised"))
    (folder / "model.safetensors").write_bytes(b"unreadable")
    if settings is not None:
        edit_json(folder / "config.json", quantization_config=settings)
    monkeypatch.setattr("qwen_struct.decode.quantisation.find_spec", lambda name: None)
    assert message in refusal(lambda: load_model(folder))


def test_quantising_while_loading_names_its_packages_too(plain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qwen_struct.decode.quantisation.find_spec", lambda name: None)
    message = refusal(lambda: load_model(plain, quantization="bnb-4bit"))
    assert "needs bitsandbytes and accelerate; run: pip install bitsandbytes accelerate" in message


@pytest.mark.parametrize("asked", ["gptq-4bit", "int3"])
def test_what_cannot_be_quantised_while_loading(asked: str, plain: Path) -> None:
    message = refusal(lambda: load_model(plain, quantization=asked))
    assert message == (
        f"weights cannot be quantised to '{asked}' while they load; take one of bnb-4bit, bnb-8bit, or a checkpoint "
        "that is quantised already"
    )


@pytest.mark.parametrize(
    ("settings", "described"),
    [
        (AUTO_GPTQ, "gptq 4-bit in groups of 32"),
        (AWQ, "awq 4-bit in groups of 32"),
        ({"quant_method": "awq", "w_bit": 4, "q_group_size": 64}, "awq 4-bit in groups of 64"),
        (BNB, "bitsandbytes 4-bit"),
        ({"quant_method": "bitsandbytes", "load_in_8bit": True}, "bitsandbytes 8-bit"),
        ({"quant_method": "gptq", "bits": 8, "group_size": -1}, "gptq 8-bit"),
    ],
)
def test_configurations_of_each_scheme_are_understood(settings: dict[str, Any], described: str) -> None:
    assert str(parse_quantisation(settings)) == described


# With them


@needs_gptq
def test_a_gptq_checkpoint_extracts() -> None:
    extractor = Extractor(TINY_GPTQ, device="cpu")
    assert num_packed(extractor.model.network) == 14
    assert isinstance(extractor.model.network.get_output_embeddings(), torch.nn.Linear)
    value = extractor.extract("the invoice of the company", SCHEMA)
    assert set(value) == {"paid", "total"}


@needs_gptq
def test_what_auto_gptq_wrote_loads_as_what_gptqmodel_writes(old_style: Path) -> None:
    old, new = load_model(old_style, device="cpu"), load_model(TINY_GPTQ, device="cpu")
    assert (old.network.dtype, num_packed(old.network)) == (torch.float16, 14)
    assert torch.allclose(next_logits(old.network), next_logits(new.network), atol=0.2)
    assert set(Extractor(old_style, device="cpu").extract("the invoice", SCHEMA)) == {"paid", "total"}


@needs_gptq
def test_quantising_makes_a_checkpoint_that_loads_and_says_nearly_the_same(plain: Path, tmp_path: Path) -> None:
    folder = tmp_path / "quantised"
    quantise_plain(plain, folder)
    network = load_model(folder, device="cpu").network
    before, after = next_logits(load_model(plain, device="cpu").network), next_logits(network)
    assert num_packed(network) == 14
    assert torch.nn.functional.cosine_similarity(before, after, dim=0) > 0.9
    assert plan_memory(folder).weight_bytes < plan_memory(plain).weight_bytes
    assert (folder / "tokenizer.json").read_bytes() == (plain / "tokenizer.json").read_bytes()


@needs_gptq
def test_an_awq_checkpoint_loads_with_the_numbers_that_were_packed(plain: Path, tmp_path: Path) -> None:
    save_awq(plain, tmp_path / "awq")
    network = load_model(tmp_path / "awq", device="cpu").network
    assert num_packed(network) == 14
    assert torch.allclose(next_logits(network), next_logits(load_model(plain, device="cpu").network), atol=0.2)
    config = json.loads((tmp_path / "awq" / "config.json").read_text())
    assert plan_memory(tmp_path / "awq").weight_bytes == plan_memory(config).weight_bytes
    assert set(Extractor(tmp_path / "awq", device="cpu").extract("the invoice", SCHEMA)) == {"paid", "total"}


@needs_gptq
def test_a_quantised_checkpoint_is_not_quantised_again() -> None:
    message = refusal(lambda: load_model(TINY_GPTQ, quantization="bnb-4bit"))
    assert "is quantised already (gptq 4-bit in groups of 32); leave quantization out" in message


@needs_bnb
@pytest.mark.parametrize("asked", ["bnb-4bit", "bnb-8bit"])
@pytest.mark.filterwarnings("ignore")
def test_bitsandbytes_quantises_while_loading_and_what_it_saved_loads(asked: str, plain: Path, tmp_path: Path) -> None:
    network = load_model(plain, device="cpu", quantization=asked).network
    network.save_pretrained(tmp_path / "saved")  # before its first pass, which lays the weights out for the CPU
    before, after = next_logits(load_model(plain, device="cpu").network), next_logits(network)
    assert torch.nn.functional.cosine_similarity(before, after, dim=0) > 0.9
    for file in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(plain / file, tmp_path / "saved" / file)
    saved = load_model(tmp_path / "saved", device="cpu").network
    assert torch.allclose(next_logits(saved), after)
    assert set(Extractor(tmp_path / "saved", device="cpu").extract("the invoice", SCHEMA)) == {"paid", "total"}


@needs_bnb
@pytest.mark.parametrize("asked", ["bnb-4bit", "bnb-8bit"])
def test_the_planned_bytes_are_those_that_bitsandbytes_takes(asked: str, plain: Path) -> None:
    network = load_model(plain, device="cpu", dtype="bfloat16", quantization=asked).network
    taken = sum(weight.nbytes for weight in network.parameters())
    for module in network.modules():
        weight: Any = getattr(module, "weight", None)
        scales = getattr(getattr(weight, "quant_state", None), "absmax", getattr(weight, "SCB", None))
        taken += 0 if scales is None else scales.nbytes
    assert plan_memory(plain, dtype="bfloat16", quantization=asked).weight_bytes == taken


@needs_gptq
@pytest.mark.parametrize("name", ["invoice", "fapiao"])
def test_the_bundled_model_in_4_bits_still_reads(name: str) -> None:
    """Calibrated and quantised by GPTQ: it writes the samples as the weights that it was made from do."""
    text = (SAMPLES / f"{name}.txt").read_text(encoding="utf-8")
    found = Extractor(MINI_GPTQ, device="cpu").run(text, f"{SAMPLES / name}.py:{NAMES[name]}")
    assert json.loads(found.text) == json.loads((SAMPLES / f"{name}.json").read_text(encoding="utf-8"))


if __name__ == "__main__":
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as scratch:
        quantise_plain(save_plain(Path(scratch) / "plain"), TINY_GPTQ)
