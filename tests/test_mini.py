"""The bundled model as it is shipped: tokenizer, template, weights, and the answers to the shipped samples."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from test_schemas import NAMES as SAMPLES

from qwen_struct import Extractor

ROOT = Path(__file__).resolve().parent.parent
MINI = ROOT / "qwen_struct" / "mini"


@pytest.fixture(scope="module")
def tokenizer():
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(MINI)


@pytest.fixture(scope="module")
def extractor() -> Extractor:
    return Extractor("mini")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  two  spaces\n\n\tand a tab ",
        'INV-2024-07: "12,345.60" €',
        "价税合计（小写）：2281.56",
        "naïve 🙂 ☃ \u200b",
        "龘",
    ],
)
def test_the_tokenizer_is_lossless(tokenizer, text):
    ids = tokenizer.encode(text, add_special_tokens=False)
    assert tokenizer.decode(ids) == text


def test_a_value_reads_the_same_in_the_text_and_in_json(tokenizer):
    value = tokenizer.encode("Halden Instruments 42 云杉")
    for before, after in [("Company: ", "\n"), ('"company": "', '", "'), ("| ", " |")]:
        around = tokenizer.encode(before + "Halden Instruments 42 云杉" + after)
        assert any(around[i : i + len(value)] == value for i in range(len(around)))


def test_digits_stand_alone(tokenizer):
    assert tokenizer.tokenize("20240315") == list("20240315")


def test_the_chat_template_is_chatml(tokenizer):
    messages = [{"role": "system", "content": "S"}, {"role": "user", "content": "U"}]
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    assert text == "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nU<|im_end|>\n<|im_start|>assistant\n"
    assert tokenizer.encode("<|im_end|>") == [tokenizer.eos_token_id]


def test_the_weights_fit_in_the_package():
    config = json.loads((MINI / "config.json").read_text())
    assert config["model_type"] == "qwen2" and config["vocab_size"] == 2048
    assert (MINI / "model.safetensors").stat().st_size < 30e6


@pytest.mark.parametrize("name", SAMPLES)
def test_a_shipped_sample_comes_out_right(extractor, name):
    text = (ROOT / "schemas" / f"{name}.txt").read_text(encoding="utf-8")
    result = extractor.run(text, f"{ROOT}/schemas/{name}.py:{SAMPLES[name]}")
    assert json.loads(result.text) == json.loads((ROOT / "schemas" / f"{name}.json").read_text(encoding="utf-8"))
    assert result.num_prompt_tokens < 1000
