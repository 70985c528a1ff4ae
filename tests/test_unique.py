"""uniqueItems: equality is of values, and no item takes what a later one needs."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from qwen_struct.errors import UnsatisfiableSchemaError
from qwen_struct.language.documents import Documents
from qwen_struct.language.positions import Walker
from qwen_struct.language.texts import name_before, value_before
from qwen_struct.language.values import Values
from qwen_struct.language.witnesses import canonical, few, read
from qwen_struct.schema.parse import parse_schema


def walker(schema: Any) -> Walker:
    parsed = parse_schema({"type": "array", **schema})
    values = Values(parsed.algebra, any_order=True)
    if not values.inhabited(parsed.root):
        raise UnsatisfiableSchemaError("no value")
    return Walker(Documents(values, parsed.root))


def accepts(walker: Walker, text: str) -> bool:
    position = walker.follow(text.encode())
    return position is not None and position.accepting


@pytest.mark.parametrize(
    "text",
    [
        "[1, 1]", "[1, 2]", "[1, 1.0]", "[1, true]", "[0, false, null]", '["a", "a"]', '["a", "A"]', "[true, true]",
        '[{"a": 1, "b": 2}, {"b": 2, "a": 1}]', '[{"a": 1, "b": 2}, {"b": 2, "a": 2}]', "[[1], [1]]", "[[1], [1, 1]]",
        '[{"a": [1, 2]}, {"a": [1, 2.0]}]', "[0.1, 0.10000000000000000001]", "[0.1, 0.1000000000000001]", "[12, 1, 2]",
        "[1.5, 1.50]", '["\\\\", "\\""]', '["\\\\\\"", "\\\\\\""]', "[[], {}]", "[[], [[]], [[[]]]]", "[-1, 1, -1]",
        '[{"a]": "["}, {"a]": "["}]', '[{"a]": "["}, {"a]": "]"}]', "[123456789012345678901, 123456789012345678902]",
    ],
)  # fmt: skip
def test_free_items_are_compared_as_the_validator_does(text: str) -> None:
    free = walker({"uniqueItems": True})
    valid = jsonschema.Draft202012Validator({"uniqueItems": True}).is_valid(json.loads(text))
    assert accepts(free, text) == valid


def test_items_are_left_for_those_that_need_them() -> None:
    pair = {"prefixItems": [{"enum": ["a", "b"]}, {"enum": ["a"]}], "uniqueItems": True, "minItems": 2}
    assert walker(pair).follow(b'["a') is None
    assert accepts(walker(pair), '["b", "a"]')
    three = walker({"items": {"enum": ["a", "b", "c"]}, "uniqueItems": True, "minItems": 2})
    assert accepts(three, '["c", "a", "b"]') and not accepts(three, '["c"]')
    assert three.follow(b'["c", "a", "b",') is None
    chain = {"prefixItems": [{"enum": [1, 2]}, {"enum": [2, 3]}, {"enum": [3, 1]}, {"const": 1}], "uniqueItems": True}
    with pytest.raises(UnsatisfiableSchemaError):  # 2, 3 and 3 again: nothing is left for the third place
        walker({**chain, "minItems": 4})
    assert accepts(walker({**chain, "minItems": 3}), "[1, 2, 3]")


@pytest.mark.parametrize(
    ("items", "number"),
    [
        ({"enum": ["a", "b", 1, 1.0]}, 3),
        ({"type": "boolean"}, 2),
        ({"type": "integer", "minimum": 0, "maximum": 9}, 10),
        ({"multipleOf": 0.5, "minimum": 0, "maximum": 1, "type": "number"}, 3),
        ({"type": "array", "items": {"type": "boolean"}, "maxItems": 2, "uniqueItems": True}, 5),
        ({"type": "string", "pattern": "^[ab]{0,2}$"}, 7),
        ({"type": "object", "properties": {"a": {"const": 0}, "b": {"type": "boolean"}}, "maxProperties": 1,
          "additionalProperties": False}, 4),
    ],
)  # fmt: skip
def test_no_more_items_than_there_are_values(items: Any, number: int) -> None:
    walker({"items": items, "uniqueItems": True, "minItems": number})
    with pytest.raises(UnsatisfiableSchemaError):
        walker({"items": items, "uniqueItems": True, "minItems": number + 1})
    parsed = parse_schema(items)
    values = Values(parsed.algebra, any_order=True)
    listed = few(values, parsed.root, number)
    assert listed is not None and len({canonical(v) for v in listed}) == number
    assert few(values, parsed.root, number - 1) is None


def test_a_million_items_are_a_count() -> None:
    walker({"items": {"type": "string"}, "uniqueItems": True, "minItems": 1_000_000})


def test_values_are_found_by_reading_back() -> None:
    text = b'{"a": [1, {"b]": "x\\\\\\"[", "c": -1.5e3}, true, "}"]}'
    for value in (text, b'"}"', b"-12.5", b"[]", b"null", b'{"a": "\\\\"}'):
        for before in (b"", b"[", b"[1, ", b'{"k": '):
            assert read(value_before(before + value)) == read(value)
    assert name_before(b'{"a\\\\\\"b"') == 'a\\"b'


@pytest.mark.parametrize(
    "items",
    [
        {"enum": ["a", "b", 1, None, [1], {"a": 1}]},
        {"type": "integer", "minimum": 1, "maximum": 100},
        {"type": "string", "pattern": "^[ab]{0,5}$"},
        {"type": ["boolean", "array"], "items": {"type": "boolean"}, "maxItems": 4},
        {"type": "object", "properties": {"a": {"enum": list(range(30))}, "b": {"type": "boolean"}},
         "additionalProperties": False},
        {"anyOf": [{"type": "string"}, {"const": 1}]},
        {},
    ],
)  # fmt: skip
@pytest.mark.parametrize("left", [0, 1, 2, 5])
def test_few_values_are_counted_with_some_left_out(items: Any, left: int) -> None:
    parsed = parse_schema(items)
    values, a = Values(parsed.algebra), parsed.algebra
    every = few(values, parsed.root, 500)
    named = [1, "a", None, True, [True], {"a": 3}, "zz"] if every is None else every
    for number in {0, 1, 3, len(named) - left}:
        if not 0 <= number <= len(named):
            continue
        formula = a.all([parsed.root, a.negate(a.among(named[:number]))])
        for limit in {left, left + 1, 60, 70}:
            found = few(values, formula, limit)
            if every is None or len(every) - number > limit:
                assert found is None
            else:
                assert found is not None
                assert sorted(map(canonical, found)) == sorted(map(canonical, named[number:]))
