"""Each draft as its ``$schema`` says: keywords that changed, references, vocabularies of a metaschema of one's own."""

from __future__ import annotations

from typing import Any

import pytest

from qwen_struct.errors import UnsupportedSchemaError
from qwen_struct.language.documents import Documents
from qwen_struct.language.positions import Walker
from qwen_struct.language.values import Values
from qwen_struct.schema.parse import parse_schema, report_of

FOUR, SIX, SEVEN = (f"http://json-schema.org/draft-0{n}/schema#" for n in (4, 6, 7))
NINETEEN, TWENTY = (f"https://json-schema.org/draft/{name}/schema" for name in ("2019-09", "2020-12"))
VOCABULARY = "https://json-schema.org/draft/2020-12/vocab/"


def accepts(schema: Any, text: str, retrieve: Any = None) -> bool:
    parsed = parse_schema(schema, retrieve=retrieve, float_integers=True)
    values = Values(parsed.algebra, any_order=True)
    assert values.inhabited(parsed.root)
    position = Walker(Documents(values, parsed.root)).follow(text.encode())
    return position is not None and position.accepting


BESIDE_REF = {"$ref": "#/definitions/a", "maximum": 3, "definitions": {"a": {"minimum": 1}}}
NAMED = {"$ref": "#here", "$defs": {"a": {"$anchor": "here", "minimum": 1}}}
NEEDS = {"dependencies": {"a": ["b"]}}
TUPLE = {"items": [{"minimum": 1}], "additionalItems": False}
TREE = {
    "$id": "https://example.com/strict",
    "$recursiveAnchor": True,
    "$ref": "tree",
    "maxProperties": 1,
    "$defs": {
        "tree": {
            "$id": "https://example.com/tree",
            "$recursiveAnchor": True,
            "type": "object",
            "additionalProperties": {"$recursiveRef": "#"},
        }
    },
}


@pytest.mark.parametrize(
    ("schema", "text", "drafts"),  # the drafts in which the text is valid
    [
        (BESIDE_REF, "4", {FOUR, SIX, SEVEN}),
        (BESIDE_REF, "2", {FOUR, SIX, SEVEN, NINETEEN, TWENTY, None}),
        ({"type": "integer"}, "1.0", {SIX, SEVEN, NINETEEN, TWENTY, None}),
        ({"minimum": 5, "exclusiveMinimum": True}, "5", set()),
        ({"const": 1}, "2", {FOUR}),
        ({"contains": {"minimum": 1}}, "[0]", {FOUR}),
        ({"propertyNames": {"maxLength": 1}}, '{"ab": 1}', {FOUR}),
        ({"if": {"minimum": 1}, "then": {"maximum": 1}}, "2", {FOUR, SIX}),
        (NEEDS, '{"a": 1}', {NINETEEN, TWENTY}),
        (TUPLE, "[1, 2]", set()),
        ({"prefixItems": [{"minimum": 1}]}, "[0]", {FOUR, SIX, SEVEN, NINETEEN}),
        ({"dependentRequired": {"a": ["b"]}}, '{"a": 1}', {FOUR, SIX, SEVEN}),
        ({"unevaluatedProperties": False}, '{"a": 1}', {FOUR, SIX, SEVEN}),
        ({"contains": {"minimum": 1}, "minContains": 2}, "[1]", {FOUR, SIX, SEVEN}),
        ({"enum": [1]}, "1.0", {FOUR, SIX, SEVEN, NINETEEN, TWENTY, None}),
    ],
)
def test_a_draft_knows_its_own_keywords(schema: dict, text: str, drafts: set) -> None:
    for draft in (FOUR, SIX, SEVEN, NINETEEN, TWENTY, None):
        if (schema is TUPLE and draft == TWENTY) or ("exclusiveMinimum" in schema and draft not in (FOUR, None)):
            continue  # no schema of that draft
        named = schema if draft is None else {"$schema": draft, **schema}
        assert accepts(named, text) == (draft in drafts), draft


def test_references_of_each_draft() -> None:
    for draft in (NINETEEN, TWENTY):
        assert accepts({"$schema": draft, **NAMED}, "1") and not accepts({"$schema": draft, **NAMED}, "0")
    for draft, key in ((FOUR, "id"), (SIX, "$id"), (SEVEN, "$id")):
        schema = {"$schema": draft, "allOf": [{"$ref": "#a"}], "definitions": {"a": {key: "#a", "minimum": 1}}}
        assert accepts(schema, "1") and not accepts(schema, "0")
    strict = {"$schema": NINETEEN, **TREE}
    assert accepts(strict, '{"a": {"b": {}}}') and not accepts(strict, '{"a": {"b": {}, "c": {}}}')


def test_a_recursive_remote_document_is_asked_for_once() -> None:
    asked = []

    def retrieve(uri: str) -> Any:
        asked.append(uri)
        return {"$id": uri, "$dynamicAnchor": "node", "properties": {"a": {"$dynamicRef": "#node"}}}

    schema = {"$id": "https://example.com/s", "$dynamicAnchor": "node", "$ref": "t", "unevaluatedProperties": False}
    assert accepts(schema, '{"a": {"a": {}}}', retrieve) and asked == ["https://example.com/t"]
    assert not accepts(schema, '{"a": {"b": 1}}', retrieve)


def metaschemas(**vocabularies: bool) -> Any:
    vocabulary = {VOCABULARY + name.replace("_", "-"): needed for name, needed in vocabularies.items()}
    documents = {
        "https://example.com/meta": {"$schema": TWENTY, "$vocabulary": vocabulary},
        "https://example.com/again": {"$schema": "https://example.com/meta"},
        "https://example.com/circle": {"$schema": "https://example.com/circle"},
    }
    return documents.__getitem__


def test_keywords_of_absent_vocabularies_are_annotations() -> None:
    schema = {"$schema": "https://example.com/meta", "properties": {"a": {"minimum": 1}, "b": False}}
    applicators = metaschemas(core=True, applicator=True)
    assert accepts(schema, '{"a": 0}', applicators) and not accepts(schema, '{"b": 0}', applicators)
    assertions = metaschemas(core=True, validation=True)
    assert accepts({"$schema": "https://example.com/meta", "minimum": 1, "not": {}}, "1", assertions)
    assert not accepts({"$schema": "https://example.com/again", "minimum": 1}, "0", assertions)
    inner = {"$id": "https://example.com/inner", "$schema": "https://example.com/meta", "minimum": 1}
    assert accepts({"items": inner, "maxItems": 1}, "[0]", applicators)
    met = parse_schema({**schema, "minimum": 1}, retrieve=applicators).met
    report = {use.keyword: use.status for use in report_of(met)}
    assert report["minimum"] == "annotation" and report["properties"] == "enforced"


def test_unknown_vocabularies_and_metaschemas() -> None:
    schema = {"$schema": "https://example.com/meta", "minimum": 1}
    assert accepts(schema, "1", metaschemas(core=True, validation=True, colours=False))
    for retrieve, name in (
        (metaschemas(core=True, colours=True), "meta"),
        (metaschemas(), "circle"),
        (metaschemas(), "absent"),
        (None, "meta"),
    ):
        with pytest.raises(UnsupportedSchemaError) as caught:
            accepts({"$schema": f"https://example.com/{name}"}, "1", retrieve)
        assert (caught.value.pointer, caught.value.keyword) == ("/$schema", "$schema")
