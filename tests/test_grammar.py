"""compile_schema: what it takes, what it refuses and where, and what the report says."""

from __future__ import annotations

import json
import random
import threading
from typing import Any

import pytest
from pydantic import BaseModel

from qwen_struct.constraint import Vocabulary, allocate_token_bitmask, allowed_tokens, compile_schema
from qwen_struct.errors import (
    InvalidSchemaError,
    ModelError,
    SchemaBudgetError,
    SchemaError,
    UnresolvableReferenceError,
    UnsatisfiableSchemaError,
    UnsupportedSchemaError,
)

BYTES: list[bytes | None] = [bytes([b]) for b in range(256)]


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    return Vocabulary(BYTES, n_vocab=300, eos_token_ids=[256])


@pytest.mark.parametrize(
    ("schema", "error", "pointer", "keyword"),
    [
        ({"properties": {"a": {"type": "strin"}}}, InvalidSchemaError, "/properties/a/type", "type"),
        ({"minLength": -1}, InvalidSchemaError, "/minLength", "minLength"),
        ({"minimum": "1"}, InvalidSchemaError, "/minimum", "minimum"),
        ({"multipleOf": 0}, InvalidSchemaError, "/multipleOf", "multipleOf"),
        ({"anyOf": []}, InvalidSchemaError, "/anyOf", "anyOf"),
        ({"properties": {"a/b": 3}}, InvalidSchemaError, "/properties/a~1b", None),
        ({"pattern": "("}, InvalidSchemaError, "/pattern", "pattern"),
        ({"items": {"pattern": r"(a)\1"}}, UnsupportedSchemaError, "/items/pattern", "pattern"),
        ({"patternProperties": {"(a": {}}}, InvalidSchemaError, "/patternProperties/(a", "patternProperties"),
        ({"$schema": "https://example.com/mine"}, UnsupportedSchemaError, "/$schema", "$schema"),
        ({"items": {"$ref": "#/$defs/no"}}, UnresolvableReferenceError, "/items/$ref", "$ref"),
        ({"$ref": "https://example.com/other.json"}, UnresolvableReferenceError, "/$ref", "$ref"),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}}, UnresolvableReferenceError, "/$defs/a", "$ref"),
        (False, UnsatisfiableSchemaError, "", None),
        ({"type": "integer", "minimum": 3, "maximum": 2}, UnsatisfiableSchemaError, "", None),
        ({"type": "object", "required": ["a"], "properties": {"a": False}}, UnsatisfiableSchemaError, "", None),
    ],
)
def test_refusals_say_where(
    vocabulary: Vocabulary, schema: Any, error: type[SchemaError], pointer: str, keyword: str | None
) -> None:
    with pytest.raises(error) as caught:
        compile_schema(schema, vocabulary)
    assert caught.value.pointer == pointer
    assert caught.value.keyword == keyword


def test_nesting_is_limited(vocabulary: Vocabulary) -> None:
    schema: dict = {}
    for _ in range(400):
        schema = {"items": schema}
    with pytest.raises(SchemaBudgetError, match="nested deeper"):
        compile_schema(schema, vocabulary)


def test_remote_references_are_asked_of_retrieve_alone(vocabulary: Vocabulary) -> None:
    asked = []

    def retrieve(uri: str) -> Any:
        asked.append(uri)
        return {"$defs": {"n": {"type": "integer", "minimum": 5}}}

    grammar = compile_schema({"$ref": "https://example.com/x.json#/$defs/n"}, vocabulary, retrieve=retrieve)
    assert asked == ["https://example.com/x.json"]
    assert grammar.accepts("5") and not grammar.accepts("4")


def test_the_report_names_every_keyword(vocabulary: Vocabulary) -> None:
    schema = {
        "title": "T", "type": "object", "nullable": True,
        "properties": {"a": {"type": "string", "format": "date", "x-y": 1}, "b": {"$ref": "#/$defs/b"}},
        "$defs": {"b": {"minimum": 1}},
    }  # fmt: skip
    report = {(use.pointer, use.status) for use in compile_schema(schema, vocabulary).report}
    assert report == {
        ("/title", "annotation"), ("/type", "enforced"), ("/nullable", "annotation"), ("/properties", "enforced"),
        ("/$defs", "annotation"), ("/properties/a/type", "enforced"), ("/properties/a/format", "enforced"),
        ("/properties/a/x-y", "annotation"), ("/properties/b/$ref", "enforced"), ("/$defs/b/minimum", "enforced"),
    }  # fmt: skip
    loose = compile_schema({"format": "date"}, vocabulary, assert_formats=False)
    assert [use.status for use in loose.report] == ["annotation"]
    assert loose.accepts('"no date"') and not compile_schema({"format": "date"}, vocabulary).accepts('"no date"')


def test_drafts_differ_where_they_should(vocabulary: Vocabulary) -> None:
    def accepts(draft: str, schema: dict, text: str) -> bool:
        return compile_schema({"$schema": draft, **schema}, vocabulary).accepts(text)

    four, seven = "http://json-schema.org/draft-04/schema#", "http://json-schema.org/draft-07/schema#"
    latest = "https://json-schema.org/draft/2020-12/schema"
    exclusive = {"type": "integer", "minimum": 5, "exclusiveMinimum": True}
    assert not accepts(four, exclusive, "5") and accepts(four, exclusive, "6")
    siblings = {"$ref": "#/definitions/a", "maximum": 3, "definitions": {"a": {"type": "integer"}}}
    assert accepts(seven, siblings, "4") and not accepts(latest, siblings, "4")
    tuple_ = {"items": [{"type": "null"}], "additionalItems": False}
    assert not accepts(seven, tuple_, "[null, 1]") and accepts(seven, tuple_, "[null]")
    assert compile_schema(tuple_, vocabulary).accepts("[null]")  # understood without $schema


def test_styles_and_orders(vocabulary: Vocabulary) -> None:
    schema = {"type": "object", "properties": {"a": {"items": {"type": "integer"}}, "b": {}}, "required": ["b"]}
    compact = compile_schema(schema, vocabulary, whitespace="compact")
    assert compact.accepts('{"a":[1,2],"b":{}}') and not compact.accepts('{"a": [1, 2], "b": {}}')
    indented = compile_schema(schema, vocabulary, whitespace="indented")
    assert indented.accepts('{\n  "a": [\n    1,\n    2\n  ],\n  "b": {}\n}')
    assert not compile_schema(schema, vocabulary, key_order="schema").accepts('{"b": 1, "a": []}')
    assert compile_schema(schema, vocabulary).accepts('{"b": 1, "a": []}')
    with pytest.raises(ValueError, match="key_order"):
        compile_schema(schema, vocabulary, key_order="random")
    with pytest.raises(ValueError, match="wide"):
        compile_schema(schema, vocabulary, whitespace="wide")


def test_pydantic_models_compile_and_grammars_are_remembered(vocabulary: Vocabulary) -> None:
    class Point(BaseModel):
        x: int
        y: int

    grammar = compile_schema(Point, vocabulary)
    assert grammar.accepts('{"x": 1, "y": 2}') and not grammar.accepts('{"x": 1, "y": 2, "z": 3}')
    assert compile_schema(Point, vocabulary) is grammar


def test_vocabularies_are_checked() -> None:
    with pytest.raises(ValueError, match="n_vocab=10"):
        Vocabulary(BYTES, n_vocab=10)
    with pytest.raises(ModelError, match="no tokenizer at"):
        Vocabulary.from_tokenizer("/no/such/tokenizer.json")
    with pytest.raises(ModelError, match="fast tokenizer"):
        Vocabulary.from_tokenizer(object())
    assert Vocabulary([b"a"], eos_token_ids=[5]).n_vocab == 6
    assert Vocabulary([b"a", b"b"], eos_token_ids=[1]).tokens == (b"a", None)
    assert len(Vocabulary([b"a"]).missing_bytes()) == 255


def test_threads_share_a_grammar(vocabulary: Vocabulary) -> None:
    schema = {"type": "object", "additionalProperties": {"type": ["string", "array"], "items": {"enum": ["a", 1]}}}
    grammar = compile_schema(schema, Vocabulary(BYTES, n_vocab=300, eos_token_ids=[256]))
    text = b'{"k": ["a", 1, "a"], "other": "t\\u0001xt", "z": []}'
    failures: list[Any] = []

    def follow() -> None:
        matcher, bitmask = grammar.matcher(), allocate_token_bitmask(1, 300)
        for byte in text:
            matcher.fill_next_token_bitmask(bitmask)
            if byte not in allowed_tokens(bitmask[0]) or not matcher.accept_token(byte):
                failures.append((matcher.text, byte))
                return
        if not (matcher.accept_token(256) and matcher.is_finished()):
            failures.append(matcher.text)

    threads = [threading.Thread(target=follow) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_a_name_is_told_from_the_tokens_however_it_is_split(vocabulary: Vocabulary) -> None:
    """Names with escaped quotes, short and long: a second one is refused, whether its end was met before or not."""
    pieces = [b'{"', b', "', b'": 1', b'\\"', b"a\\", b'"b', b'\\\\"', b"ab", b'"a', b'": 1, "', b'b":', b"\\\\", b'a"']
    tokens = [*BYTES, None, *pieces]
    others = Vocabulary(tokens, n_vocab=300, eos_token_ids=[256])
    schema = {"type": "object", "additionalProperties": {"type": "integer"}}
    by_bytes, by_pieces = compile_schema(schema, vocabulary), compile_schema(schema, others)
    names = ["a", "ab", 'a"', 'a"b', "a\\", "a\\\\", '\\"', "b" * 9, "ab" * 9 + '"', 'b"' + "b" * 9]
    rng = random.Random(0)
    verdicts = set()
    for _ in range(600):
        text = ("{" + ", ".join(f"{json.dumps(rng.choice(names))}: 1" for _ in range(3)) + "}").encode()
        reference, matcher, at, alive = by_bytes.matcher(), by_pieces.matcher(), 0, True
        expected = all(reference.accept_token(byte) for byte in text)
        while at < len(text) and alive:
            fitting = [n for n, token in enumerate(tokens) if token and text.startswith(token, at)]
            token = rng.choice(fitting)
            alive = matcher.accept_token(token)
            at += len(tokens[token] or b"")
        assert alive == expected, text
        verdicts.add(alive)
    assert verdicts == {True, False}


QUOTED = rb"""{" , " ": 1 \" \\ a\" b" \\" "\" ":""".split(b" ")
NAME_TOKENS: list[bytes | None] = [*BYTES, *QUOTED, b', "', b'": 1, "a']


@pytest.mark.parametrize("seed", range(12))
def test_a_name_is_told_from_others_however_it_is_cut_into_tokens(seed: int) -> None:
    """Names with quotes and backslashes: one that has come is refused, any other accepted, the second time as well."""
    vocabulary = Vocabulary(NAME_TOKENS, n_vocab=300, eos_token_ids=[299])
    grammar = compile_schema({"additionalProperties": {"type": "integer"}}, vocabulary)
    rng = random.Random(seed)
    names = list({"".join(rng.choices('ab"\\', k=rng.randint(1, 3))) for _ in range(6)})
    documents = [(rng.choice(names), rng.choice(names)) for _ in range(20)]
    for first, second in documents * 2:
        text = f"{{{json.dumps(first)}: 1, {json.dumps(second)}: 1}}".encode()
        matcher = grammar.matcher()
        while text:
            fitting = [t for t, spelled in enumerate(NAME_TOKENS) if spelled and text.startswith(spelled)]
            token = next((t for t in rng.sample(fitting, len(fitting)) if matcher.accept_token(t)), None)
            if token is None:
                break
            text = text[len(NAME_TOKENS[token] or b"") :]
        assert (text == b"") == (first != second), (first, second)
