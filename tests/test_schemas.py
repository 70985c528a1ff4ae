"""The ready schemas: each value fits its type, comes back from JSON unchanged, and is found in its document."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from qwen_struct.schema.inputs import load_schema

SCHEMAS = Path(__file__).parent.parent / "schemas"
NAMES = {
    "invoice": "Invoice",
    "table": "Table",
    "report": "Indicators",
    "api_payload": "CreateTicket",
    "fapiao": "Fapiao",
    "contract": "Contract",
    "resume": "Resume",
}


def leaves(value):
    if isinstance(value, dict):
        return [leaf for item in value.values() for leaf in leaves(item)]
    if isinstance(value, list):
        return [leaf for item in value for leaf in leaves(item)]
    return [value]


def test_every_schema_is_listed():
    assert {path.stem for path in SCHEMAS.glob("*.py")} == NAMES.keys()


@pytest.mark.parametrize("stem", NAMES)
def test_the_expected_value_fits_its_type(stem):
    text = (SCHEMAS / f"{stem}.json").read_text(encoding="utf-8").rstrip("\n")
    loaded = load_schema(f"{SCHEMAS / stem}.py:{NAMES[stem]}")
    loaded.to_python(text)
    for schema in (loaded.json_schema, loaded.constraint_schema):
        jsonschema.validate(json.loads(text), schema, format_checker=jsonschema.FormatChecker())
    assert json.dumps(json.loads(text), ensure_ascii=False) == text


@pytest.mark.parametrize("stem", NAMES)
def test_the_keys_are_in_schema_order(stem):
    value = json.loads((SCHEMAS / f"{stem}.json").read_text(encoding="utf-8"))
    schema = load_schema(f"{SCHEMAS / stem}.py:{NAMES[stem]}").json_schema
    properties = schema["properties"] if "properties" in schema else schema["$defs"]["Row"]["properties"]
    for item in value if isinstance(value, list) else [value]:
        assert list(item) == list(properties)


@pytest.mark.parametrize("stem", NAMES)
def test_the_document_holds_every_value(stem):
    document = (SCHEMAS / f"{stem}.txt").read_text(encoding="utf-8")
    for leaf in leaves(json.loads((SCHEMAS / f"{stem}.json").read_text(encoding="utf-8"))):
        if leaf is not None and not isinstance(leaf, bool):
            assert str(leaf) in document


@pytest.mark.parametrize("stem", NAMES)
def test_documents_stay_short(stem):
    document = (SCHEMAS / f"{stem}.txt").read_text(encoding="utf-8")
    assert len(document) <= 900
    assert 8 <= len(document.splitlines()) <= 25
