"""Where blanks may stand, in each style."""

from __future__ import annotations

import json

import pytest

from qwen_struct.language.documents import Documents, Whitespace
from qwen_struct.language.positions import Walker
from qwen_struct.language.values import Values
from qwen_struct.schema.parse import parse_schema

SCHEMA = {
    "type": "object",
    "properties": {"a": {"type": "array", "items": {"type": "integer"}, "uniqueItems": True}, "b": {"type": "object"}},
    "required": ["a"],
}
VALUE = {"a": [1, 2, 30], "b": {"x": [{}, [], {"y": None}]}}


def accepts(style: Whitespace, text: str) -> bool:
    parsed = parse_schema(SCHEMA)
    position = Walker(Documents(Values(parsed.algebra, any_order=True), parsed.root, style)).follow(text.encode())
    return position is not None and position.accepting


@pytest.mark.parametrize("style", list(Whitespace))
def test_each_style_writes_as_json_dumps_does(style: Whitespace) -> None:
    spellings = {
        Whitespace.SPACED: json.dumps(VALUE),
        Whitespace.COMPACT: json.dumps(VALUE, separators=(",", ":")),
        Whitespace.INDENTED: json.dumps(VALUE, indent=2),
    }
    for other, text in spellings.items():
        assert accepts(style, text) == (style in (other, Whitespace.FLEXIBLE)), (style, other)


@pytest.mark.parametrize(
    ("text", "accepted"),
    [
        (json.dumps(VALUE, indent=4), True),
        (json.dumps(VALUE, indent="\t"), True),
        (json.dumps(VALUE, indent=5), False),
        ('{ "a" : [ 1 , 2 ] }', True),
        ('{\n"a":\n[\n]\n}', True),
        ('{"a":  []}', False),
        ('{"a"\n:[]}', False),
        ('{"a":[\n\n]}', False),
        (' {"a":[]}', False),
        ('{"a":[]}\n', False),
        ('{"a":[1 2]}', False),
        ('{"a":[1 ,\n1]}', False),
        ('{"a":[1 ,\n11]}', True),
        ('{"a":[1, ]}', False),
    ],
)
def test_flexible_blanks_are_bounded(text: str, accepted: bool) -> None:
    assert accepts(Whitespace.FLEXIBLE, text) == accepted
