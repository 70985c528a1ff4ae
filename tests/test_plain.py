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
from qwen_struct.language.lexemes import Lexeme, text
from qwen_struct.language.members import beside
from qwen_struct.language.names import NameTrie, OtherName
from qwen_struct.language.plain import surely_inhabited
from qwen_struct.language.texts import spelled
from qwen_struct.language.values import Values
from qwen_struct.schema.algebra import TYPES, Holds
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
    {"type": "object", "required": ["\ud800"]},
    {"type": "object", "required": ["a", "b"], "minProperties": 1, "maxProperties": 2},
    {"type": "object", "required": ["a", "b"], "minProperties": 3},
    {"type": "object", "required": ["a", "b"], "maxProperties": 1},
    {"type": "object", "required": ["a"], "additionalProperties": False},
    {"type": "object", "required": ["a"], "properties": {"a": {}}, "additionalProperties": False},
    {"type": "object", "required": ["a"], "properties": {"a": {"type": "string"}}, "patternProperties": {"a": False}},
    {"type": "object", "required": ["a"], "allOf": [{"properties": {"a": {"type": "string"}}},
     {"properties": {"a": {"type": "null"}}}]},
    {"type": "object", "required": ["a"], "allOf": [{"properties": {"a": {}}}, {"properties": {"a": {"minimum": 1}}}]},
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
    for formula in parsed.algebra.nodes():
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


def after(lexeme: Lexeme, step: bytes, at_once: bool) -> Lexeme | None:
    if at_once and lexeme.in_string:
        return lexeme.run(step, 0, len(step))
    state: Lexeme | None = lexeme
    for byte in step:
        state = None if state is None else state.move(byte)
    return state


@pytest.mark.parametrize("seed", range(30))
def test_other_names_are_read_as_the_language_without_the_declared_ones(seed: int) -> None:
    rng = Random(seed)
    names = tuple(dict.fromkeys("".join(rng.choices('ab"中😀\n', k=rng.randrange(5))) for _ in range(5)))
    pieces = (
        [spelled(name) for name in names] + [spelled(c) for c in 'abc"中😀\n\\x'] + [b"", b'"', b"\n", b"\xff", b"\\x"]
    )
    for _ in range(60):
        other: Lexeme | None = NameTrie(names).root.other()
        plain: Lexeme | None = text(beside(names))
        whole = b"".join(rng.choices(pieces, k=rng.randrange(1, 4)))
        read = b""
        while other is not None:
            assert plain is not None, read
            assert (other.quote, other.nullable) == (plain.quote, plain.nullable), read
            assert set(other.moves) == set(plain.moves), read
            if type(other) is OtherName:
                assert other.term is plain.targets()[0]
            if not whole:
                break
            cut = rng.randrange(1, len(whole) + 1)
            step, whole = whole[:cut], whole[cut:]
            read += step
            other, plain = after(other, step, rng.random() < 0.5), after(plain, step, False)
        else:
            assert plain is None, read
