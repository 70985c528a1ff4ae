"""Forced text against an oracle that tries every byte, and its tokens against a loop that takes one at a time."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import pytest
from conftest import ROOT

from qwen_struct.constraint import Grammar, Matcher, Vocabulary, allocate_token_bitmask, compile_schema
from qwen_struct.constraint.forced import MAX_FORCED
from qwen_struct.decode.spelling import Spelling

DOCUMENTS = sorted((ROOT / "tests" / "data" / "documents").glob("*.json"))
BYTES = Vocabulary([bytes((byte,)) for byte in range(256)])
MINI = ROOT / "qwen_struct" / "mini"


def obj(properties: dict, *required: str, **more: Any) -> dict:
    return {
        "type": "object", "properties": properties, "required": list(required), "additionalProperties": False, **more,
    }  # fmt: skip


def at(schema: Any, text: str, **options: Any) -> Matcher:
    """A matcher that has read ``text`` byte by byte."""
    matcher = compile_schema(schema, BYTES, **{"key_order": "schema", **options}).matcher()
    for byte in text.encode():
        assert matcher.accept_token(byte), matcher.text
    return matcher


ORDER = obj({"orderId": {"type": "integer"}, "orderName": {"type": "string"}}, minProperties=1)
CHOICE = {"enum": ["order", "ordinal", "ort"]}
UNIQUE = {"type": "array", "items": {"enum": ["a", "b"]}, "uniqueItems": True, "minItems": 2}
NUMBERS = {"type": "array", "items": {"type": "integer", "enum": [10, 12]}, "uniqueItems": True, "minItems": 2}


@pytest.mark.parametrize(
    ("schema", "read", "forced", "ends"),
    [
        (ORDER, "", '{"order', False),
        (ORDER, '{"orderI', 'd": ', False),
        (ORDER, '{"orderId": 1', "", False),
        (obj({"a": {"const": "x"}, "b": {"type": "boolean"}}, "a", "b"), "", '{"a": "x", "b": ', False),
        (obj({"a": {"const": "x"}, "b": {"type": "boolean"}}, "a", "b"), '{"a": "x", "b": t', "rue}", True),
        (obj({"a": {"const": "x"}, "b": {"type": "null"}}, "a"), "", '{"a": "x"', False),
        (CHOICE, "", '"or', False),
        (CHOICE, '"ord', "", False),
        (CHOICE, '"orde', 'r"', True),
        (UNIQUE, '["a"', ', "b"]', True),
        (UNIQUE, '["b', '", "a"]', True),
        (NUMBERS, "[10", ", 12]", True),
        (NUMBERS, "", "[1", False),
        ({"type": "integer", "const": 12}, "", "12", True),
        ({"type": "integer", "minimum": 10, "maximum": 19}, "", "1", False),
        ({"type": "integer", "minimum": 10, "maximum": 19}, "1", "", False),
        ({"type": "integer", "minimum": 10, "maximum": 19}, "12", "", True),
        ({"type": "string", "pattern": "^x{5}$"}, "", '"xxxxx"', True),
        ({"const": 'a"\n\x01\\'}, "", r'"a\"\n\u0001\\"', True),
        ({"enum": ["\u4e00", "\u4e8c"]}, "", '"\u4e00'.encode()[:2].decode("latin-1"), False),
        ({"type": "array", "maxItems": 0}, "", "[]", True),
        ({"type": "string"}, "", '"', False),
        (True, "", "", False),
    ],
)
def test_what_is_forced(schema: Any, read: str, forced: str, ends: bool) -> None:
    expected = forced.encode("latin-1" if not forced.isascii() else "utf-8")
    matcher = at(schema, read, float_integers=False)
    assert matcher.forced() == (expected, ends)
    assert matcher.forced_text() == expected and matcher.text == read.encode()
    assert matcher.ahead().forced() == (expected, ends)


def test_names_that_were_used_are_not_forced_again() -> None:
    schema = {"type": "object", "additionalProperties": {"const": "x"}, "propertyNames": {"enum": ["aa", "ab"]}}
    matcher = at({**schema, "minProperties": 2}, '{"aa"')
    assert matcher.forced() == (b': "x", "ab": "x"}', True)
    assert at({**schema, "minProperties": 1}, "").forced_text() == b'{"a'


def slow(grammar: Grammar, text: bytes) -> bytes:
    """The oracle: the bytes of which there is only one."""
    walker, start = grammar.automaton(), text
    while True:
        position = walker.follow(text)
        assert position is not None
        following = [bytes((b,)) for b in range(256) if walker.follow(text + bytes((b,))) is not None]
        if position.accepting or len(following) != 1:
            return text[len(start) :]
        text += following[0]


@cache
def documents() -> list[tuple[dict, str]]:
    found = [json.loads(path.read_text(encoding="utf-8")) for path in DOCUMENTS]
    return [(entry["schema"], json.dumps(entry["value"], ensure_ascii=False)) for entry in found]


@pytest.mark.parametrize("number", [0, 33, 66])
@pytest.mark.parametrize("whitespace", ["compact", "spaced", "indented", "flexible"])
def test_against_the_oracle(number: int, whitespace: str) -> None:
    schema, text = documents()[number]
    layouts = {"compact": {"separators": (",", ":")}, "indented": {"indent": 2}}
    text = json.dumps(json.loads(text), ensure_ascii=False, **layouts.get(whitespace, {}))
    matcher = compile_schema(schema, BYTES, key_order="schema", whitespace=whitespace).matcher()
    grammar = compile_schema(schema, BYTES, key_order="schema", whitespace=whitespace)
    if not grammar.accepts(text):
        pytest.skip("its number is spelled otherwise")
    rng = Random(number)
    for byte in text.encode():
        if rng.random() < 0.03:
            assert matcher.forced_text() == slow(grammar, matcher.text)
        assert matcher.accept_token(byte)
    assert matcher.forced() == (b"", True)


def test_it_is_remembered_and_makes_no_positions() -> None:
    grammar = compile_schema(obj({"name": {"const": "x" * 500}, "more": {"type": "integer"}}, "name", "more"), BYTES)
    matcher = grammar.matcher()
    matcher.accept_token(ord("{"))
    matcher.accept_token(ord('"'))
    matcher.accept_token(ord("n"))
    before = grammar.num_positions
    forced = matcher.forced()
    assert len(forced.text) > 500 and grammar.num_positions == before
    assert grammar.matcher().forced() is grammar.matcher().forced() and matcher.forced() is forced


def test_very_long_texts_come_in_parts() -> None:
    matcher = at({"const": "x" * 10_000}, "")
    text, ends = matcher.forced()
    assert not ends and len(text) >= MAX_FORCED and text.startswith(b'"xxx')
    written = b""
    while not ends:
        text, ends = matcher.forced()
        for byte in text:
            assert matcher.accept_token(byte)
        written += text
    assert written == b'"' + b"x" * 10_000 + b'"'


def test_a_loaded_cache_knows_the_same(tmp_path: Path) -> None:
    schema = obj({"total": {"type": "number"}, "paid": {"type": "boolean"}}, "total", "paid")
    known = Vocabulary([bytes((byte,)) for byte in range(256)])
    matcher = compile_schema(schema, known, key_order="schema").matcher()
    row = allocate_token_bitmask(1, known.n_vocab)
    for byte in b'{"total": 1, "p':
        matcher.fill_next_token_bitmask(row)
        matcher.accept_token(byte)
    matcher.fill_next_token_bitmask(row)
    known.save_cache(tmp_path / "cache")
    other = Vocabulary([bytes((byte,)) for byte in range(256)])
    other.load_cache(tmp_path / "cache")
    loaded = compile_schema(schema, other, key_order="schema").matcher()
    assert loaded.forced() == (b'{"total": ', False)
    for byte in b'{"total": 1, "p':
        assert loaded.accept_token(byte)
    assert loaded.forced() == matcher.forced() == (b'aid": ', False)
    assert [name for name, _ in loaded.ahead().names()] == ["paid"]


def test_reading_ahead_leaves_the_matcher() -> None:
    matcher = at(ORDER, '{"order')
    ahead = matcher.ahead()
    assert list(ahead.names()) == [("orderId", b'Id"'), ("orderName", b'Name"')]
    assert not ahead.read(b"Ix") and ahead.text == b""
    assert ahead.read(b'Name": "x') and ahead.text == b'Name": "x' and ahead.forced().text == b""
    other = ahead.copy()
    assert other.read(b'"') and other.forced() == (b"}", True) and ahead.text == b'Name": "x'
    assert matcher.text == b'{"order'


# Tokens. ------------------------------------------------------------------------------------------------------------


@cache
def tools(folder: Path) -> tuple[Vocabulary, Spelling]:
    return Vocabulary.from_tokenizer(folder), Spelling(folder)


@pytest.fixture(params=["mini", "qwen"])
def model(request: pytest.FixtureRequest) -> tuple[Vocabulary, Spelling]:
    return tools(MINI if request.param == "mini" else request.getfixturevalue("qwen_tokenizer_path"))


TEXTS = [
    '{"name": "Bob", "items": [{"id": 3.5, "e": "<|im_end|>\u00e9"}], "发票": "收货人（元）-x）-b：", "a": "it\'s"}',
    'a\n\n   b  \r\n c\t\td \u3000 "x',
    "e\u0301 \u212b ﬁ 한국어 \U0001f600 ـعـ",
    "",
]


def test_the_tokens_are_those_of_the_tokenizer_and_their_bytes_the_text(model: tuple[Vocabulary, Spelling]) -> None:
    vocabulary, spelling = model
    for text in TEXTS:
        whole = text.encode()
        for start in range(len(whole) + 1):
            for part in (whole[start:], whole[:start], whole[start : start + 5]):
                assert b"".join(vocabulary.tokens[t] or b"" for t in spelling.tokens(part)) == part


def test_they_are_the_tokenizers_own(qwen_tokenizer_path: Path) -> None:
    from tokenizers import Tokenizer

    for folder in (MINI, qwen_tokenizer_path):
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        spelling = tools(folder)[1]
        for _, text in documents():
            assert spelling.tokens(text.encode()) == tokenizer.encode(text, add_special_tokens=False).ids


def test_settled_tokens_stay_whatever_follows(model: tuple[Vocabulary, Spelling]) -> None:
    _, spelling = model
    rng = Random(1)
    endings = ['"', '", "', " ", "\n", " \n", "s", "'s", "x", "1", "，", "收", "}", "]}", "\r\n ", "\u0301"]
    texts = [text.encode() for text in TEXTS] + [text.encode() for _, text in documents()[::10]]
    for whole in texts:
        for _ in range(60):
            text = whole[: rng.randrange(len(whole) + 1)]
            settled = spelling.settled(text)
            rest = whole[len(text) :] if rng.random() < 0.3 else "".join(rng.choices(endings, k=4)).encode()
            try:
                (text + rest).decode()
            except UnicodeDecodeError:
                rest = whole[len(text) :]
            assert spelling.tokens(text + rest)[: len(settled)] == settled


@pytest.mark.parametrize("number", range(0, 80, 4))
def test_a_stretch_at_once_is_the_stretch_token_by_token(model: tuple[Vocabulary, Spelling], number: int) -> None:
    vocabulary, spelling = model
    schema, text = documents()[number]
    grammar = compile_schema(schema, vocabulary, key_order="schema", float_integers=False)
    natural = spelling.tokens(text.encode())
    if not grammar.accepts(text):
        pytest.skip("its number is spelled otherwise")
    matcher, expected, num_forced = grammar.matcher(), (), 0
    for token in natural:
        forced = spelling.forced(matcher)
        assert forced[: len(expected)] == expected, matcher.text
        assert not forced or forced[0] == token, "forced tokens are those of the whole text"
        num_forced += bool(forced)
        expected = forced[1:]
        assert matcher.accept_token(token)
    assert num_forced > 0.15 * len(natural) and matcher.forced().ends


def test_a_stretch_is_the_same_at_any_token_boundary(model: tuple[Vocabulary, Spelling]) -> None:
    """Also where a model wrote unusual tokens before it."""
    vocabulary, spelling = model
    names = ["a）-b：", "it's", "x  y", "[{", "\u00e9\u0301", "收货（元）", "A1-b2", "'ll", "--x", ' "q']
    schema = obj({name: {"const": name} for name in names}, *names)
    text = json.dumps({name: name for name in names}, ensure_ascii=False).encode()
    grammar = compile_schema(schema, vocabulary, key_order="schema")
    single = {token: i for i, token in reversed(list(enumerate(vocabulary.tokens))) if token and len(token) == 1}
    for start in range(0, len(text), 1 if vocabulary.n_vocab < 3_000 else 7):
        matcher = grammar.matcher()
        for byte in text[:start]:
            assert matcher.accept_token(single[bytes((byte,))])
        forced = spelling.forced(matcher)
        while forced:
            assert matcher.accept_token(forced[0])
            expected, forced = forced[1:], spelling.forced(matcher)
            assert forced == expected, matcher.text
        assert matcher.text == text and matcher.forced().ends


def test_after_the_end_nothing_is_forced() -> None:
    vocabulary = Vocabulary([bytes((byte,)) for byte in range(256)], n_vocab=257, eos_token_ids=[256])
    matcher = compile_schema({"const": 1}, vocabulary).matcher()
    assert matcher.accept_token(ord("1")) and matcher.accept_token(256) and matcher.is_finished()
    assert matcher.forced() == matcher.ahead().forced() == (b"", True)
    assert not matcher.ahead().read(b"1") and matcher.forced_text() == b""
