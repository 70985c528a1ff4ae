"""Documents within a number of tokens: complete and valid at every limit from the minimum on, whatever the logits.

The minimum is compared with a search over all tokens, and with what can be counted by hand where every byte is a token.
"""

from __future__ import annotations

import gzip
import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import jsonschema
import jsonschema_rs
import numpy as np
import pytest
from conftest import SHARED
from test_masks import SCHEMAS, small_vocabulary

from qwen_struct.constraint import Grammar, Matcher, Vocabulary, allocate_token_bitmask, allowed_tokens, compile_schema
from qwen_struct.errors import BudgetError, SchemaBudgetError, SchemaError
from qwen_struct.language.texts import pointer_at

Choice = Callable[[list[int]], int]


def byte_vocabulary() -> Vocabulary:
    return Vocabulary([bytes((b,)) for b in range(256)], eos_token_ids=[256])


def decode(grammar: Grammar, limit: int, choose: Choice) -> Matcher:
    """An output of at most ``limit`` tokens; fails where none is left to choose, or they are too many."""
    matcher, left = grammar.matcher(), limit
    bitmask = allocate_token_bitmask(1, grammar.vocabulary.n_vocab)
    plain = allocate_token_bitmask(1, grammar.vocabulary.n_vocab)
    while True:
        changed = matcher.fill_within(bitmask, 0, left)
        matcher.fill_next_token_bitmask(plain)
        assert not (bitmask & ~plain).any()
        assert changed == bool((bitmask != plain).any())
        allowed = allowed_tokens(bitmask[0])
        assert allowed, f"nothing may come after {matcher.text!r} with {left} tokens left"
        assert matcher.accept_token(choose(allowed))
        if matcher.is_finished():
            return matcher
        left -= 1
        assert left >= 0, matcher.text


def choices(vocabulary: Vocabulary, rng: Random) -> Iterator[Choice]:
    """What an adversary could choose: always the longest token, the same favourites, anything, never an end."""
    length = [len(token or b"") for token in vocabulary.tokens] + [0] * vocabulary.n_vocab
    logits = [rng.random() for _ in range(vocabulary.n_vocab)]
    closing = [bool(token) and token[-1:] in b'"]}' for token in vocabulary.tokens] + [True] * vocabulary.n_vocab  # type: ignore[index]
    while True:
        yield lambda allowed: max(allowed, key=length.__getitem__)
        yield lambda allowed: max(allowed, key=logits.__getitem__)
        yield rng.choice
        yield lambda allowed: rng.choice([t for t in allowed if not closing[t]] or allowed)


# The minimum. -------------------------------------------------------------------------------------------------------

KNOWN: list[tuple[Any, str]] = [
    (True, "0"),
    ({"type": "string"}, '""'),
    ({"type": "string", "minLength": 3}, '"000"'),
    ({"type": "string", "maxLength": 2, "pattern": "a"}, '"a"'),
    ({"type": "string", "pattern": "^a{40}b$"}, f'"{"a" * 40}b"'),
    ({"type": "string", "format": "date"}, '"2000-01-01"'),
    ({"type": "boolean"}, "true"),
    ({"const": False}, "false"),
    ({"enum": ["red", "blue", None]}, "null"),
    ({"enum": ["green", "blue", "red"]}, '"red"'),
    ({"type": "integer", "minimum": 100}, "100"),
    ({"type": "integer", "maximum": -1}, "-1"),
    ({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}, "0.1"),
    ({"type": "integer", "multipleOf": 7, "minimum": 1}, "7"),
    ({"type": "integer", "multipleOf": 128, "minimum": 1}, "128"),
    ({"type": "array"}, "[]"),
    ({"type": "array", "minItems": 3}, "[0, 0, 0]"),
    ({"type": "array", "minItems": 200, "items": {"type": "boolean"}}, json.dumps([True] * 200)),
    ({"type": "array", "prefixItems": [{"type": "string"}, {}], "minItems": 2}, '["", 0]'),
    ({"type": "array", "uniqueItems": True, "minItems": 3}, "[0, 1, 2]"),
    ({"type": "array", "uniqueItems": True, "minItems": 2, "items": {"type": "boolean"}}, "[true, false]"),
    ({"type": "array", "contains": {"type": "string"}, "minContains": 2}, '["", ""]'),
    ({"type": "array", "contains": {"const": 7}, "minItems": 2}, "[7, 0]"),
    ({"type": "object"}, "{}"),
    ({"type": "object", "required": ["a"]}, '{"a": 0}'),
    ({"type": "object", "properties": {"a": {"type": "null"}, "b": {"type": "string"}}, "required": ["b"]},
     '{"b": ""}'),
    ({"type": "object", "minProperties": 1, "properties": {"abc": {}}, "additionalProperties": False}, '{"abc": 0}'),
    ({"type": "object", "minProperties": 2}, '{"": 0, "0": 0}'),
    ({"type": "object", "minProperties": 1, "patternProperties": {"^x_": {"type": "null"}},
      "additionalProperties": False}, '{"x_": null}'),
    ({"type": "object", "dependentRequired": {"a": ["b", "c"]}, "required": ["a"]}, '{"a": 0, "b": 0, "c": 0}'),
    ({"type": "object", "properties": {"kind": {"enum": ["x", "yy"]}}, "required": ["kind"],
      "if": {"properties": {"kind": {"const": "x"}}}, "then": {"required": ["aaaa"]}}, '{"kind": "yy"}'),
    ({"anyOf": [{"type": "object", "required": ["abc"]}, {"type": "array", "minItems": 2}]}, "[0, 0]"),
    ({"oneOf": [{"required": ["a"]}, {"required": ["bb"]}], "type": "object"}, '{"a": 0}'),
    ({"oneOf": [{"type": "integer"}, {"minimum": 2}]}, "0"),
    ({"not": {"type": ["number", "string", "array", "object", "boolean"]}}, "null"),
    ({"allOf": [{"required": ["a"]}, {"required": ["b"]}], "type": "object"}, '{"a": 0, "b": 0}'),
    ({"$ref": "#/$defs/t", "$defs": {"t": {"type": "object", "properties": {"left": {"$ref": "#/$defs/t"}},
                                           "required": ["v"]}}}, '{"v": 0}'),
    ({"$ref": "#/$defs/a", "$defs": {
        "a": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/b"}},
        "b": {"anyOf": [{"$ref": "#/$defs/a"}, {"type": "object", "required": ["x"]}, {"enum": ["longer than that"]}]},
    }}, '[{"x": 0}]'),
    ({"type": "array", "minItems": 2, "uniqueItems": True, "items": {"type": "object", "required": ["a"]}},
     '[{"a": 0}, {"a": 1}]'),
    ({"type": "object", "required": [f"p{i:03}" for i in range(200)]},
     json.dumps({f"p{i:03}": 0 for i in range(200)})),
    ({"type": "string", "minLength": 5000}, '"' + "0" * 5000 + '"'),
]  # fmt: skip


@pytest.mark.parametrize("order", ["schema", "any"])
@pytest.mark.parametrize("number", range(len(KNOWN)))
def test_the_minimum_is_the_length_of_the_shortest_document(number: int, order: str) -> None:
    schema, shortest = KNOWN[number]
    grammar = compile_schema(schema, byte_vocabulary(), key_order=order)
    assert order == "schema" or grammar.accepts(shortest)
    completion = grammar.matcher().completion()
    assert grammar.accepts(bytes(completion).decode())
    assert grammar.min_tokens == len(completion) == len(shortest)


def tiny_vocabulary(rng: Random) -> Vocabulary:
    """The characters that the schemas below need, and pieces of their documents as a pre-tokenizer makes them."""
    texts = ['{"a": "ab", "b": [1, 12, {}], "c": {"a": true, "b": null}}', '["", 0, false, "abc", "kind"]']
    pieces = [piece for text in texts for piece in re.findall(r"[^a-z0-9]?[a-z]+|[0-9]| ?[^a-z0-9 ]+", text)]
    slices = [piece[: rng.randint(2, 6)].encode() for piece in pieces if rng.random() < 0.5]
    tokens: list[bytes | None] = [*(bytes((b,)) for b in b'{}[]":, -.0123456789abcdefiklnrstu'), *slices]
    return Vocabulary(tokens, eos_token_ids=[len(tokens)])


SEARCHED: list[Any] = [
    {"type": ["string", "null"]},
    {"type": "string", "pattern": "^[ab]c+$"},
    {"type": "string", "enum": ["abc", "ab", "bb"]},
    {"type": "integer", "minimum": 12, "maximum": 130},
    {"type": "array", "items": {"type": ["integer", "boolean"]}, "minItems": 2},
    {"type": "array", "items": {"type": "object"}, "minItems": 1},
    {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "integer"}}, "required": ["a"]},
    {"type": "object", "properties": {"a": {"type": "boolean"}, "b": {"type": "null"}}, "required": ["a", "b"]},
    {"type": "object", "properties": {"b": {"type": "array", "items": {"type": "integer"}, "minItems": 1}},
     "required": ["b"], "additionalProperties": False},
    {"type": "object", "properties": {"kind": {"enum": ["ab", "b"]}}, "required": ["kind"]},
    {"oneOf": [{"type": "object", "required": ["a"]}, {"type": "array", "minItems": 1}]},
    {"type": "object", "properties": {"a": {}, "b": {}, "c": {}}, "minProperties": 1, "additionalProperties": False},
    {"type": "array", "contains": {"const": "ab"}, "items": {"type": ["string", "null"]}},
    {"type": "array", "uniqueItems": True, "minItems": 2, "items": {"enum": [0, 1, "ab"]}},
    {"$ref": "#/$defs/t", "$defs": {"t": {"type": "object", "properties": {"c": {"$ref": "#/$defs/t"},
                                                                         "a": {"type": "boolean"}},
                                          "required": ["a"], "additionalProperties": False}}},
]  # fmt: skip


def true_minimum(grammar: Grammar, bound: int) -> int:
    """The least number of tokens of a document, by trying all tokens; ``bound`` if there is none with fewer."""
    bitmask = allocate_token_bitmask(1, grammar.vocabulary.n_vocab)
    layer = [grammar.matcher()]
    seen = set()
    for depth in range(bound):
        following = []
        for matcher in layer:
            if matcher.is_accepting():
                return depth
            matcher.fill_next_token_bitmask(bitmask)
            for token in allowed_tokens(bitmask[0]):
                other = matcher.copy()
                assert other.accept_token(token)
                text = other.text if any(after.captures for _, after in other._position.threads) else b""
                if (other._position, text) not in seen:
                    seen.add((other._position, text))
                    following.append(other)
        layer = following
    return bound


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("number", range(len(SEARCHED)))
def test_no_document_has_fewer_tokens(number: int, seed: int) -> None:
    rng = Random(f"{number} {seed}")
    style = rng.choice(["spaced", "compact"])
    grammar = compile_schema(SEARCHED[number], tiny_vocabulary(rng), whitespace=style, key_order="schema")
    assert grammar.min_tokens == true_minimum(grammar, grammar.min_tokens)


# The promise. -------------------------------------------------------------------------------------------------------

MORE: list[Any] = [schema for schema, text in KNOWN if len(text) < 100] + [
    {"type": "array", "uniqueItems": True, "minItems": 4, "items": {"type": "string", "pattern": "^[ab]{1,3}$"}},
    {"type": "object", "minProperties": 3, "additionalProperties": {"type": ["integer", "array"]}},
    {"type": "object", "minProperties": 3, "propertyNames": {"pattern": "^[ab]$|^ab$"}},
    {"type": "array", "minItems": 2, "items": {"type": "object", "minProperties": 2}, "uniqueItems": True},
    {"type": "array", "items": {"type": "array", "items": {"$ref": "#"}, "minItems": 1}},
    {"type": "object", "additionalProperties": {"$ref": "#"}, "minProperties": 0, "maxProperties": 2},
    {"type": "array", "contains": {"type": "integer", "minimum": 100}, "minContains": 2, "maxContains": 3},
    {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "string", "maxLength": 3}},
     "required": ["b", "a"], "unevaluatedProperties": False},
    {"type": "string", "pattern": "^(x[0-9]{8})+$", "maxLength": 30},
    {"type": "string", "minLength": 20, "maxLength": 40},
    {"type": "string", "format": "uuid"},
]  # fmt: skip


STYLES = ["spaced", "flexible", "indented", "compact"]


@pytest.mark.parametrize("number", range(len(SCHEMAS) + len(MORE)))
def test_every_limit_from_the_minimum_on_gives_a_valid_document(number: int) -> None:
    schema = (SCHEMAS + MORE)[number]
    rng = Random(number)
    vocabulary = small_vocabulary(rng)
    style, order = rng.choice(STYLES), rng.choice(["schema", "any"])
    grammar = compile_schema(schema, vocabulary, whitespace=style, key_order=order)
    validator = jsonschema.Draft202012Validator(schema)
    choose = choices(vocabulary, rng)
    least = grammar.min_tokens
    for limit in [*range(least, least + 21), *range(least, least + 3)]:
        matcher = decode(grammar, limit, next(choose))
        assert validator.is_valid(json.loads(matcher.text)), matcher.text


def test_with_plenty_left_nothing_is_taken_away() -> None:
    rng = Random(3)
    vocabulary = small_vocabulary(rng)
    for schema in (SCHEMAS[2], SCHEMAS[6], {"type": "object", "minProperties": 2}, MORE[-8]):
        matcher = compile_schema(schema, vocabulary).matcher()
        bitmask = allocate_token_bitmask(1, vocabulary.n_vocab)
        for _ in range(30):
            assert not matcher.fill_within(bitmask, 0, 2_000)
            assert matcher.accept_token(rng.choice(allowed_tokens(bitmask[0])))
            if matcher.is_finished():
                break


def test_with_nothing_left_only_an_end_may_come() -> None:
    vocabulary = byte_vocabulary()
    bitmask = allocate_token_bitmask(1, vocabulary.n_vocab)
    matcher = compile_schema({"type": "integer"}, vocabulary).matcher()
    with pytest.raises(BudgetError, match="1 are needed") as raised:
        matcher.fill_within(bitmask, 0, 0)
    assert raised.value.minimum == 1
    assert matcher.accept_token(ord("7"))
    assert matcher.min_tokens == 0 and matcher.completion() == ()
    assert matcher.fill_within(bitmask, 0, 0)
    assert allowed_tokens(bitmask[0]) == [256]
    assert matcher.accept_token(256)
    assert not matcher.fill_within(bitmask, 0, 0) and matcher.min_tokens == 0


@pytest.mark.parametrize("number", [1, 5, 14, 22, 23, 34])
def test_copies_and_rollback_find_their_way(number: int) -> None:
    """Whatever was tried and taken back, a completion is known that is short enough."""
    rng = Random(number)
    vocabulary = small_vocabulary(rng)
    grammar = compile_schema(SCHEMAS[number], vocabulary)
    bitmask = allocate_token_bitmask(1, vocabulary.n_vocab)
    for _ in range(20):
        matcher, left = grammar.matcher(), grammar.min_tokens + rng.choice([0, 2, 9])
        taken: list[int] = []
        while not matcher.is_finished():
            detour = matcher.copy()
            for steps in range(rng.randint(0, 4)):
                matcher.fill_within(bitmask, 0, left - steps)
                if not matcher.accept_token(rng.choice(allowed_tokens(bitmask[0]))) or matcher.is_finished():
                    break
            matcher.rollback(len(matcher._tokens) - len(taken))
            matcher = rng.choice([matcher, detour])
            assert matcher.min_tokens <= left
            completion = matcher.copy()
            assert all(completion.accept_token(token) for token in matcher.completion()) and completion.is_accepting()
            matcher.fill_within(bitmask, 0, left)
            token = rng.choice(allowed_tokens(bitmask[0]))
            assert matcher.accept_token(token)
            taken.append(token)
            left -= not matcher.is_finished()
            assert left >= 0


def test_a_grammar_from_a_file_keeps_the_promise(tmp_path: Path) -> None:
    rng = Random(9)
    schema = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "minProperties": 2}
    vocabulary = small_vocabulary(rng)
    grammar = compile_schema(schema, vocabulary)
    least = grammar.min_tokens
    for limit in range(least, least + 10):
        decode(grammar, limit, rng.choice)
    vocabulary.save_cache(tmp_path / "masks")
    again = small_vocabulary(Random(9))
    again.load_cache(tmp_path / "masks")
    loaded = compile_schema(schema, again)
    assert loaded.min_tokens == least
    for limit in range(least, least + 10):
        decode(loaded, limit, rng.choice)


# Hostile schemas. ---------------------------------------------------------------------------------------------------


def test_a_million_items_are_counted_not_listed() -> None:
    grammar = compile_schema({"type": "array", "minItems": 1_000_000, "items": {"type": "boolean"}}, byte_vocabulary())
    assert grammar.min_tokens == 6_000_000
    matcher = grammar.matcher()
    bitmask = allocate_token_bitmask(1, grammar.vocabulary.n_vocab)
    for byte in b"[true, true":
        matcher.fill_within(bitmask, 0, 6_000_000 - len(matcher.text))
        assert matcher.accept_token(byte)


def test_thousands_of_required_members() -> None:
    names = [f"n{i:05}" for i in range(3_000)]
    schema = {"type": "object", "required": names, "properties": {name: {"type": "integer"} for name in names}}
    grammar = compile_schema(schema, byte_vocabulary())
    assert grammar.min_tokens == len(json.dumps(dict.fromkeys(names, 0)))
    matcher = grammar.matcher()
    for byte in b'{"n00007": 12, "n02':
        assert matcher.accept_token(byte)
    assert matcher.min_tokens == grammar.min_tokens - 1 - 18 + 1


@pytest.mark.parametrize("depth", [50, 190])
def test_deep_nesting(depth: int) -> None:
    schema: Any = {"type": "integer"}
    for _ in range(depth):
        schema = {"type": "object", "properties": {"a": schema}, "required": ["a"]}
    assert compile_schema(schema, byte_vocabulary()).min_tokens == 7 * depth + 1


def test_a_document_may_be_deep_as_well() -> None:
    grammar = compile_schema({"type": "array", "items": {"$ref": "#"}}, byte_vocabulary())
    matcher = grammar.matcher()
    for _ in range(3_000):
        assert matcher.accept_token(ord("["))
    assert matcher.min_tokens == 3_000


def test_many_different_items_are_an_error_before_decoding() -> None:
    with pytest.raises(SchemaBudgetError):
        compile_schema({"type": "array", "uniqueItems": True, "minItems": 100_000}, byte_vocabulary()).min_tokens  # noqa: B018


def test_documents_that_double_too_often_are_an_error_as_well() -> None:
    levels = {f"t{i}": {"type": "array", "items": {"$ref": f"#/$defs/t{i + 1}"}, "minItems": 2} for i in range(30)}
    with pytest.raises(SchemaBudgetError):
        compile_schema({"$ref": "#/$defs/t0", "$defs": {**levels, "t30": True}}, byte_vocabulary()).min_tokens  # noqa: B018


def test_subtrees_that_double_at_each_level() -> None:
    levels = {f"t{i}": {"type": "object", "properties": {k: {"$ref": f"#/$defs/t{i + 1}"} for k in "ab"},
                        "required": ["a", "b"]} for i in range(8)}  # fmt: skip
    schema = {"$ref": "#/$defs/t0", "$defs": {**levels, "t8": {"type": "null"}}}
    grammar = compile_schema(schema, byte_vocabulary())
    assert grammar.min_tokens == (1 << 8) * 4 + ((1 << 8) - 1) * 14


# At the real vocabulary. --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def qwen(qwen_tokenizer_path: Path) -> Vocabulary:
    return Vocabulary.from_tokenizer(qwen_tokenizer_path, n_vocab=152_064)


def maskbench(number: int) -> list[dict]:
    path = SHARED / "maskbench" / "dev.jsonl.gz"
    if not path.exists():
        pytest.skip(f"MaskBench is not at {path}")
    with gzip.open(path, "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    Random(7).shuffle(rows)
    return rows[:number]


@pytest.mark.parametrize("part", range(6))
def test_schemas_of_maskbench_with_random_logits(part: int, qwen: Vocabulary) -> None:
    number = int(os.environ.get("QWEN_STRUCT_BUDGET_SCHEMAS", "60"))
    rng = np.random.default_rng(part)
    num_decoded = 0
    for row in maskbench(number)[part::6]:
        try:
            grammar = compile_schema(row["schema"], qwen)
            least = grammar.min_tokens
            validator = jsonschema_rs.validator_for(row["schema"], validate_formats=False)
        except (SchemaError, ValueError):
            continue
        logits = rng.standard_normal(qwen.n_vocab)
        for limit in (least, least + 1, least + 5, least + 50):
            logits = np.roll(logits, 7_919)
            matcher = decode(grammar, limit, lambda allowed, logits=logits: allowed[int(logits[allowed].argmax())])  # type: ignore[misc]
            assert validator.is_valid(json.loads(matcher.text)), (row["id"], limit, matcher.text)
            num_decoded += 1
    assert num_decoded > number // 6


# Places. ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "pointer"),
    [
        ("", ""), ('"ab', ""), ("{", ""), ('{"a', ""), ('{"a":', "/a"), ('{"a": "x', "/a"), ('{"a": "x", ', ""),
        ('{"a/b~": [', "/a~1b~0"), ('{"a": [1', "/a/0"), ('{"a": [1, ', "/a/1"),
        ('{"a": [1, {"b": [[], [2', "/a/1/b/1/0"),
        ("[1]", ""), ('{"a": [1]', "/a"), ('{"a\\"b": tr', '/a"b'), ('[{"a": 1}, {"', "/1"), ('{"a": "x\\', "/a"),
        ("[[", "/0"), ("[-", "/0"), ('{"": 1', "/"), ('{"a": "[{,:\\"', "/a"), ('["é', "/0"),
    ],
)  # fmt: skip
def test_the_place_in_a_partial_text(text: str, pointer: str) -> None:
    assert pointer_at(text.encode()) == pointer


def test_the_place_in_a_text_cut_anywhere() -> None:
    text = json.dumps({"a": [{"b": 'x"y', "c": [None, [1.5, "é"]]}, {}], "": {"~/": True}}, ensure_ascii=False).encode()
    document = json.loads(text)
    for end in range(len(text) + 1):
        value = document
        for part in pointer_at(text[:end]).split("/")[1:]:
            value = value[int(part) if isinstance(value, list) else part.replace("~1", "/").replace("~0", "~")]
