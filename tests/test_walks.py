"""Random walks at Qwen2.5's real vocabulary: whatever a model's logits are, a finished output is valid.

Every step checks that the mask is not empty and that the drawn token is accepted; every finished text is parsed by
``json`` and judged by ``jsonschema`` (and by Pydantic, for the shipped schemas). ``QWEN_STRUCT_WALKS=2000`` in the
environment walks as many MaskBench schemas instead of 300.
"""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from random import Random
from typing import Any

import jsonschema
import pytest
from conftest import ROOT, SHARED
from test_schemas import NAMES
from walks import random_walk

from qwen_struct.constraint import Vocabulary, compile_schema
from qwen_struct.errors import SchemaError
from qwen_struct.schema.inputs import load_schema

NUM_MASKBENCH = int(os.environ.get("QWEN_STRUCT_WALKS", "300"))
HIDDEN = {"_uniqueItems": "uniqueItems", "_format": "format"}  # keywords that MaskBench keeps from the engines


@pytest.fixture(scope="module")
def vocabulary(qwen_tokenizer_path: Path) -> Vocabulary:
    return Vocabulary.from_tokenizer(qwen_tokenizer_path, n_vocab=152_064, eos_token_ids=[151_645])


def maskbench() -> list[dict[str, Any]]:
    path = SHARED / "maskbench" / "dev.jsonl.gz"
    if not path.exists():
        pytest.skip(f"MaskBench is not at {path}")
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def restored(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {HIDDEN.get(key, key): restored(value) for key, value in schema.items()}
    return [restored(item) for item in schema] if isinstance(schema, list) else schema


def judge(schema: Any, text: str) -> list[str]:
    kind = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
    return [error.message for error in kind(schema, format_checker=kind.FORMAT_CHECKER).iter_errors(json.loads(text))]


@pytest.mark.parametrize("stem", NAMES)
@pytest.mark.parametrize("key_order", ["schema", "any"])
def test_shipped_schemas(vocabulary: Vocabulary, stem: str, key_order: str) -> None:
    schema = load_schema(f"{ROOT / 'schemas' / stem}.py:{NAMES[stem]}")
    grammar = compile_schema(schema.constraint_schema, vocabulary, key_order=key_order)
    finished = 0
    for seed in range(8):
        text = random_walk(grammar, Random(seed), num_free=5 * seed)
        if text is not None:
            finished += 1
            assert judge(schema.json_schema, text) == [], text
            schema.to_python(text)  # raises where Pydantic does not take it
    assert finished >= 6


def test_maskbench_schemas(vocabulary: Vocabulary) -> None:
    rows = maskbench()
    finished = compiled = 0
    for row in rows[:: max(1, int(len(rows) / NUM_MASKBENCH / 1.05))]:
        if compiled == NUM_MASKBENCH:
            break
        schema = restored(row["schema"])
        try:
            grammar = compile_schema(schema, vocabulary, key_order=("schema", "any")[compiled % 4 == 0])
        except SchemaError:
            continue
        compiled += 1
        text = random_walk(grammar, Random(row["id"]), num_free=15, limit=600)
        if text is not None:
            finished += 1
            assert judge(schema, text) == [], (row["id"], text)
    assert compiled == NUM_MASKBENCH
    assert finished > 0.8 * compiled  # in any order, a walk can go from one undeclared member to the next for long
