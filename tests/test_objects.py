"""Objects against a validator on a finite universe: names and values are bounded by the schema, not listed by an enum.

Every spelling of every object of the universe is accepted exactly when the object is valid, in any order of members; in
the schema's order each valid object has a spelling that is. Every prefix that can be read leads to a valid object.
"""

from __future__ import annotations

import itertools
import json
from random import Random
from typing import Any

import jsonschema
import pytest

from qwen_struct.language.documents import Documents
from qwen_struct.language.positions import Walker
from qwen_struct.language.values import Values
from qwen_struct.schema.parse import parse_schema

NAMES = ["a", "b", "ab", "c"]
VALUES: list[Any] = [0, "x"]
BOUNDS = {
    "type": "object",
    "propertyNames": {"enum": NAMES},
    "patternProperties": {"": {"enum": VALUES}},
    "maxProperties": 3,
}
UNIVERSE = [
    dict(zip(names, values, strict=True))
    for size in range(4)
    for names in itertools.permutations(NAMES, size)
    for values in itertools.product(VALUES, repeat=size)
]


class RandomObjects:
    """Random schemas about objects of the universe."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng

    def schema(self, depth: int = 3) -> Any:
        rng = self.rng
        makers = [self.properties, self.required, self.counts, self.patterns, self.names, self.dependent]
        if depth:
            makers += [self.logic, self.logic, self.logic, self.condition, self.unevaluated]
        found: dict[str, Any] = {}
        for make in rng.sample(makers, rng.choice([1, 1, 2, 3])):
            found.update(make(depth - 1))
        return found

    def value(self) -> Any:
        return self.rng.choice([True, False, {"const": 0}, {"type": "string"}, {"not": {"const": "x"}}])

    def properties(self, depth: int) -> dict[str, Any]:
        found = {"properties": {name: self.value() for name in self.rng.sample(NAMES, self.rng.randint(1, 3))}}
        return found | ({"additionalProperties": self.value()} if self.rng.random() < 0.3 else {})

    def required(self, depth: int) -> dict[str, Any]:
        return {"required": self.rng.sample(NAMES, self.rng.randint(1, 2))}

    def counts(self, depth: int) -> dict[str, Any]:
        return self.rng.choice([{"minProperties": 1}, {"minProperties": 2}, {"minProperties": 3}, {"maxProperties": 1}])

    def patterns(self, depth: int) -> dict[str, Any]:
        return {"patternProperties": {self.rng.choice(["a", "b", "^b", "c$"]): self.value()}}

    def names(self, depth: int) -> dict[str, Any]:
        return {"propertyNames": self.rng.choice([{"pattern": "a|c"}, {"not": {"const": "b"}}, {"maxLength": 1}])}

    def dependent(self, depth: int) -> dict[str, Any]:
        name, other = self.rng.sample(NAMES, 2)
        if depth > 0 and self.rng.random() < 0.5:
            return {"dependentSchemas": {name: self.schema(0)}}
        return {"dependentRequired": {name: [other]}}

    def logic(self, depth: int) -> dict[str, Any]:
        keyword = self.rng.choice(["allOf", "anyOf", "oneOf", "oneOf", "not", "not"])
        if keyword == "not":
            return {"not": self.schema(depth)}
        return {keyword: [self.schema(depth) for _ in range(self.rng.randint(2, 3))]}

    def condition(self, depth: int) -> dict[str, Any]:
        return {"if": self.schema(0), "then": self.schema(0), "else": self.schema(depth)}

    def unevaluated(self, depth: int) -> dict[str, Any]:
        return {"anyOf": [self.schema(0), self.schema(0)], "unevaluatedProperties": self.value()}


@pytest.mark.parametrize("any_order", [False, True])
@pytest.mark.parametrize("start", range(0, 100, 20))
def test_accepts_exactly_the_valid_objects(start: int, any_order: bool) -> None:
    for seed in range(start, start + 20):
        check({"allOf": [RandomObjects(Random(seed)).schema(), BOUNDS]}, any_order)


def check(schema: Any, any_order: bool) -> None:
    validator = jsonschema.Draft202012Validator(schema)
    valid = [value for value in UNIVERSE if validator.is_valid(value)]
    parsed = parse_schema(schema)
    values = Values(parsed.algebra, any_order=any_order)
    assert values.inhabited(parsed.root) == bool(valid), schema
    if not valid:
        return
    walker = Walker(Documents(values, parsed.root))
    accepted = {json.dumps(value) for value in UNIVERSE if accepts(walker, json.dumps(value))}
    if any_order:
        assert accepted == {json.dumps(value) for value in valid}, schema
    else:
        spelled = {json.dumps(json.loads(text), sort_keys=True) for text in accepted}
        assert spelled == {json.dumps(value, sort_keys=True) for value in valid}, schema
    prefixes = {text.encode()[:end] for text in accepted for end in range(len(text) + 1)}
    for prefix in prefixes:
        position = walker.follow(prefix)
        assert position is not None
        for byte in b'{}[]:, "abcx0':
            longer = prefix + bytes([byte])
            after, _ = position.step(byte, lambda longer=longer: longer)
            assert (after is not None) == (longer in prefixes), (schema, longer)


def accepts(walker: Walker, text: str) -> bool:
    position = walker.follow(text.encode())
    return position is not None and position.accepting
