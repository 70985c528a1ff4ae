"""What is plain to see of formulas and names, against what a search and a list say."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from random import Random
from typing import Any

import pytest
from test_masks import SCHEMAS

from qwen_struct.errors import SchemaBudgetError
from qwen_struct.language.names import NameTrie
from qwen_struct.language.plain import surely_inhabited
from qwen_struct.language.texts import spelled
from qwen_struct.language.values import Values
from qwen_struct.schema.algebra import TYPES, Expr, Holds
from qwen_struct.schema.parse import parse_schema

OTHERS: list[Any] = [
    {"enum": []},
    {"enum": ["\ud800"]},
    {"enum": ["\ud800", "a"]},
    {"type": "string", "minLength": 3, "maxLength": 2},
    {"type": "integer", "minimum": 2.1, "maximum": 2.9},
    {"type": "array", "minItems": 1, "items": False},
    {"type": "array", "items": False},
    {"type": "array", "contains": False},
    {"type": "array", "contains": False, "minContains": 0},
    {"type": "object", "required": ["a"], "properties": {"a": False}},
    {"type": "object", "properties": {"a": False}, "maxProperties": 0},
    {"$defs": {"a": {"type": "object", "required": ["a"], "properties": {"a": {"$ref": "#/$defs/a"}}}},
     "$ref": "#/$defs/a"},
    {"$defs": {"a": {"anyOf": [{"$ref": "#/$defs/b"}, {"type": "null"}]}, "b": {"type": "array", "minItems": 1,
     "items": {"$ref": "#/$defs/a"}}}, "$ref": "#/$defs/b"},
    {"type": ["string", "array"], "not": {"type": "array"}, "pattern": "a^"},
]  # fmt: skip


def check(schema: Any) -> int:
    """How many of the formulas in ``schema`` are plain to see."""
    parsed = parse_schema(schema)
    values, found = Values(parsed.algebra), 0
    for formula in list(parsed.algebra._nodes.values()):
        assert isinstance(formula, Expr)
        if type(formula) is not Holds and surely_inhabited(formula):
            found += 1
            try:
                assert any(values.has_value(formula, kind) for kind in TYPES), formula
            except SchemaBudgetError:
                continue
    return found


@pytest.mark.parametrize("number", range(len(SCHEMAS) + len(OTHERS)))
def test_what_surely_has_a_value_has_one(number: int) -> None:
    check([*SCHEMAS, *OTHERS][number])


def test_what_surely_has_a_value_has_one_in_maskbench(qwen_tokenizer_path: Path) -> None:
    path = qwen_tokenizer_path.parent / "maskbench" / "dev.jsonl.gz"
    with gzip.open(path, "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for _, line in zip(range(150), file, strict=False)]
    assert sum(check(row["schema"]) for row in rows) > 1_000


@pytest.mark.parametrize("seed", range(30))
def test_names_are_followed_as_a_list_says(seed: int) -> None:
    rng = Random(seed)
    names = tuple(
        dict.fromkeys("".join(rng.choices('ab"中\\', k=rng.randrange(6))) for _ in range(rng.choice([1, 3, 12])))
    )
    spellings = {spelled(name): index for index, name in enumerate(names)}
    for start in {name[:n] for name in spellings for n in range(len(name) + 1)} | {b"x", b"ax"}:
        below = {name: index for name, index in spellings.items() if name.startswith(start)}
        cut = rng.randrange(len(start) + 1)  # read in two pieces
        middle = NameTrie(names).root.after(start[:cut])
        node = None if middle is None else middle.after(start[cut:])
        if not below:
            assert node is None
            continue
        assert node is not None and node.depth == len(start)
        assert node.indices == sorted(below.values()) and node.bits == sum(1 << index for index in below.values())
        assert sorted(node.names) == sorted((name[len(start) :], index) for name, index in below.items())
        assert node.index == spellings.get(start)
        assert set(node.next_bytes) == {name[len(start)] for name in below if name != start}
        assert [byte for byte, _ in node.children] == sorted(node.next_bytes)
        assert node.begins(b'"') == (start in spellings or 0x22 in node.next_bytes) and not node.begins(b"x")
