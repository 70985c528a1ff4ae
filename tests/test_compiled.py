"""Compiled passes: what they read is what the plain ones read. Most tests run them uncompiled; one compiles."""

from __future__ import annotations

import random
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from fakes import tiny_network, toy_tokenizer

from qwen_struct import Extractor
from qwen_struct.decode import compiled
from qwen_struct.decode.compiled import CompiledPasses, capacity_for, check_compiles, rows_for, width_for
from qwen_struct.decode.model import Model, wrap_model
from qwen_struct.decode.slots import Slots, cache_name
from qwen_struct.errors import ModelError

SCHEMAS = Path(__file__).parent.parent / "schemas"
SLIDING = {"use_sliding_window": True, "sliding_window": 7, "max_window_layers": 1}


def compiled_model(**settings: Any) -> Model:
    model = wrap_model(tiny_network(384, **settings), toy_tokenizer())
    return replace(model, compiled=CompiledPasses(model.network, cache_name(model.network)))


@pytest.fixture
def uncompiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", lambda function, **_: function)
    monkeypatch.setattr(compiled, "LEAST_CAPACITY", 16)


@pytest.mark.usefixtures("uncompiled")
@pytest.mark.parametrize("settings", [{}, SLIDING, {"attn_implementation": "eager"}], ids=["full", "sliding", "eager"])
@pytest.mark.parametrize("seed", range(3))
def test_compiled_passes_read_what_plain_ones_read(settings: dict[str, Any], seed: int) -> None:
    model, draw = compiled_model(**settings), random.Random(seed)
    ours, plain = Slots(model, 4), Slots(replace(model, compiled=None), 4)
    for length in (5, 31, 9):
        text = [draw.randrange(300) for _ in range(length)]
        for slots in (ours, plain):
            slots.read_prompt(slots.add(), text)
    for step in range(14):
        inputs = [[draw.randrange(300) for _ in range(draw.choice([1, 1, 3, 9]))] for _ in ours.lengths]
        wanted = [sorted(draw.sample(range(len(ids)), draw.randint(1, len(ids)))) for ids in inputs]
        torch.testing.assert_close(ours.read(inputs, wanted), plain.read(inputs, wanted), atol=1e-4, rtol=1e-4)
        row = draw.randrange(len(inputs))
        num = draw.randrange(len(inputs[row]) + 1)
        for slots in (ours, plain):
            slots.forget(row, num)
            if step == 6:
                slots.remove(0)
    assert ours.lengths == plain.lengths
    assert model.compiled is not None
    assert {rows for rows, _, _ in model.compiled.shapes} == {2, 4}
    assert all(width in compiled.WIDTHS for _, width, _ in model.compiled.shapes)


@pytest.mark.usefixtures("uncompiled")
def test_answers_are_the_same() -> None:
    texts = [(SCHEMAS / f"{name}.txt").read_text(encoding="utf-8") for name in ("invoice", "fapiao", "table")]
    schema = {"type": "object", "properties": {"number": {"type": "string"}, "lines": {"type": "array", "maxItems": 3}}}
    wanted = list(Extractor("mini").run_many(texts, schema, max_tokens=120))
    extractor = Extractor("mini", compile=True)
    assert [found.text for found in extractor.run_many(texts, schema, max_tokens=120)] == [w.text for w in wanted]
    passes = extractor.model.compiled
    assert passes is not None
    assert {rows for rows, _, _ in passes.shapes} <= {1, 2, 4}


@pytest.mark.usefixtures("uncompiled")
def test_a_loaded_network_is_compiled_too() -> None:
    extractor = Extractor((tiny_network(384), toy_tokenizer()), compile=True)
    extractor.extract("a text", {"enum": [1, 12, 123]})
    assert extractor.model.compiled is not None and extractor.model.compiled.shapes


def test_shapes_are_few() -> None:
    assert [width_for(n) for n in (1, 2, 4, 5, 16, 17, 64, 65)] == [1, 4, 4, 16, 16, 64, 64, None]
    assert [rows_for(n) for n in (1, 2, 3, 4, 5, 16)] == [1, 2, 4, 4, 8, 16]
    assert [capacity_for(n) for n in (1, 1024, 1025, 5000)] == [1024, 1024, 2048, 8192]


def test_without_a_compiler_it_is_refused_before_loading(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(ModelError, match=r"needs a C\+\+ compiler, such as g\+\+, to compile for cpu"):
        check_compiles(torch.device("cpu"))


@pytest.mark.skipif(not any(map(shutil.which, ("g++", "clang++"))), reason="no C++ compiler")
def test_a_compiled_pass() -> None:
    """The real thing, in one shape."""
    model = compiled_model()
    ours, plain = Slots(model), Slots(replace(model, compiled=None))
    for slots in (ours, plain):
        slots.read_prompt(slots.add(), [1, 2, 3])
    for ids in ([4], [5], [6, 7]):
        torch.testing.assert_close(ours.read([ids], [[0]]), plain.read([ids], [[0]]), atol=1e-4, rtol=1e-4)
    assert model.compiled is not None
    assert model.compiled.shapes == {(1, 1, 1025), (1, 4, 1025)}
