"""The official JSON Schema test suite, byte by byte, through the automaton that masks are made of.

An instance is tried as ``json.dumps`` writes it, members in any order and integers with a fraction of zeros.
"""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from conftest import SHARED

from qwen_struct.errors import SchemaError
from qwen_struct.language.documents import Documents
from qwen_struct.language.positions import Walker
from qwen_struct.language.values import Values
from qwen_struct.schema.parse import parse_schema

SUITE = SHARED / "json-schema-test-suite"
BASE = "http://localhost:1234/"
FILES = ["draft2020-12", "draft7", "draft2020-12-format", "draft7-format"]
#: Tried in test_formats.py without liveness, which takes minutes for labels from right to left: 0 is right, 1 is not,
#: since whether the Punycode of 52 Greek letters fits into 63 characters is not regular.
ELSEWHERE = ("optional.format.idn-hostname#0", "optional.format.idn-hostname#1")


def retrieve(uri: str) -> Any:
    if not uri.startswith(BASE):
        raise LookupError(uri)
    return json.loads((SUITE / "remotes" / uri.removeprefix(BASE)).read_text(encoding="utf-8"))


def groups(name: str) -> list[dict[str, Any]]:
    path = SUITE / f"{name}.jsonl.gz"
    if not path.exists():
        pytest.skip(f"the official test suite is not at {SUITE}")
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def walker_of(schema: Any, assert_formats: bool) -> Walker | None:
    """None when no value satisfies the schema."""
    parsed = parse_schema(schema, assert_formats=assert_formats, retrieve=retrieve, float_integers=True)
    values = Values(parsed.algebra, any_order=True)
    values.check_strings(parsed.strings, parsed.key_patterns)
    return Walker(Documents(values, parsed.root)) if values.inhabited(parsed.root) else None


def accepts(walker: Walker | None, value: Any) -> bool:
    try:
        text = json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:  # a lone surrogate is no JSON text
        return False
    position = None if walker is None else walker.follow(text)
    return position is not None and position.accepting


@pytest.mark.parametrize("name", FILES)
def test_every_group_is_wholly_right(name: str) -> None:
    wrong: dict[str, list[str]] = {}
    for group in groups(name):
        if group["id"].endswith(ELSEWHERE):
            continue
        try:
            walker = walker_of(group["schema"], assert_formats=name.endswith("format"))
        except SchemaError as error:
            wrong[group["id"]] = [f"{type(error).__name__}: {error}"]
            continue
        for test in group["tests"]:
            accepted = accepts(walker, test["data"])
            if accepted != test["valid"]:
                wrong.setdefault(group["id"], []).append(f"{'accepts' if accepted else 'refuses'} {test['data']!r}")
    assert not wrong
