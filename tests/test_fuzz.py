"""Schemas and instances that nobody thought of: hypothesis makes them, jsonschema judges them.

What once went wrong is kept in tests/data/fuzz_cases.json and tried again on every run.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from random import Random
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis_jsonschema import from_schema

from qwen_struct.errors import SchemaBudgetError, UnsatisfiableSchemaError
from qwen_struct.language.documents import Documents
from qwen_struct.language.positions import Position, Walker
from qwen_struct.language.values import Values
from qwen_struct.schema.parse import parse_schema

CASES = json.loads((Path(__file__).parent / "data" / "fuzz_cases.json").read_text(encoding="utf-8"))
NAMES = st.sampled_from(["a", "b", "ab", "名", 'q"', ""])
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-20, 20), st.sampled_from([0.5, -2.25, 10.0, 1e3]), st.text(max_size=3)
)
VALUES = st.recursive(SCALARS, lambda v: st.lists(v, max_size=2) | st.dictionaries(NAMES, v, max_size=2), max_leaves=4)


def _keywords(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict]:
    counts = st.integers(0, 3)
    types = ["null", "boolean", "integer", "number", "string", "array", "object"]
    return st.fixed_dictionaries(
        {},
        optional={
            "type": st.sampled_from(types) | st.lists(st.sampled_from(types), min_size=1, max_size=3, unique=True),
            "enum": st.lists(VALUES, min_size=1, max_size=4),
            "const": VALUES,
            "minimum": st.integers(-5, 5),
            "exclusiveMaximum": st.sampled_from([-1, 0.5, 7, 12.25]),
            "multipleOf": st.sampled_from([1, 2, 3, 0.25]),
            "minLength": counts,
            "maxLength": st.integers(1, 4),
            "pattern": st.sampled_from(["^a", "b$", "[0-9]", "^(?!a)", "a.b", "^[^b]*$"]),
            "items": inner,
            "prefixItems": st.lists(inner, min_size=1, max_size=2),
            "minItems": counts,
            "maxItems": counts,
            "uniqueItems": st.booleans(),
            "contains": inner,
            "properties": st.dictionaries(NAMES, inner, max_size=3),
            "required": st.lists(NAMES, max_size=2, unique=True),
            "additionalProperties": inner,
            "patternProperties": st.dictionaries(st.sampled_from(["^a", "b"]), inner, max_size=2),
            "propertyNames": st.sampled_from([{"maxLength": 1}, {"pattern": "a"}, {"not": {"const": "b"}}]),
            "minProperties": counts,
            "maxProperties": counts,
            "not": inner,
            "anyOf": st.lists(inner, min_size=1, max_size=3),
            "allOf": st.lists(inner, min_size=1, max_size=2),
            "oneOf": st.lists(inner, min_size=1, max_size=3),
            "if": inner,
            "then": inner,
            "else": inner,
            "unevaluatedProperties": st.booleans(),
            "unevaluatedItems": st.booleans(),
            "dependentRequired": st.dictionaries(NAMES, st.lists(NAMES, max_size=2, unique=True), max_size=2),
        },
    ).map(lambda schema: dict(list(schema.items())[:4]))


SCHEMAS = st.recursive(st.booleans() | _keywords(st.booleans()), _keywords, max_leaves=6)


def walker_of(schema: Any) -> Walker:
    parsed = parse_schema(schema, float_integers=True)
    values = Values(parsed.algebra, any_order=True)
    values.check_strings(parsed.strings, parsed.key_patterns)
    if not values.inhabited(parsed.root):
        raise UnsatisfiableSchemaError("no value satisfies the schema")
    return Walker(Documents(values, parsed.root))


def accepts(walker: Walker, text: str) -> bool:
    position = walker.follow(text.encode())
    return position is not None and position.accepting


def is_valid(schema: Any, value: Any) -> bool:
    return jsonschema.Draft202012Validator(schema).is_valid(value)


def finished(walker: Walker, rng: Random, limit: int = 400) -> str | None:
    """A document reached by random bytes; None when ``limit`` of them did not finish it. Fails in a dead end."""
    text = bytearray()
    while len(text) < limit:
        position = walker.follow(text)
        assert position is not None
        following = [byte for byte in range(256) if _leads_on(position, text, byte)]
        if position.accepting and (not following or rng.random() < 0.3):
            return text.decode()
        assert following or position.accepting, f"dead end after {bytes(text)!r}"
        closing = [byte for byte in following if byte in b'"]}']
        text.append(rng.choice(closing if closing and rng.random() < 0.4 else following))
    return None


def _leads_on(position: Position, text: bytearray, byte: int) -> bool:
    following, _ = position.step(byte, lambda: text + bytes([byte]))
    return following is not None


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["why"])
def test_cases_found_before(case: dict) -> None:
    schema = case["schema"]
    if case.get("unsatisfiable"):
        with pytest.raises(UnsatisfiableSchemaError):
            walker_of(schema)
        return
    walker = walker_of(schema)
    for value in case["values"]:
        assert accepts(walker, json.dumps(value, ensure_ascii=False)) == is_valid(schema, value), value


@settings(max_examples=300, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(schema=SCHEMAS, values=st.lists(VALUES, min_size=3, max_size=8), seed=st.integers(0, 1 << 30))
def test_random_schemas(schema: Any, values: list[Any], seed: int) -> None:
    try:
        walker = walker_of(schema)
    except UnsatisfiableSchemaError:
        assert not any(is_valid(schema, value) for value in values)
        return
    except SchemaBudgetError:
        return
    for value in values:
        assert accepts(walker, json.dumps(value, ensure_ascii=False)) == is_valid(schema, value), value
    text = finished(walker, Random(seed))
    if text is not None:
        assert is_valid(schema, json.loads(text)), text


@settings(max_examples=120, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(data=st.data(), schema=SCHEMAS)
def test_instances_made_for_the_schema_are_accepted(data: st.DataObject, schema: Any) -> None:
    try:
        walker = walker_of(schema)
    except (UnsatisfiableSchemaError, SchemaBudgetError):
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        value = data.draw(from_schema(schema))
    text = json.dumps(value, ensure_ascii=False)
    if "e-" in text or "e+" in text or not is_valid(schema, value):
        return  # exponents are written only where nothing is asked of the number
    assert accepts(walker, text), text
