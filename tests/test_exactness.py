"""The engine against a validator on a finite universe: exactly the valid values, and no dead ends on the way.

A random schema is joined with an enum of a small universe of values. Then all documents can be listed: those of the
universe's values that ``jsonschema`` calls valid. The engine must accept exactly these, and a prefix must be viable
exactly when one of them starts with it.
"""

from __future__ import annotations

import itertools
import json
from random import Random
from typing import Any

import jsonschema
import pytest

from qwen_struct.errors import SchemaBudgetError
from qwen_struct.language.documents import Documents
from qwen_struct.language.positions import Position, Walker
from qwen_struct.language.values import Values
from qwen_struct.schema.parse import parse_schema

SCALARS: list[Any] = [None, True, False, 0, 1, -1, 2.5, 10, "", "a", "ab", "b", "日本"]
ARRAYS: list[Any] = [
    [], [1], ["a"], [1, "a"], [1, 1], ["a", "b", 0], [[]], [{}], [None, True], ["a", "a"], [1, True, 1], [[1, 1]],
    [{"a": 1, "b": 1}, {"b": 1, "a": 1}],
]  # fmt: skip
OBJECTS: list[Any] = [
    {}, {"a": 1}, {"a": "a"}, {"b": 1}, {"a": 1, "b": 1}, {"a": "b", "b": []}, {"a": 1, "c": 0}, {"ab": 2.5},
    {"c": None},
    {"a": {"a": 1}}, {"b": {"c": "a"}}, {"a": 0, "ab": 1, "b": "a"},
]  # fmt: skip
UNIVERSE: list[Any] = [*SCALARS, *ARRAYS, *OBJECTS]


class RandomSchema:
    """Random schemas whose keywords bite on the universe."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng

    def schema(self, depth: int = 3) -> Any:
        rng = self.rng
        if depth == 0 or rng.random() < 0.15:
            return rng.choice([True, {"type": "string"}, {"const": rng.choice(SCALARS)}, {"type": "number"}, False, {}])
        makers = [
            self.types, self.number, self.string, self.properties, self.objects, self.names, self.dependent, self.array,
            self.contains, self.logic, self.logic, self.condition, self.enum,
        ]  # fmt: skip
        result: dict[str, Any] = {}
        for make in rng.sample(makers, rng.choice([1, 1, 2, 2, 3])):
            result.update(make(depth - 1))
        return result

    def types(self, depth: int) -> dict:
        names = ["null", "boolean", "integer", "number", "string", "array", "object"]
        return {"type": self.rng.sample(names, self.rng.randint(1, 3))}

    def number(self, depth: int) -> dict:
        keyword = self.rng.choice(["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"])
        return {keyword: self.rng.choice([-1, 0, 1, 2.5])} if self.rng.random() < 0.7 else {"multipleOf": 2.5}

    def string(self, depth: int) -> dict:
        return self.rng.choice(
            [{"minLength": 1}, {"maxLength": 1}, {"pattern": "^a"}, {"pattern": "b$"}, {"minLength": 2}]
        )

    def properties(self, depth: int) -> dict:
        return {
            "properties": {
                k: self.schema(depth) for k in self.rng.sample(["a", "b", "c", "ab"], self.rng.randint(1, 3))
            }
        }

    def objects(self, depth: int) -> dict:
        return self.rng.choice(
            [
                {"required": [self.rng.choice("abc")]},
                {"minProperties": self.rng.randint(1, 2)},
                {"maxProperties": self.rng.randint(0, 2)},
                {"additionalProperties": self.schema(depth)},
                {"patternProperties": {"^a": self.schema(depth)}},
                {"patternProperties": {"b": self.schema(depth), "^a": self.schema(depth)}},
            ]
        )

    def names(self, depth: int) -> dict:
        return {
            "propertyNames": self.rng.choice(
                [{"pattern": "a"}, {"maxLength": 1}, {"enum": ["a", "c"]}, {"not": {"const": "b"}}]
            )
        }

    def dependent(self, depth: int) -> dict:
        if self.rng.random() < 0.5:
            return {"dependentRequired": {"a": ["b"]}}
        return {"dependentSchemas": {self.rng.choice("ab"): self.schema(depth)}}

    def array(self, depth: int) -> dict:
        return self.rng.choice(
            [
                {"items": self.schema(depth)},
                {"prefixItems": [self.schema(depth), self.schema(depth)]},
                {"prefixItems": [self.schema(depth)], "items": self.schema(depth)},
                {"minItems": self.rng.randint(1, 2)},
                {"maxItems": self.rng.randint(0, 2)},
                {"uniqueItems": True},
                {"uniqueItems": True, "minItems": 2},
            ]
        )

    def contains(self, depth: int) -> dict:
        result = {"contains": self.schema(depth)}
        if self.rng.random() < 0.5:
            result["minContains"] = self.rng.randint(0, 2)
        if self.rng.random() < 0.5:
            result["maxContains"] = self.rng.randint(0, 2)
        return result

    def logic(self, depth: int) -> dict:
        keyword = self.rng.choice(["allOf", "anyOf", "oneOf", "oneOf", "not"])
        if keyword == "not":
            return {"not": self.schema(depth)}
        return {keyword: [self.schema(depth) for _ in range(self.rng.randint(2, 3))]}

    def condition(self, depth: int) -> dict:
        return {"if": self.schema(depth), "then": self.schema(depth), "else": self.schema(depth)}

    def enum(self, depth: int) -> dict:
        return {"enum": self.rng.sample(UNIVERSE, 12)}


def spellings(value: Any) -> list[str]:
    """The canonical text of ``value`` with its members in every order."""
    if isinstance(value, dict):
        members = [[f"{json.dumps(k)}: {s}" for s in spellings(v)] for k, v in value.items()]
        orders = (p for chosen in itertools.product(*members) for p in itertools.permutations(chosen))
        return [f"{{{', '.join(p)}}}" for p in orders]
    if isinstance(value, list):
        return [f"[{', '.join(p)}]" for p in itertools.product(*map(spellings, value))]
    return [json.dumps(value, ensure_ascii=False)]


def viable_bytes(position: Position, text: bytes) -> set[int]:
    walker = position.walker
    return {byte for byte in range(256) if walker.follow(text + bytes([byte])) is not None}


@pytest.mark.parametrize("seed", range(0, 400, 20))
def test_accepts_exactly_what_the_validator_does(seed: int) -> None:
    for number in range(seed, seed + 20):
        rng = Random(number)
        schema = {"allOf": [RandomSchema(rng).schema(), {"enum": UNIVERSE}]}
        validator = jsonschema.Draft202012Validator(schema)
        valid = {text for value in UNIVERSE if validator.is_valid(value) for text in spellings(value)}
        parsed = parse_schema(schema)
        values = Values(parsed.algebra, any_order=True)
        assert values.inhabited(parsed.root) == bool(valid), schema
        if not valid:
            continue
        walker = Walker(Documents(values, parsed.root))
        for value in UNIVERSE:
            for text in spellings(value):
                position = walker.follow(text.encode())
                accepted = position is not None and position.accepting
                assert accepted == (text in valid), (number, schema, text)
        prefixes: dict[bytes, set[int]] = {}
        for text in valid:
            raw = text.encode()
            for i, byte in enumerate(raw):
                prefixes.setdefault(raw[:i], set()).add(byte)
        for prefix in rng.sample(sorted(prefixes), min(25, len(prefixes))):
            position = walker.follow(prefix)
            assert position is not None
            assert viable_bytes(position, prefix) == prefixes[prefix], (number, schema, prefix)


def test_no_value_and_no_end_of_work_are_told_apart() -> None:
    member = {"type": "object", "required": ["a"], "properties": {"a": {"$ref": "#/$defs/a"}}}
    endless = parse_schema({"$ref": "#/$defs/a", "$defs": {"a": member}})
    assert not Values(endless.algebra).inhabited(endless.root)  # a least fixpoint: infinite values do not count
    nested = parse_schema(
        {
            "type": "object",
            "required": ["a"],
            "properties": {"a": {"type": "array", "minItems": 1, "items": {"pattern": "a"}}},
        }
    )
    assert Values(nested.algebra).inhabited(nested.root)
    with pytest.raises(SchemaBudgetError, match="fuel"):
        Values(nested.algebra, fuel=1).inhabited(nested.root)
