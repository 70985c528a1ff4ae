"""The KV cache of a batch: rows of all lengths read, forget, leave and start from prefixes as if each were alone."""

from __future__ import annotations

import random
from typing import Any

import pytest
import torch
from fakes import tiny_network, toy_tokenizer
from transformers import MistralConfig, MistralForCausalLM

from qwen_struct.decode import rows
from qwen_struct.decode.model import Model, wrap_model
from qwen_struct.decode.prefixes import PrefixStore
from qwen_struct.decode.slots import CHUNK, Slots

SLIDING = {"use_sliding_window": True, "sliding_window": 7, "max_window_layers": 1}


def model_of(**settings: Any) -> Model:
    return wrap_model(tiny_network(384, **settings), toy_tokenizer())


def alone(model: Model, token_ids: list[int]) -> torch.Tensor:
    """The logits after each of ``token_ids``, without a cache: (len(token_ids), n_vocab)."""
    with torch.inference_mode():
        logits: torch.Tensor = model.network(input_ids=torch.tensor([token_ids])).logits
    return logits[0]


@pytest.mark.parametrize("settings", [{}, SLIDING, {"attn_implementation": "eager"}], ids=["full", "sliding", "eager"])
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("row_by_row", [("cpu",), ()], ids=["row by row", "laid out"])
def test_rows_read_as_if_each_were_alone(
    settings: dict[str, Any], seed: int, row_by_row: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "ROW_BY_ROW", row_by_row)
    model, draw = model_of(**settings), random.Random(seed)
    slots = Slots(model)
    texts: list[list[int]] = []
    for length in (5, 70, 9):
        texts.append([draw.randrange(300) for _ in range(length)])
        logits = slots.read_prompt(slots.add(), texts[-1])
        torch.testing.assert_close(logits, alone(model, texts[-1])[-1], atol=1e-4, rtol=1e-4)
    for step in range(12):
        inputs = [[draw.randrange(300) for _ in range(draw.choice([1, 1, 2, 5, 9]))] for _ in texts]
        logits = slots.read(inputs, [range(len(ids)) for ids in inputs])
        at = 0
        for row, ids in enumerate(inputs):
            texts[row] += ids
            wanted = alone(model, texts[row])[-len(ids) :]
            torch.testing.assert_close(logits[at : at + len(ids)], wanted, atol=1e-4, rtol=1e-4)
            at += len(ids)
            num = draw.randrange(len(ids) + 1)
            slots.forget(row, num)
            del texts[row][len(texts[row]) - num :]
        if step == 5:
            slots.remove(0)
            texts[0] = texts.pop()
        if step == 8:
            slots.add(slots.prefix(0, 11))
            texts.append(texts[0][:11])
    assert slots.lengths == list(map(len, texts))


@pytest.mark.parametrize("window", [None, 7])
def test_networks_without_kinds_of_layers(window: int | None) -> None:
    torch.manual_seed(0)
    config = MistralConfig(
        vocab_size=384,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        sliding_window=window,
    )
    model = wrap_model(MistralForCausalLM(config), toy_tokenizer())
    slots = Slots(model)
    texts = [list(range(5)), list(range(30))]
    for text in texts:
        slots.read_prompt(slots.add(), text)
    inputs = [[7, 8, 9], [1]]
    logits = slots.read(inputs, [[0, 2], [0]])
    wanted = [alone(model, text + ids)[-len(ids) :] for text, ids in zip(texts, inputs, strict=True)]
    expected = torch.stack([wanted[0][0], wanted[0][2], wanted[1][0]])
    torch.testing.assert_close(logits, expected, atol=1e-4, rtol=1e-4)


def test_a_long_prompt_is_read_in_chunks() -> None:
    model = model_of()
    ids = [number % 300 for number in range(CHUNK + 10)]
    slots = Slots(model)
    logits = slots.read_prompt(slots.add(), ids)
    assert slots.num_passes == 2
    torch.testing.assert_close(logits, alone(model, ids)[-1], atol=1e-4, rtol=1e-4)


def test_more_cannot_be_forgotten_than_was_read() -> None:
    slots = Slots(model_of())
    slots.read_prompt(slots.add(), [1, 2, 3])
    with pytest.raises(ValueError, match="cannot forget 4 of 3 tokens"):
        slots.forget(0, 4)


def test_the_longest_prefix_is_found_and_the_least_used_goes() -> None:
    slots = Slots(model_of())
    slots.read_prompt(slots.add(), list(range(12)))
    one = slots.prefix(0, 4)
    assert one.num_bytes == 4 * one.num_bytes // 4 == 2 * 2 * 4 * 2 * 8 * 4  # keys, values; layers, tokens, heads, ...
    store = PrefixStore(limit=2 * one.num_bytes)
    store.keep([0, 1, 2, 3], one)
    store.keep([0, 1], slots.prefix(0, 2))
    assert store.find([0, 1, 2, 3, 4]) is one
    short = store.find([0, 1, 2, 3])
    assert short is not None
    assert short.num_tokens == 2
    assert store.find([0, 1]) is None  # a token must be left to read
    assert store.find([1, 2]) is None
    store.keep([7, 7, 7, 7], slots.prefix(0, 4))
    assert store.find([0, 1, 2, 3, 4]) is short  # the longer one was used before it
    assert store.num_bytes <= store.limit
    store.keep([5] * 9, slots.prefix(0, 9))  # more than all that may be kept
    assert store.find([5] * 10) is None
    store.clear()
    assert store.num_bytes == 0


def test_prompts_of_different_schemas_share_the_beginning_that_they_have_in_common() -> None:
    model = model_of()
    slots, store = Slots(model), PrefixStore()
    head, ids = list(range(20)), [*range(20), 30, 31, 32, 33]
    slots.read_prompt(slots.add(), ids)
    store.keep(ids, slots.prefix(0, len(ids)))
    found = store.find([*head, 40, 41])
    assert found is not None
    assert found.num_tokens == 20
    row = slots.add(found)
    torch.testing.assert_close(
        slots.read_prompt(row, [40, 41]), alone(model, [*head, 40, 41])[-1], atol=1e-4, rtol=1e-4
    )
    assert store.find(ids[:22]) is not None  # what is kept goes on further than the prompt
    assert store.find(ids[:22]).num_tokens == 21  # type: ignore[union-attr]
    assert store.find([*range(15), 40, 41]) is None  # not worth a copy
    store.keep(head[:18], slots.prefix(0, 18))
    assert store.find([*head, 40]).num_tokens == 18  # type: ignore[union-attr]  # two tokens more are not, either
