"""Schemas made to be hard: each ends in a grammar or in an error of its kind, within a budget of time and memory.

The same holds while decoding: what the fuel does not suffice for is left out, and something is always left.
"""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from random import Random
from time import process_time
from typing import Any

import jsonschema
import pytest

from qwen_struct.constraint import Vocabulary, allocate_token_bitmask, allowed_tokens, compile_schema
from qwen_struct.errors import SchemaBudgetError, SchemaError, UnresolvableReferenceError, UnsatisfiableSchemaError
from qwen_struct.language.documents import Documents
from qwen_struct.language.positions import Walker
from qwen_struct.language.values import Values
from qwen_struct.schema.parse import parse_schema

FUEL = 40_000
SECONDS = 6.0  # of one processor, for compiling and for a walk; the slowest case takes a quarter of it
MEGABYTES = 100


def nested(depth: int, wrap: Callable[[Any], Any], leaf: Any) -> Any:
    for _ in range(depth):
        leaf = wrap(leaf)
    return leaf


def clauses(num_names: int, num_clauses: int, seed: int) -> dict[str, Any]:
    """Random clauses of three literals over the presence of members."""
    rng = Random(seed)
    found = []
    for _ in range(num_clauses):
        literals = [{"required": [f"v{v}"]} for v in rng.sample(range(num_names), 3)]
        found.append({"anyOf": [one if rng.random() < 0.5 else {"not": one} for one in literals]})
    return {"type": "object", "allOf": found}


def pigeons(number: int) -> dict[str, Any]:
    """More pigeons than holes: no object will do, and resolution proofs of that are exponential."""
    homes = [{"anyOf": [{"required": [f"x{i}_{j}"]} for j in range(number - 1)]} for i in range(number)]
    apart = [
        {"not": {"required": [f"x{i}_{j}", f"x{k}_{j}"]}}
        for j in range(number - 1)
        for i in range(number)
        for k in range(i)
    ]
    return {"type": "object", "allOf": homes + apart}


def branch(i: int) -> dict[str, Any]:
    return {"type": "object", "properties": {f"p{j}": {"type": "integer", "minimum": i * j % 7} for j in range(10)}}


def closed(schema: dict[str, Any], letter: str, num_names: int) -> dict[str, Any]:
    return schema | {"properties": {f"{letter}{i}": {} for i in range(num_names)}, "additionalProperties": False}


CONDITIONS = [
    {
        "if": {"properties": {f"p{i}": {"const": 1}}, "required": [f"p{i}"]},
        "then": {"required": [f"p{(i + 1) % 30}"], "properties": {f"p{(i + 7) % 30}": {"type": "integer"}}},
        "else": {"properties": {f"p{(i + 3) % 30}": {"type": ["integer", "string"]}}},
    }
    for i in range(30)
]
ALTERNATING = [
    {"if": {"required": [f"p{i}"]}, "then": {"not": {"required": [f"p{i + 1}"]}}, "else": {"required": [f"p{i + 1}"]}}
    for i in range(30)
]

SCHEMAS: dict[str, tuple[Any, type[SchemaError] | None]] = {
    "allOf of anyOf, 4 ** 20 combinations": (
        {
            "type": "object",
            "allOf": [
                {"anyOf": [{"required": [f"a{i}_{j}"], "properties": {f"a{i}_{j}": {"minimum": j}}} for j in range(4)]}
                for i in range(20)
            ],
        },
        None,
    ),
    "allOf of oneOf": (
        {
            "type": "object",
            "allOf": [
                {
                    "oneOf": [
                        {
                            "properties": {f"p{(i * 3 + j) % 17}": {"multipleOf": j + 2}},
                            "required": [f"p{(i + j) % 17}"],
                        }
                        for j in range(6)
                    ]
                }
                for i in range(12)
            ],
        },
        SchemaBudgetError,
    ),
    "oneOf of 40 that overlap": ({"oneOf": [branch(i) for i in range(40)]}, UnsatisfiableSchemaError),
    "oneOf of 300 with a tag": (
        {
            "oneOf": [
                {"type": "object", "properties": {"k": {"const": f"k{i}"}, "v": {"minimum": i}}, "required": ["k"]}
                for i in range(300)
            ]
        },
        None,
    ),
    "oneOf in oneOf": (
        nested(8, lambda s: {"oneOf": [{"properties": {name: s}} for name in "xyz"]}, {"type": "integer"}),
        None,
    ),
    "anyOf in anyOf": (
        nested(
            10,
            lambda s: {"anyOf": [s, {"type": "array", "items": s}, {"type": "object", "additionalProperties": s}]},
            {"type": "integer"},
        ),
        None,
    ),
    "not of oneOf": (
        nested(
            6,
            lambda s: {"not": {"oneOf": [s, {"properties": {"a": s}}, {"required": ["b"]}]}},
            {"type": "object", "required": ["c"]},
        ),
        None,
    ),
    "allOf, 10,000 deep": (nested(10_000, lambda s: {"allOf": [s]}, {}), SchemaBudgetError),
    "properties, 10,000 deep": (nested(10_000, lambda s: {"properties": {"a": s}}, {}), SchemaBudgetError),
    "items, 10,000 deep": (nested(10_000, lambda s: {"items": s}, {}), SchemaBudgetError),
    "allOf, 190 deep": (nested(190, lambda s: {"allOf": [s, {"minimum": 1}]}, {"type": "integer"}), None),
    "properties, 190 deep": (
        nested(190, lambda s: {"type": "object", "properties": {"a": s}, "required": ["a"]}, {"type": "integer"}),
        None,
    ),
    "items, 190 deep": (nested(190, lambda s: {"type": "array", "items": s, "minItems": 1}, {"type": "null"}), None),
    "not, 150 deep": (nested(150, lambda s: {"not": s}, {"type": "integer"}), None),
    "3,000 references in a row": (
        {
            "$ref": "#/$defs/d0",
            "$defs": {f"d{i}": {"properties": {"n": {"$ref": f"#/$defs/d{(i + 1) % 3000}"}}} for i in range(3000)},
        },
        None,
    ),
    "3,000 references in a row, each required": (
        {
            "$ref": "#/$defs/d0",
            "$defs": {
                f"d{i}": {
                    "type": "object",
                    "properties": {"n": {"$ref": f"#/$defs/d{(i + 1) % 3000}"}},
                    "required": ["n"],
                }
                for i in range(3000)
            },
        },
        SchemaBudgetError,
    ),
    "20,000 properties": (
        {
            "type": "object",
            "properties": {f"property_{i}": {"type": "string"} for i in range(20_000)},
            "additionalProperties": False,
        },
        None,
    ),
    "10,000 properties, half of them required": (
        {
            "type": "object",
            "properties": {f"property_{i}": {"type": "string"} for i in range(10_000)},
            "required": [f"property_{i}" for i in range(0, 10_000, 2)],
        },
        None,
    ),
    "oneOf of two large objects": (
        {
            "oneOf": [
                {"type": "object", "properties": {f"p{i}": {"type": "integer"} for i in range(2000)}},
                {"type": "object", "properties": {f"p{i}": {"type": "integer", "minimum": 0} for i in range(2000)}},
            ]
        },
        None,
    ),
    "enum of 200,000 strings": ({"enum": [f"value-{i}" for i in range(200_000)]}, None),
    "circle of allOf": ({"allOf": [{"$ref": "#"}]}, UnresolvableReferenceError),
    "circle of anyOf": ({"anyOf": [{"$ref": "#"}, {"type": "integer"}]}, UnresolvableReferenceError),
    "circle of not": ({"not": {"$ref": "#"}}, UnresolvableReferenceError),
    "endless value": (
        {"properties": {"a": {"$ref": "#"}}, "required": ["a"], "type": "object"},
        UnsatisfiableSchemaError,
    ),
    "minProperties": ({"type": "object", "minProperties": 10**9}, None),
    "minProperties, too few names": (
        {"type": "object", "minProperties": 10**6, "propertyNames": {"pattern": "^[a-z]{3}$"}},
        UnsatisfiableSchemaError,
    ),
    "minItems": ({"type": "array", "minItems": 10**9, "items": {"type": "integer"}}, None),
    "maxLength": ({"type": "string", "minLength": 10**8, "maxLength": 10**9, "pattern": "^[a-z]+$"}, None),
    "conditions on 30 properties": ({"type": "object", "allOf": CONDITIONS}, None),
    "each property or the next": ({"type": "object", "allOf": ALTERNATING}, None),
    "clauses": (clauses(30, 126, 3), None),
    "pigeons": (pigeons(9), SchemaBudgetError),
    "circle of dependentSchemas": (
        {
            "type": "object",
            "dependentSchemas": {
                f"p{i}": {"required": [f"p{(i + 1) % 25}"], "properties": {f"p{(i + 5) % 25}": {"minimum": i}}}
                for i in range(25)
            },
        },
        None,
    ),
    "overlapping patternProperties": (
        {
            "type": "object",
            "patternProperties": {f"^.{{{i}}}a": {"type": ["string", "integer"], "minLength": i} for i in range(14)},
            "minProperties": 3,
        },
        SchemaBudgetError,
    ),
    "unevaluatedProperties beside 40 branches": (
        {
            "type": "object",
            "anyOf": [{"properties": {f"p{i}": {"type": "integer"}}, "required": [f"p{i}"]} for i in range(40)],
            "unevaluatedProperties": False,
        },
        None,
    ),
    "patterns that must all match": (
        {"type": "string", "allOf": [{"pattern": f"a.{{{i}}}b"} for i in range(10, 40)]},
        None,
    ),
    "patterns that must not match": (
        {
            "type": "string",
            "minLength": 100,
            "pattern": "^[abc]*$",
            "allOf": [{"not": {"pattern": f"(a|b).{{{i}}}(c|a)"}} for i in range(10, 40)],
        },
        None,
    ),
    "items, contains and maxItems": (
        {
            "type": "array",
            "allOf": [
                {"anyOf": [{"items": {"multipleOf": k + 2}}, {"contains": {"const": k}}, {"maxItems": k}]}
                for k in range(10)
            ],
        },
        None,
    ),
    "enum of 300 objects": ({"enum": [{"a": i, "b": {"c": [i]}} for i in range(300)]}, None),
    "not an enum of objects": ({"type": "object", "not": {"enum": [{"a": i, "b": [i]} for i in range(300)]}}, None),
}


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    return Vocabulary([bytes([b]) for b in range(256)], n_vocab=300, eos_token_ids=[256])


@pytest.mark.parametrize("name", SCHEMAS)
def test_ends_in_a_grammar_or_an_error(vocabulary: Vocabulary, name: str) -> None:
    schema, error = SCHEMAS[name]
    start = process_time()
    if error is not None:
        with pytest.raises(error):
            compile_schema(schema, vocabulary, fuel=FUEL)
    else:
        grammar = compile_schema(schema, vocabulary, fuel=FUEL)
        matcher, bitmask, rng = grammar.matcher(), allocate_token_bitmask(1, 300), Random(0)
        for _ in range(40):
            matcher.fill_next_token_bitmask(bitmask)
            tokens = allowed_tokens(bitmask[0])
            assert tokens, matcher.text
            assert matcher.accept_token(rng.choice(tokens))
            if matcher.is_finished():
                break
    assert process_time() - start < SECONDS


def test_memory_is_bounded(vocabulary: Vocabulary) -> None:
    schema = {"type": "object", "properties": {f"p{i}": {"type": "string"} for i in range(2_000)}, "required": ["p9"]}
    tracemalloc.start()
    try:
        grammar = compile_schema(schema, vocabulary)
        assert grammar.accepts(json.dumps({f"p{i}": "" for i in range(200)}))
        assert tracemalloc.get_traced_memory()[1] < MEGABYTES << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("any_order", [False, True])
@pytest.mark.parametrize("name", ["3-clauses", "conditions", "oneOf", "contains", "strings"])
def test_out_of_fuel_while_decoding(name: str, any_order: bool) -> None:
    """With hardly any fuel once decoding has begun, texts are still completed, and valid."""
    schema = {
        "3-clauses": closed(clauses(12, 40, 1), "v", 12),
        "conditions": {"type": "object", "allOf": CONDITIONS},
        "oneOf": closed({"oneOf": [branch(i) | {"required": [f"p{i}"]} for i in range(6)]}, "p", 10),
        "contains": {
            "type": "array",
            "contains": {"enum": [1, 2]},
            "minContains": 3,
            "maxItems": 6,
            "items": {"anyOf": [{"multipleOf": 3}, {"const": 1}, {"type": "object", "minProperties": 2}]},
        },
        "strings": {"type": "string", "allOf": [{"pattern": f"a.{{{i}}}b"} for i in range(3, 7)], "maxLength": 30},
    }[name]
    parsed = parse_schema(schema)
    values = Values(parsed.algebra, any_order=any_order)
    assert values.inhabited(parsed.root)
    walker = Walker(Documents(values, parsed.root))
    values._fuel = 640
    finished = 0
    for seed in range(6):
        text = walk(walker, Random(seed))
        if text is not None:
            finished += 1
            assert jsonschema.Draft202012Validator(schema).is_valid(json.loads(text)), text
    assert finished


def walk(walker: Walker, rng: Random, num_free: int = 20) -> bytes | None:
    """A random document: anything at first, then what closes it soonest; None if that takes too long."""
    position, text = walker.start, bytearray()
    while len(text) < 2_000:
        following = []
        for byte in range(256):
            after, _ = position.step(byte, lambda byte=byte: bytes([*text, byte]))  # type: ignore[misc]
            if after is not None:
                following.append((byte, after))
        if position.accepting and (len(text) > num_free or not following):
            return bytes(text)
        assert following, bytes(text)
        closing = [pair for pair in following if pair[0] in b'"}],:0']
        byte, position = rng.choice(closing if closing and len(text) > num_free else following)
        text.append(byte)
    return None
